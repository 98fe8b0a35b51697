#include "workload/scaler.h"

#include <algorithm>

namespace serin::workload {

std::vector<std::unique_ptr<Scaler>> all_scalers() {
  std::vector<std::unique_ptr<Scaler>> scalers;
  scalers.push_back(make_hpa());
  scalers.push_back(make_scaled_object());
  return scalers;
}

std::unique_ptr<Scaler> scaler_of(const canary::Spec& spec) {
  if (!spec.autoscaler) return nullptr;
  for (std::unique_ptr<Scaler>& scaler : all_scalers()) {
    if (scaler->resource().kind == spec.autoscaler->kind) return std::move(scaler);
  }
  return nullptr;
}

std::optional<kube::Resource> scaler_resource(const canary::Spec& spec) {
  const std::unique_ptr<Scaler> scaler = scaler_of(spec);
  if (!scaler) return std::nullopt;
  return scaler->resource();
}

int min_replicas(const Json& scaler) {
  const Json& spec = scaler["spec"];
  return static_cast<int>(std::max(spec["minReplicas"].int_or(1), spec["minReplicaCount"].int_or(1)));
}

}  // namespace serin::workload
