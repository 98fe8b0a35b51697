#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "analysis/template.h"
#include "canary/spec.h"

namespace serin::analysis {

/// The kind of measurement a built-in metric is.
enum class Builtin { success_rate, duration };

/// request-success-rate and request-duration; nullopt for any other name.
std::optional<Builtin> builtin_of(std::string_view metric_name);

/// The built-in queries that measure a canary (spec 08 §4 and §6), as templates.
struct BuiltinQueries {
  std::string provider;          ///< as event texts name it
  std::string success_rate;      ///< percent
  std::string requests;          ///< the success rate's denominator: > 0 when there was traffic at all
  std::string duration;          ///< in units of `duration_unit_ms`
  double duration_unit_ms = 1;   ///< 1000 where the query gives seconds
  bool bare_errors = false;      ///< texts carry no "running query failed: " (spec 08 §7.4)
  bool word_names_only = false;  ///< names must be rendered with '_' for every non-word character
};

/// `global` is the controller's -mesh-provider. Beyond the reference, "linkerd:service" and SMI strings
/// ("smi:v1alpha2") mean Linkerd, as one would think; unknown providers are measured as Istio.
BuiltinQueries select_queries(std::string_view global, const canary::Spec& spec);

/// What else may have counted the canary's requests, if the series of select_queries() have none: Linkerd's
/// proxies behind a Gateway API, and those of a DaemonSet's pods, which carry another label. nullopt:
/// nothing.
std::optional<BuiltinQueries> linkerd_queries(std::string_view global, const canary::Spec& spec);

/// What the templates of a canary's metric may name (spec 08 §5).
TemplateScope scope_of(const canary::Spec& spec, const canary::Metric& metric);

}  // namespace serin::analysis
