#include "loadtester/metrics.h"

#include <fmt/format.h>

namespace serin::loadtester {
namespace {

std::string head(std::string_view name, std::string_view type, std::string_view help) {
  return fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

}  // namespace

void TaskMetrics::ended(const std::string& type, bool success, double seconds) {
  --running_;
  count(type, success ? "success" : "failure");
  Durations& durations = durations_[type];
  for (std::size_t i = 0; i < bounds.size(); ++i) durations.up_to[i] += seconds <= bounds[i];
  ++durations.count;
  durations.sum += seconds;
}

std::string TaskMetrics::durations_text(const std::string& type, const Durations& durations) {
  constexpr std::string_view name = "loadtester_task_duration_seconds";
  std::string text;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    text += fmt::format("{}_bucket{{type=\"{}\",le=\"{}\"}} {}\n", name, type, bounds[i], durations.up_to[i]);
  }
  text += fmt::format("{}_bucket{{type=\"{}\",le=\"+Inf\"}} {}\n", name, type, durations.count);
  text += fmt::format("{}_sum{{type=\"{}\"}} {}\n", name, type, durations.sum);
  text += fmt::format("{}_count{{type=\"{}\"}} {}\n", name, type, durations.count);
  return text;
}

std::string TaskMetrics::text(std::size_t open_gates) const {
  std::string text = head("loadtester_tasks_running", "gauge", "Tasks that run at the moment.");
  text += fmt::format("loadtester_tasks_running {}\n", running_);
  text += head("loadtester_tasks_total", "counter", "Tasks by type and how they ended.");
  for (const auto& [labels, total] : totals_) {
    text += fmt::format("loadtester_tasks_total{{type=\"{}\",result=\"{}\"}} {}\n", labels.first,
                        labels.second, total);
  }
  text += head("loadtester_task_duration_seconds", "histogram", "How long tasks ran, by type.");
  for (const auto& [type, durations] : durations_) text += durations_text(type, durations);
  text += head("loadtester_output_dropped_bytes_total", "counter", "Output of tasks beyond what is kept.");
  text += fmt::format("loadtester_output_dropped_bytes_total {}\n", dropped_bytes_);
  text += head("loadtester_gates_open", "gauge", "Gates and rollback gates that are open.");
  text += fmt::format("loadtester_gates_open {}\n", open_gates);
  return text;
}

}  // namespace serin::loadtester
