#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace serin::loadtester {

/// What /metrics says about tasks, in Prometheus' text format.
class TaskMetrics {
 public:
  void started() { ++running_; }
  void ended(const std::string& type, bool success) {
    --running_;
    count(type, success ? "success" : "failure");
  }
  /// A task that did not run: result "skipped" (already running) or "refused".
  void count(const std::string& type, const std::string& result) { ++totals_[{type, result}]; }
  [[nodiscard]] std::string text() const;

 private:
  std::int64_t running_ = 0;
  std::map<std::pair<std::string, std::string>, std::uint64_t> totals_;
};

}  // namespace serin::loadtester
