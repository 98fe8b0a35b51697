#pragma once

#include "base/json.h"
#include "base/result.h"
#include "canary/action.h"
#include "canary/spec.h"

namespace serin::routing {

using base::Json;

/// Linkerd by SMI TrafficSplit v1alpha1 (spec 05 §5): pure functions from canary and weights to the object
/// and back.

/// The object as it is created, at these weights.
Json new_traffic_split(const canary::Spec& spec, canary::Routes routes);
/// The live object with its structure put right and its weights kept; equal to it if nothing is to be
/// written.
Json reconciled_traffic_split(const Json& live, const canary::Spec& spec);
/// The live object at these weights.
Json weighted_traffic_split(Json live, const canary::Spec& spec, canary::Routes routes);
/// The weights in force. Error (invalid) if it doesn't name both backends with readable weights.
base::Result<canary::Routes> read_traffic_split(const Json& live, const canary::Spec& spec);

}  // namespace serin::routing
