#pragma once

#include <memory>
#include <string>

#include "analysis/provider.h"
#include "canary/spec.h"
#include "kube/api.h"

namespace serin::analysis {

/// Reads MetricTemplates with their secrets, anew for each check: what is edited counts at once (spec 08 §8).
class MetricTemplates {
 public:
  /// `insecure`: the client for providers with insecureSkipVerify. All references outlive this.
  MetricTemplates(http::Client& client, http::Client& insecure, kube::Api& api, bool no_cross_namespace_refs)
      : client_(client), insecure_(insecure), api_(api), no_cross_namespace_refs_(no_cross_namespace_refs) {}

  /// A template, ready to be asked.
  struct Loaded {
    std::string query;  ///< not rendered yet
    std::string type;   ///< of the provider
    std::unique_ptr<Provider> provider;
  };
  /// Errors are worded for the place behind "Metric template ".
  base::Task<base::Result<Loaded>> load(canary::Spec spec, canary::Metric metric) const;

  /// "name.namespace" of the template that a metric refers to; without namespace it is the canary's.
  static std::string label(const canary::Spec& spec, const canary::Metric& metric);

 private:
  base::Task<base::Result<ProviderSettings>> read_settings(base::Json provider, std::string ns,
                                                           std::string label) const;

  http::Client& client_;
  http::Client& insecure_;
  kube::Api& api_;
  bool no_cross_namespace_refs_;
};

}  // namespace serin::analysis
