#include "podinfo/metrics.h"

#include <fmt/format.h>

#include <cstdlib>

namespace serin::podinfo {

void Metrics::observe(const std::string& method, const std::string& path, int status, double seconds) {
  Histogram& histogram = durations_[{method, path, status}];
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    if (seconds <= std::strtod(bounds[i], nullptr)) ++histogram.at_most[i];
  }
  ++histogram.count;
  histogram.sum += seconds;
  ++requests_[status];
}

std::string Metrics::text() const {
  std::string text =
      "# HELP http_request_duration_seconds Seconds spent serving HTTP requests.\n"
      "# TYPE http_request_duration_seconds histogram\n";
  for (const auto& [labels, histogram] : durations_) {
    const auto& [method, path, status] = labels;
    const std::string shared = fmt::format("method=\"{}\",path=\"{}\",status=\"{}\"", method, path, status);
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      text += fmt::format("http_request_duration_seconds_bucket{{{},le=\"{}{}\"}} {}\n", shared,
                          bounds[i][0] == '.' ? "0" : "", bounds[i], histogram.at_most[i]);
    }
    text +=
        fmt::format("http_request_duration_seconds_bucket{{{},le=\"+Inf\"}} {}\n", shared, histogram.count);
    text += fmt::format("http_request_duration_seconds_sum{{{}}} {}\n", shared, histogram.sum);
    text += fmt::format("http_request_duration_seconds_count{{{}}} {}\n", shared, histogram.count);
  }
  text +=
      "# HELP http_requests_total The total number of HTTP requests.\n"
      "# TYPE http_requests_total counter\n";
  for (const auto& [status, count] : requests_) {
    text += fmt::format("http_requests_total{{status=\"{}\"}} {}\n", status, count);
  }
  return text;
}

}  // namespace serin::podinfo
