#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace serin::loadtester {

/// What /metrics says about tasks, in Prometheus' text format.
class TaskMetrics {
 public:
  void started() { ++running_; }
  void ended(const std::string& type, bool success, double seconds);
  /// A task that did not run: result "skipped" (already running) or "refused".
  void count(const std::string& type, const std::string& result) { ++totals_[{type, result}]; }
  void dropped(std::size_t bytes) { dropped_bytes_ += bytes; }
  [[nodiscard]] std::int64_t running() const { return running_; }
  [[nodiscard]] std::string text(std::size_t open_gates) const;

 private:
  static constexpr std::array<double, 10> bounds = {0.1, 0.5, 1, 5, 15, 30, 60, 300, 900, 3600};
  struct Durations {
    std::array<std::uint64_t, bounds.size()> up_to{};
    std::uint64_t count = 0;
    double sum = 0;
  };
  static std::string durations_text(const std::string& type, const Durations& durations);

  std::int64_t running_ = 0;
  std::uint64_t dropped_bytes_ = 0;
  std::map<std::pair<std::string, std::string>, std::uint64_t> totals_;
  std::map<std::string, Durations> durations_;
};

}  // namespace serin::loadtester
