#pragma once

#include <set>
#include <string>

#include "base/log.h"
#include "base/task.h"

namespace serin::loadtester {

/// Runs tasks that no request waits for, one a key at a time: a rollout hook that posts the same load test
/// every 30 s keeps exactly one instance of it going (spec 09 §5.3).
class Background {
 public:
  explicit Background(base::Executor executor) : group_(std::move(executor)) {}

  [[nodiscard]] bool is_running(const std::string& key) const { return running_.contains(key); }
  /// Starts `task`; none with this key may run.
  void start(const std::string& key, base::Task<void> task) {
    running_.insert(key);
    group_.spawn(run(key, std::move(task)));
  }
  /// Cancels what runs and waits for its end; nothing may be started afterwards.
  base::Task<void> stop() {
    group_.cancel();
    co_await group_.join();
  }

 private:
  base::Task<void> run(std::string key, base::Task<void> task) {
    const Release release{running_, key};
    co_await std::move(task);
  }
  struct Release {
    ~Release() { keys.erase(key); }
    std::set<std::string>& keys;
    const std::string& key;
  };

  std::set<std::string> running_;
  base::TaskGroup group_;
};

}  // namespace serin::loadtester
