#pragma once

#include <functional>
#include <string>

#include "analysis/checks.h"
#include "analysis/provider.h"
#include "analysis/queries.h"

namespace serin::analysis {

/// Told of every value measured, before it is judged; durations in seconds.
using OnValue = std::function<void(const canary::Spec&, const std::string& metric, double value)>;

/// Who is measured by what: one built-in check of one canary.
struct BuiltinCheck {
  Builtin kind = Builtin::success_rate;
  canary::Spec spec;
  canary::Metric metric;
  std::string mesh_provider;  ///< the controller's
};

/// Measures and judges (spec 08 §6, §7), and tells on how many requests the verdict rests. `server` and
/// `on_value` outlive the task.
base::Task<Check> carry_out(BuiltinCheck asked, const Provider& server, const OnValue& on_value);

}  // namespace serin::analysis
