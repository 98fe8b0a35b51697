#pragma once

#include <set>
#include <string>

#include "base/json.h"
#include "canary/spec.h"
#include "workload/labels.h"

namespace serin::workload {

/// What a primary Deployment is made from.
struct PrimarySource {
  const Json& target;
  SelectorLabel label;
  std::set<std::string> tracked_configs;  ///< keys, see ConfigRef::key()
  std::string id;  ///< flagger-id: the revision's, so that a repeated write changes nothing
};

/// The primary as it is created (spec 02 §2.2).
Json new_primary(const PrimarySource& source, const canary::Spec& spec, const Options& options);

/// The primary as a promotion writes it: `primary` with what spec 02 §2.3 says taken from the target.
Json promoted_primary(Json primary, const PrimarySource& source, const canary::Spec& spec,
                      const Options& options);

/// The primary with an earlier pod template of its own (from one of its ReplicaSets).
Json restored_primary(Json primary, const Json& replicaset);

/// The revision a primary carries: annotation flagger-id of its pod template.
std::string primary_id(const Json& primary);

/// How many replicas the target gets when it is scaled up from zero (spec 02 §2.5). `scaler`: its autoscaler,
/// null if there is none or it is missing; `primary`: null if missing.
int replicas_from_zero(const Json& target, const Json& primary, const canary::Spec& spec, const Json& scaler);

/// The primary's HorizontalPodAutoscaler as it is created, and as it is brought in line with the target's
/// (spec 02 §5).
Json new_primary_hpa(const Json& hpa, const canary::Spec& spec);
Json updated_primary_hpa(Json primary_hpa, const Json& hpa, const canary::Spec& spec);

}  // namespace serin::workload
