#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "canary/check.h"
#include "canary/spec.h"

namespace serin::analysis {

/// What one look at one metric came to.
struct Check {
  canary::CheckResult result;
  std::string event;  ///< the Warning event that says why it did not pass; empty if it did

  [[nodiscard]] bool passed() const { return result.verdict == canary::Verdict::passed; }
  [[nodiscard]] bool failed() const { return result.verdict == canary::Verdict::failed; }
  bool operator==(const Check&) const = default;
};

/// What is counted, and so how values and bounds are compared and printed.
enum class Unit {
  percent,       ///< the success rate
  milliseconds,  ///< durations: cut to whole ones before they are compared
  number,        ///< in-line queries and templates
};

// The judgements of spec 08 §7.2: a value on a bound passes, min is tested before max. `requests`: on how
// many the value rests.

Check judge_success_rate(const canary::Spec& spec, const canary::Metric& metric, double percent,
                         std::optional<double> requests = {});
Check judge_duration(const canary::Spec& spec, const canary::Metric& metric, double milliseconds,
                     std::optional<double> requests = {});
Check judge_number(const canary::Spec& spec, const canary::Metric& metric, double value);

// What is said when there is no value (§7.4): the verdict is unknown. `requests`: how many were counted all
// the same; nullopt: that could not be told either.

Check no_success_rate(const canary::Spec& spec, const canary::Metric& metric, std::string_view provider,
                      bool bare_errors, std::optional<double> requests);
Check no_duration(const canary::Spec& spec, const canary::Metric& metric, std::string_view provider,
                  std::optional<double> requests);
Check no_number(const canary::Metric& metric);
Check no_template_number(const canary::Metric& metric);

/// A check that could not be carried out (§7.5, §8), with the event's whole text. `cause` decides whether
/// that is a failure or leaves it unknown how the canary does; see leaves_unknown().
Check broken_check(const canary::Metric& metric, Unit unit, base::Errc cause, std::string event);

}  // namespace serin::analysis
