#pragma once

#include <string>
#include <vector>

#include "analysis/builtin_checks.h"
#include "analysis/checks.h"
#include "analysis/metric_templates.h"
#include "analysis/prometheus.h"
#include "base/log.h"
#include "kube/api.h"

namespace serin::analysis {

struct AnalysisOptions {
  std::string mesh_provider;             ///< flag -mesh-provider
  std::string metrics_server;            ///< flag -metrics-server; a canary's own wins
  bool no_cross_namespace_refs = false;  ///< flag -no-cross-namespace-refs
  OnValue on_value = {};                 ///< gauge flagger_canary_metric_analysis
};

/// Judges canaries by their metrics (spec 08): built-in checks and in-line queries, then MetricTemplates.
/// Nothing is kept between calls; many canaries may be judged side by side.
class Analysis {
 public:
  /// `insecure`: the client for providers with insecureSkipVerify. All references outlive this.
  Analysis(http::Client& client, http::Client& insecure, kube::Api& api, base::Logger log,
           AnalysisOptions options);

  /// One check of everything the spec names, side by side, so that a slow provider costs its own timeout and
  /// no more. In the reference's order: built-in checks and queries as listed, then templates as listed. What
  /// the canary fails is measured for its primary, too, where the query says whose it is: the fault may be
  /// elsewhere.
  base::Task<std::vector<Check>> evaluate(canary::Spec spec);

  /// Whether every provider this canary needs answers. The error is what follows "Error checking metric
  /// providers: ".
  base::Task<base::Result<void>> check_providers(canary::Spec spec);

  /// For start-up: whether the controller's own metrics server answers.
  base::Task<base::Result<void>> check_server();

 private:
  [[nodiscard]] base::Result<Prometheus> server_of(const canary::Spec& spec) const;
  /// Whose numbers are asked for. The primary's are not exported.
  enum class Side { canary, primary };
  base::Task<std::vector<Check>> check_all(canary::Spec spec, Side side);
  std::vector<base::Task<Check>> checks_of(const canary::Spec& spec, Side side);
  base::Task<Check> check_builtin(canary::Spec spec, canary::Metric metric, Builtin builtin, Side side);
  base::Task<Check> check_query(canary::Spec spec, canary::Metric metric, Side side);
  base::Task<Check> check_template(canary::Spec spec, canary::Metric metric, Side side);
  /// The judgement of one value, exported if it is the canary's.
  Check judge_value(const canary::Spec& spec, const canary::Metric& metric, Side side, double value);
  base::Task<base::Result<void>> check_template_provider(canary::Spec spec, canary::Metric metric);

  http::Client& client_;
  MetricTemplates templates_;
  base::Logger log_;
  AnalysisOptions options_;
};

}  // namespace serin::analysis
