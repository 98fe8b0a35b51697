#pragma once

#include <memory>
#include <string>

#include "base/json.h"
#include "canary/spec.h"
#include "workload/primary.h"

namespace serin::workload {

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

}  // namespace serin::workload
