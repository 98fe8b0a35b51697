#include "analysis/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "analysis/provider.h"
#include "analysis/template_value.h"

namespace serin::analysis {

using canary::Bounds;
using canary::CheckResult;
using canary::Metric;
using canary::Spec;
using canary::Verdict;

namespace {

/// Longer than any request: values beyond it would not fit a duration.
constexpr double milliseconds_max = 1e12;

std::string duration_text(double milliseconds) {
  const auto whole = static_cast<std::int64_t>(std::clamp(milliseconds, -milliseconds_max, milliseconds_max));
  return base::format_duration(std::chrono::milliseconds(whole));
}

std::string bound_text(Unit unit, double bound) {
  if (unit == Unit::milliseconds) return duration_text(bound);
  return go_number(bound) + (unit == Unit::percent ? "%" : "");
}

std::string value_text(Unit unit, double value) {
  if (unit == Unit::milliseconds) return duration_text(value);
  return fmt::format("{:.2f}{}", value, unit == Unit::percent ? "%" : "");
}

/// The deprecated threshold is the least that passes for the success rate, and the most everywhere else.
Bounds bounds_of(const Metric& metric, Unit unit) {
  Bounds bounds = metric.range.value_or(unit == Unit::percent ? Bounds{.min = metric.threshold}
                                                              : Bounds{.max = metric.threshold});
  if (unit != Unit::milliseconds) return bounds;
  if (bounds.min) bounds.min = std::trunc(*bounds.min);
  if (bounds.max) bounds.max = std::trunc(*bounds.max);
  return bounds;
}

std::string limit_text(const Bounds& bounds, Unit unit) {
  if (bounds.min && bounds.max)
    return fmt::format("between {} and {}", bound_text(unit, *bounds.min), bound_text(unit, *bounds.max));
  if (bounds.min) return "at least " + bound_text(unit, *bounds.min);
  if (bounds.max) return "at most " + bound_text(unit, *bounds.max);
  return "any value";
}

/// "<value> < <bound>" or "<value> > <bound>" when the value is out of bounds; else empty.
std::string out_of_bounds(const Bounds& bounds, Unit unit, double value) {
  const std::string what = value_text(unit, value);
  if (bounds.min && value < *bounds.min) return fmt::format("{} < {}", what, bound_text(unit, *bounds.min));
  if (bounds.max && value > *bounds.max) return fmt::format("{} > {}", what, bound_text(unit, *bounds.max));
  return {};
}

std::string number_of_requests(double requests) {
  return requests == 1 ? "1 request" : fmt::format("{:.0f} requests", requests);
}

CheckResult result_of(const Metric& metric, Unit unit, Verdict verdict, std::optional<double> requests) {
  return {.name = metric.name,
          .limit = limit_text(bounds_of(metric, unit), unit),
          .window = metric.interval.empty() ? "1m" : metric.interval,
          .verdict = verdict,
          .requests = requests};
}

/// `what` is the measured thing's name in events.
Check judge(const Spec& spec, const Metric& metric, Unit unit, std::string_view what, double value,
            std::optional<double> requests) {
  const std::string broken = out_of_bounds(bounds_of(metric, unit), unit, value);
  const Verdict verdict = broken.empty() ? Verdict::passed : Verdict::failed;
  Check check{.result = result_of(metric, unit, verdict, requests)};
  CheckResult& result = check.result;
  result.value = value;
  result.text =
      fmt::format("{}{} in the last {}; limit: {}", value_text(unit, value),
                  requests ? " on " + number_of_requests(*requests) : "", result.window, result.limit);
  if (verdict == Verdict::failed)
    check.event = fmt::format("Halt {} advancement {} {}", spec.dotted(), what, broken);
  return check;
}

Check no_builtin(const Spec& spec, const Metric& metric, Unit unit, std::string_view provider,
                 std::optional<double> requests) {
  Check check{.result = result_of(metric, unit, Verdict::unknown, requests)};
  CheckResult& result = check.result;
  if (requests && *requests > 0) {
    result.text = fmt::format(
        "{} received {} in the last {}, but the {} metrics say nothing about {}: look at the "
        "series in Prometheus",
        spec.target_dotted(), number_of_requests(*requests), result.window, provider, result.name);
  } else {
    result.text =
        fmt::format("{} received no requests in the last {}: send traffic to it, e.g. by a load-test webhook",
                    spec.target_dotted(), result.window);
  }
  check.event =
      fmt::format("Halt advancement no values found for {} metric {} probably {} is not receiving traffic",
                  provider, metric.name, spec.target_dotted());
  return check;
}

Check no_value(const Metric& metric, std::string event) {
  Check check{.result = result_of(metric, Unit::number, Verdict::unknown, {}), .event = std::move(event)};
  check.result.text = fmt::format(
      "the query of {} gave no value: check in the metrics server that its series exist, and that "
      "there was traffic in the last {}",
      metric.name, check.result.window);
  return check;
}

}  // namespace

Check judge_success_rate(const Spec& spec, const Metric& metric, double percent,
                         std::optional<double> requests) {
  return judge(spec, metric, Unit::percent, "success rate", percent, requests);
}

Check judge_duration(const Spec& spec, const Metric& metric, double milliseconds,
                     std::optional<double> requests) {
  return judge(spec, metric, Unit::milliseconds, "request duration", std::trunc(milliseconds), requests);
}

Check judge_number(const Spec& spec, const Metric& metric, double value) {
  return judge(spec, metric, Unit::number, metric.name, value, {});
}

Check no_success_rate(const Spec& spec, const Metric& metric, std::string_view provider, bool bare_errors,
                      std::optional<double> requests) {
  Check check = no_builtin(spec, metric, Unit::percent, provider, requests);
  check.event += bare_errors ? ": no values found" : ": running query failed: no values found";
  return check;
}

Check no_duration(const Spec& spec, const Metric& metric, std::string_view provider,
                  std::optional<double> requests) {
  return no_builtin(spec, metric, Unit::milliseconds, provider, requests);
}

Check no_number(const Metric& metric) {
  return no_value(metric, fmt::format("Halt advancement no values found for metric: {}", metric.name));
}

Check no_template_number(const Metric& metric) {
  return no_value(
      metric,
      fmt::format("Halt advancement no values found for custom metric: {}: no values found", metric.name));
}

Check broken_check(const Metric& metric, Unit unit, base::Errc cause, std::string event) {
  const Verdict verdict = leaves_unknown(cause) ? Verdict::unknown : Verdict::failed;
  Check check{.result = result_of(metric, unit, verdict, {}), .event = std::move(event)};
  check.result.text = check.event;
  return check;
}

}  // namespace serin::analysis
