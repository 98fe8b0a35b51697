#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/task.h"

namespace serin::loadtester {

/// How a task ended.
struct Finished {
  std::string output;       ///< stdout and stderr interleaved; no more than the runner's cap
  std::size_t dropped = 0;  ///< bytes of output beyond the cap
  std::string failure;      ///< empty: success. Else Go's words: "exit status 7", "signal: killed"
};

/// Runs commands: the tester's one way to the operating system's processes.
class ProcessRunner {
 public:
  virtual ~ProcessRunner() = default;
  /// Runs argv[0], looked up in PATH, with this user and folder and an empty stdin, in a session of its own.
  /// Returns when it has ended and nobody holds its output any more. After `timeout` it and everything that
  /// it started is ended (SIGTERM, then SIGKILL) and the failure is "signal: killed"; the same happens when
  /// the caller is cancelled. What a command leaves running behind its back may do so until the same
  /// deadline. A command that can't be started has its reason as failure
  /// (`exec: "helm": executable file not found in $PATH`).
  virtual base::Task<Finished> run(std::vector<std::string> argv, base::Duration timeout) = 0;
  /// Ends everything that was started and still runs; nothing may be run afterwards.
  virtual base::Task<void> stop() = 0;
};

struct ProcessLimits {
  std::size_t output_max = 64u << 10;              ///< bytes kept of one command's output
  base::Duration grace = std::chrono::seconds(2);  ///< between SIGTERM and SIGKILL
};

/// Runs real processes of this machine, with this environment ("NAME=value" each). None of them survives the
/// death of this process, whatever it dies of.
std::unique_ptr<ProcessRunner> make_process_runner(base::Executor executor, base::Clock& clock,
                                                   std::vector<std::string> environment,
                                                   ProcessLimits limits);

}  // namespace serin::loadtester
