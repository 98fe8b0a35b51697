#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/task.h"
#include "local/node/fd.h"
#include "local/node/launch.h"
#include "local/node/wire.h"

namespace serin::local {

/// How a process ended.
struct ExitStatus {
  int code = 0;
  int signal = 0;  ///< what killed it; 0: it exited by itself

  /// As a shell and Kubernetes count: 128 + signal for the killed.
  [[nodiscard]] int exit_code() const { return signal ? 128 + signal : code; }
  bool operator==(const ExitStatus&) const = default;
};

/// What a group of processes has used.
struct Usage {
  std::int64_t cpu_ns = 0;     ///< since the group began, ended processes included
  std::int64_t rss_bytes = 0;  ///< resident now
};

/// A started process, until and after its end.
class Process {
 public:
  struct State;
  explicit Process(std::shared_ptr<State> state) : state_(std::move(state)) {}

  /// As its supervisor numbers it.
  [[nodiscard]] pid_t pid() const;
  /// Returns when the process has ended. A process whose supervisor dies was killed. Several may wait.
  base::Task<ExitStatus> wait();
  [[nodiscard]] bool ended() const;

 private:
  std::shared_ptr<State> state_;
};

/// The client of a Supervisor: starts and ends processes in one pod, or in the fabric. Destroying it ends all
/// of them. Errors: unavailable when the supervisor has gone; otherwise the supervisor's own.
class ProcessHost {
 public:
  struct State;
  ProcessHost(base::Executor executor, Fd channel);
  ProcessHost(const ProcessHost&) = delete;
  ProcessHost& operator=(const ProcessHost&) = delete;
  ~ProcessHost();

  /// Starts a program with these descriptors as its 0, 1, 2, ... (they stay the caller's). Errors: not_found
  /// or forbidden when it cannot be executed.
  base::Task<base::Result<Process>> start(Program program, std::vector<int> fds);
  /// Sends a signal to the process itself. not_found: it has ended.
  base::Task<base::Result<void>> signal(pid_t pid, int number);
  /// Kills the process and everything it has started.
  base::Task<base::Result<void>> kill(pid_t pid);
  base::Task<base::Result<Usage>> usage();
  /// An unconnected, non-blocking TCP socket of that network.
  base::Task<base::Result<Fd>> tcp_socket();

  /// One request and its answer.
  base::Task<base::Result<Message>> call(base::Json request, std::vector<int> fds);
  /// The first event of that name; for "ready".
  base::Task<base::Result<base::Json>> first_event(std::string name);

 private:
  std::shared_ptr<State> state_;
};

}  // namespace serin::local
