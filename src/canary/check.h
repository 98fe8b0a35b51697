#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace serin::canary {

using base::Json;

/// What a check came to. Unknown: nothing was measured, so nothing can be said about the canary.
enum class Verdict { passed, failed, unknown };

/// "passed", "failed", "unknown".
std::string_view name_of(Verdict verdict);
std::optional<Verdict> parse_verdict(std::string_view name);

/// One metric, judged once: what was measured, over which window, on how many requests, and against what.
struct CheckResult {
  std::string name;             ///< the metric's, as spec.analysis.metrics[] has it
  std::optional<double> value;  ///< percent for the success rate, milliseconds for durations
  std::string limit;            ///< "at least 99%", "at most 500ms", "between 1 and 5", "any value"
  std::string window;           ///< the query's range: "1m"
  Verdict verdict = Verdict::passed;
  std::string text;                ///< one sentence for people; where the verdict is unknown, with the remedy
  std::optional<double> requests;  ///< on how many requests the value rests, where that is known
  std::optional<double> primary_value;  ///< the primary's, if it fails the same check

  bool operator==(const CheckResult&) const = default;
};

/// The array for status.checks: one object a check, in order, without members for what is not known.
Json to_json(const std::vector<CheckResult>& checks);
/// Reads it back. Entries that we would not have written (no name, an unknown verdict) are left out.
std::vector<CheckResult> read_checks(const Json& array);

}  // namespace serin::canary
