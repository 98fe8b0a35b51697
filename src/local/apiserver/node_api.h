#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"

namespace serin::local {

/// One container of a pod, as the API names it.
struct ContainerRef {
  std::string ns;
  std::string pod;
  std::string container;  ///< never empty: the API server fills the default in
};

/// What `kubectl logs` can ask for (v1.PodLogOptions).
struct LogOptions {
  bool follow = false;      ///< go on until the container ends
  bool previous = false;    ///< the container's last ended instance
  bool timestamps = false;  ///< each line gets an RFC 3339 time with nanoseconds and a blank in front
  std::optional<std::int64_t> tail_lines;     ///< only this many of the last lines
  std::optional<std::int64_t> since_seconds;  ///< only lines younger than this, in seconds
  std::optional<base::WallTime> since_time;   ///< only lines at or after this time
  std::optional<std::int64_t> limit_bytes;    ///< end after this many bytes
};

/// A container's log as it is read.
class LogStream {
 public:
  virtual ~LogStream() = default;
  /// The next piece (never empty, not necessarily whole lines); nullopt at the end. Cancellable.
  virtual base::Task<base::Result<std::optional<std::string>>> next() = 0;
};

/// A command to run in a container, or (for attach) which streams of its main process to join.
struct ExecRequest {
  std::string ns;
  std::string pod;
  std::string container;             ///< never empty: the API server fills the default in
  std::vector<std::string> command;  ///< empty for attach
  bool tty = false;
  bool stdin_wanted = false;
  bool stdout_wanted = false;
  bool stderr_wanted = false;  ///< never with tty: a terminal has one output
};

/// The size of the user's terminal, in characters.
struct TerminalSize {
  std::uint16_t width = 0;
  std::uint16_t height = 0;
};

/// The user's side of an exec or attach: the wire protocol (SPDY, WebSocket) implements it, the node drives
/// it. Every call is cancellable. Errors (unavailable) mean that the user has gone: end the command.
class ExecSession {
 public:
  virtual ~ExecSession() = default;
  /// The next bytes for stdin (never empty); nullopt when the user closed it.
  virtual base::Task<base::Result<std::optional<std::string>>> read_stdin() = 0;
  /// Output for the user; fd 1 is stdout, 2 is stderr.
  virtual base::Task<base::Result<void>> write(int fd, std::string bytes) = 0;
  /// The next change of the terminal's size; nullopt when there will be none.
  virtual base::Task<std::optional<TerminalSize>> resize() = 0;
  /// Ends the session with a metav1.Status (exec_success(), exec_exit_code(), exec_failure()), after all
  /// output. Called exactly once unless the user has gone.
  virtual base::Task<base::Result<void>> finish(base::Json status) = 0;
};

/// The final Status of a command that ended with 0.
base::Json exec_success();
/// The final Status of a command that ended otherwise: reason NonZeroExitCode, cause ExitCode, from which
/// kubectl takes its own exit code.
base::Json exec_exit_code(int exit_code);
/// The final Status of a command that could not be run.
base::Json exec_failure(std::string message);

/// A byte stream to a port in a pod (kubectl port-forward).
class PortStream {
 public:
  virtual ~PortStream() = default;
  /// Bytes from the pod (never empty); nullopt when it closed its side.
  virtual base::Task<base::Result<std::optional<std::string>>> read() = 0;
  virtual base::Task<base::Result<void>> write(std::string bytes) = 0;
  /// No more bytes will be written; reading goes on.
  virtual base::Task<base::Result<void>> close_write() = 0;
};

/// What the API server asks of the node that runs the pods. The API server has checked that the pod exists,
/// runs on the node and has the container. Errors: invalid and not_found carry the kubelet's text (`previous
/// terminated container "x" in pod "y" not found`), unavailable means the node cannot be reached.
class NodeApi {
 public:
  virtual ~NodeApi() = default;
  virtual base::Task<base::Result<std::unique_ptr<LogStream>>> logs(ContainerRef container,
                                                                    LogOptions options) = 0;
  /// Runs the command and returns when it has ended and session.finish() was called. A failure returned
  /// instead (the command was never started) is sent to the user by the caller.
  virtual base::Task<base::Result<void>> exec(ExecRequest request, ExecSession& session) = 0;
  /// Joins the streams of the container's running main process; returns when it or the user ends.
  virtual base::Task<base::Result<void>> attach(ExecRequest request, ExecSession& session) = 0;
  /// Connects to a TCP port of the pod's network.
  virtual base::Task<base::Result<std::unique_ptr<PortStream>>> dial(std::string ns, std::string pod,
                                                                     std::uint16_t port) = 0;
};

}  // namespace serin::local
