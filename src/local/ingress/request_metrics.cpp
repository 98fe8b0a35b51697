#include "local/ingress/request_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace serin::local {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// NGINX's sum of times: one for each backend that was asked, "0.004, 0.010"; "-" for one that wasn't.
std::optional<double> seconds_of(std::string_view text) {
  std::optional<double> sum;
  while (!text.empty()) {
    double seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error == std::errc()) sum = sum.value_or(0) + seconds;
    text.remove_prefix(error == std::errc() ? static_cast<std::size_t>(end - text.data()) : 1);
  }
  return sum;
}

/// Clients may send any word as method; what they send must not make series without end.
std::string method_of(std::string_view text) {
  constexpr std::array<std::string_view, 9> known = {"GET",    "HEAD",    "POST",    "PUT",  "PATCH",
                                                     "DELETE", "OPTIONS", "CONNECT", "TRACE"};
  return std::ranges::find(known, text) == known.end() ? "other" : std::string(text);
}

constexpr std::string_view requests = "nginx_ingress_controller_requests";
constexpr std::string_view request_duration = "nginx_ingress_controller_request_duration_seconds";
constexpr std::string_view response_duration = "nginx_ingress_controller_response_duration_seconds";

std::string head_of(std::string_view family, std::string_view type, std::string_view help) {
  return fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", family, type, help);
}

}  // namespace

void RequestMetrics::count(std::string_view line) {
  const std::vector<std::string_view> fields = split(line, '\t');
  const bool is_malformed = fields.size() != 10 || line.find_first_of("\"\\") != std::string_view::npos;
  if (is_malformed || fields[1].empty()) return;
  const auto field = [&](std::size_t i) { return std::string(fields[i]); };
  const Labels labels{{field(0), field(1)}, field(2), field(3), field(4),
                      method_of(fields[5]), field(6), field(7)};
  Series& series = series_[labels];
  ++series.requests;
  if (const auto seconds = seconds_of(fields[8])) series.request.observe(*seconds);
  if (const auto seconds = seconds_of(fields[9])) series.response.observe(*seconds);
}

void RequestMetrics::keep(const std::vector<kube::ObjectRef>& ingresses) {
  std::erase_if(series_, [&](const auto& each) {
    return std::ranges::find(ingresses, each.first.ingress) == ingresses.end();
  });
}

std::string RequestMetrics::Labels::text() const {
  return fmt::format(
      R"(namespace="{}",ingress="{}",service="{}",canary="{}",status="{}",method="{}",host="{}",path="{}")",
      ingress.ns, ingress.name, service, canary, status, method, host, path);
}

void RequestMetrics::Durations::observe(double seconds) {
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    if (seconds <= bounds[i]) ++up_to[i];
  }
  ++count;
  sum += seconds;
}

std::string RequestMetrics::Durations::text(std::string_view family, const std::string& labels) const {
  std::string out;
  for (std::size_t i = 0; i < bounds.size(); ++i)
    out += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", family, labels, bounds[i], up_to[i]);
  return out + fmt::format("{0}_bucket{{{1},le=\"+Inf\"}} {2}\n{0}_sum{{{1}}} {3}\n{0}_count{{{1}}} {2}\n",
                           family, labels, count, sum);
}

std::string RequestMetrics::text() const {
  std::string out = head_of(requests, "counter", "The total number of client requests");
  for (const auto& [labels, series] : series_)
    out += fmt::format("{}{{{}}} {}\n", requests, labels.text(), series.requests);
  out += head_of(request_duration, "histogram", "The request processing time in seconds");
  for (const auto& [labels, series] : series_) out += series.request.text(request_duration, labels.text());
  out += head_of(response_duration, "histogram", "The time until the backend had answered, in seconds");
  for (const auto& [labels, series] : series_) {
    if (series.response.count > 0) out += series.response.text(response_duration, labels.text());
  }
  return out;
}

}  // namespace serin::local
