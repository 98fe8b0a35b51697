#include "loadtester/metrics.h"

#include <fmt/format.h>

namespace serin::loadtester {

std::string TaskMetrics::text() const {
  std::string text =
      "# HELP loadtester_tasks_running Tasks that run at the moment.\n"
      "# TYPE loadtester_tasks_running gauge\n";
  text += fmt::format("loadtester_tasks_running {}\n", running_);
  text +=
      "# HELP loadtester_tasks_total Tasks by type and how they ended.\n"
      "# TYPE loadtester_tasks_total counter\n";
  for (const auto& [labels, total] : totals_) {
    text += fmt::format("loadtester_tasks_total{{type=\"{}\",result=\"{}\"}} {}\n", labels.first,
                        labels.second, total);
  }
  return text;
}

}  // namespace serin::loadtester
