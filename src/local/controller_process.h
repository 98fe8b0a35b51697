#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "local/metrics/child.h"

namespace serin::local {

/// `serin controller` as a child process, as it would run on any cluster, started again whenever it ends.
class ControllerProcess {
 public:
  /// `command[0]` is a path. `ended` is told each time it ends by itself, with how.
  ControllerProcess(std::vector<std::string> command, std::filesystem::path log_file, Spawner& spawner,
                    base::Clock& clock, base::Random& random, std::function<void(std::string how)> ended);

  /// Errors: it cannot be started at all.
  base::Result<void> start();
  /// After start(): until cancelled; the process is then asked to end and given a few seconds to do so.
  base::Task<void> run();

 private:
  base::Task<void> keep_alive();

  std::vector<std::string> command_;
  std::filesystem::path log_file_;
  Spawner& spawner_;
  base::Clock& clock_;
  base::Random& random_;
  std::function<void(std::string how)> ended_;
  std::unique_ptr<Child> child_;
};

}  // namespace serin::local
