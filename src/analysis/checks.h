#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "analysis/prometheus.h"
#include "canary/spec.h"

namespace serin::analysis {

/// What one look at one metric came to.
struct Check {
  enum class Verdict { passed, failed, no_data, error };

  std::string metric;
  Verdict verdict = Verdict::passed;
  std::optional<double> value;  ///< percent for the success rate, milliseconds for durations
  std::string text;             ///< the Warning event that says why it did not pass; empty if it did

  [[nodiscard]] bool passed() const { return verdict == Verdict::passed; }
  bool operator==(const Check&) const = default;
};

// The judgements of spec 08 §7.2: a value on a bound passes, min is tested before max.

Check judge_success_rate(const canary::Spec& spec, const canary::Metric& metric, double percent);
/// Value and bounds are cut to whole milliseconds first.
Check judge_duration(const canary::Spec& spec, const canary::Metric& metric, double milliseconds);
/// In-line queries and templates.
Check judge_number(const canary::Spec& spec, const canary::Metric& metric, double value);

// What is said when there is no value (§7.4) or no answer (§7.5).

Check no_success_rate(const canary::Spec& spec, const canary::Metric& metric, std::string_view provider,
                      bool bare_errors);
Check no_duration(const canary::Spec& spec, const canary::Metric& metric, std::string_view provider);
Check no_number(const canary::Metric& metric);
Check no_template_number(const canary::Metric& metric);
/// A check that could not be carried out, with the event's whole text.
Check broken_check(const canary::Metric& metric, std::string text);

}  // namespace serin::analysis
