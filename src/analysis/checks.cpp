#include "analysis/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "analysis/template_value.h"

namespace serin::analysis {

namespace {

using Verdict = Check::Verdict;

/// Longer than any request: values beyond it would not fit a duration.
constexpr double milliseconds_max = 1e12;

std::string duration_text(double milliseconds) {
  const auto whole = static_cast<std::int64_t>(std::clamp(milliseconds, -milliseconds_max, milliseconds_max));
  return base::format_duration(std::chrono::milliseconds(whole));
}

std::string percent_text(double bound) {
  return go_number(bound) + "%";
}

Check judged(const canary::Metric& metric, double value, std::string halt) {
  const Verdict verdict = halt.empty() ? Verdict::passed : Verdict::failed;
  return {metric.name, verdict, value, std::move(halt)};
}

/// "<what> < <bound>" or "<what> > <bound>" when the value is out of the range; else empty.
std::string out_of_range(const canary::Bounds& range, double value, std::string_view what,
                         std::string (*print)(double)) {
  if (range.min && value < *range.min) return fmt::format("{} < {}", what, print(*range.min));
  if (range.max && value > *range.max) return fmt::format("{} > {}", what, print(*range.max));
  return {};
}

Check no_data(const canary::Metric& metric, std::string text) {
  return {metric.name, Verdict::no_data, std::nullopt, std::move(text)};
}

std::string no_builtin(const canary::Spec& spec, const canary::Metric& metric, std::string_view provider) {
  return fmt::format("Halt advancement no values found for {} metric {} probably {} is not receiving traffic",
                     provider, metric.name, spec.target_dotted());
}

}  // namespace

Check judge_success_rate(const canary::Spec& spec, const canary::Metric& metric, double percent) {
  // The deprecated threshold is the least that passes here, and the most everywhere else.
  const canary::Bounds range = metric.range.value_or(canary::Bounds{.min = metric.threshold});
  const std::string what = fmt::format("Halt {} advancement success rate {:.2f}%", spec.dotted(), percent);
  return judged(metric, percent, out_of_range(range, percent, what, percent_text));
}

Check judge_duration(const canary::Spec& spec, const canary::Metric& metric, double milliseconds) {
  canary::Bounds range = metric.range.value_or(canary::Bounds{.max = metric.threshold});
  if (range.min) range.min = std::trunc(*range.min);
  if (range.max) range.max = std::trunc(*range.max);
  const double value = std::trunc(milliseconds);
  const std::string what =
      fmt::format("Halt {} advancement request duration {}", spec.dotted(), duration_text(value));
  return judged(metric, value, out_of_range(range, value, what, duration_text));
}

Check judge_number(const canary::Spec& spec, const canary::Metric& metric, double value) {
  const canary::Bounds range = metric.range.value_or(canary::Bounds{.max = metric.threshold});
  const std::string what = fmt::format("Halt {} advancement {} {:.2f}", spec.dotted(), metric.name, value);
  return judged(metric, value, out_of_range(range, value, what, go_number));
}

Check no_success_rate(const canary::Spec& spec, const canary::Metric& metric, std::string_view provider,
                      bool bare_errors) {
  return no_data(metric, fmt::format("{}: {}no values found", no_builtin(spec, metric, provider),
                                     bare_errors ? "" : "running query failed: "));
}

Check no_duration(const canary::Spec& spec, const canary::Metric& metric, std::string_view provider) {
  return no_data(metric, no_builtin(spec, metric, provider));
}

Check no_number(const canary::Metric& metric) {
  return no_data(metric, fmt::format("Halt advancement no values found for metric: {}", metric.name));
}

Check no_template_number(const canary::Metric& metric) {
  return no_data(
      metric,
      fmt::format("Halt advancement no values found for custom metric: {}: no values found", metric.name));
}

Check broken_check(const canary::Metric& metric, std::string text) {
  return {metric.name, Verdict::error, std::nullopt, std::move(text)};
}

}  // namespace serin::analysis
