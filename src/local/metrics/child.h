#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"

namespace serin::local {

/// A program that was started and belongs to whoever holds this. It is killed when this goes, and by the
/// kernel should our own process die.
class Child {
 public:
  virtual ~Child() = default;
  /// Returns when it has ended, with a sentence how ("exited with 1", "killed by signal 9").
  virtual base::Task<std::string> ended() = 0;
  /// Asks it to end (SIGTERM); ended() tells when it has.
  virtual void terminate() = 0;
};

/// The port through which processes are started.
class Spawner {
 public:
  virtual ~Spawner() = default;
  /// `command[0]` is a path. Output goes to the end of `log_file`. Errors: not_found when there is no such
  /// program, else what the system says.
  virtual base::Result<std::unique_ptr<Child>> spawn(std::vector<std::string> command,
                                                     std::filesystem::path log_file) = 0;
};

/// Real processes.
std::unique_ptr<Spawner> make_spawner(base::Executor executor);

}  // namespace serin::local
