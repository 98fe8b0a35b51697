#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analysis/checks.h"
#include "analysis/prometheus.h"
#include "analysis/queries.h"
#include "base/log.h"
#include "kube/api.h"

namespace serin::analysis {

struct AnalysisOptions {
  std::string mesh_provider;   ///< flag -mesh-provider
  std::string metrics_server;  ///< flag -metrics-server; a canary's own wins
  /// Told of every value measured, before it is judged (gauge flagger_canary_metric_analysis; durations in
  /// seconds).
  std::function<void(const canary::Spec&, const std::string& metric, double value)> on_value;
};

/// Judges canaries by their metrics (spec 08): built-in checks and in-line queries first, in list order, then
/// MetricTemplates. Nothing is kept between calls; many canaries may be judged side by side.
class Analysis {
 public:
  /// `insecure`: the client for providers with insecureSkipVerify. All references outlive this.
  Analysis(http::Client& client, http::Client& insecure, kube::Api& api, base::Logger log,
           AnalysisOptions options);

  /// The checks carried out, in order. The first that does not pass is the last.
  base::Task<std::vector<Check>> evaluate(canary::Spec spec);

  /// Whether every provider this canary needs answers. The error is what follows "Error checking metric
  /// providers: ".
  base::Task<base::Result<void>> check_providers(canary::Spec spec);

  /// For start-up: whether the controller's own metrics server answers.
  base::Task<base::Result<void>> check_server();

 private:
  base::Result<Prometheus> server_of(const canary::Spec& spec) const;
  base::Task<Check> check_builtin(canary::Spec spec, canary::Metric metric, Builtin builtin);
  base::Task<Check> check_success_rate(canary::Spec spec, canary::Metric metric, Prometheus server);
  base::Task<Check> check_duration(canary::Spec spec, canary::Metric metric, Prometheus server);
  base::Task<Check> check_query(canary::Spec spec, canary::Metric metric);
  base::Task<Check> check_template(canary::Spec spec, canary::Metric metric);
  base::Task<base::Result<Measurement>> measure(Prometheus server, std::string query, TemplateScope scope);

  /// A MetricTemplate, ready to be asked.
  struct Template {
    std::string query, provider_type;
    Prometheus server;
  };
  /// Errors are worded for the place behind "Metric template " (lower case: "metric template ").
  base::Task<base::Result<Template>> load_template(canary::Spec spec, canary::Metric metric);

  http::Client& client_;
  http::Client& insecure_;
  kube::Api& api_;
  base::Logger log_;
  AnalysisOptions options_;
};

}  // namespace serin::analysis
