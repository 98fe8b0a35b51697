#pragma once

#include <optional>
#include <string>
#include <vector>

#include "routing/router.h"

namespace serin::routing {

/// What else on a Linkerd mesh decides where the apex's traffic goes. Linkerd asks the ServiceProfile of a
/// Service first, which the SMI adaptor makes from its TrafficSplit, and obeys HTTPRoutes only without one
/// (spec 07 §2, §3).

/// ServiceProfile, and where the apex's is.
const kube::Resource& profile_resource();
kube::ObjectRef profile_ref(const canary::Spec& spec);

/// Why a TrafficSplit of the apex would have no effect, or take away what somebody else has set up. Empty:
/// nothing.
std::string split_conflict(const Situation& situation);
/// What ends this Canary's own TrafficSplit, which another provider has left: HTTPRoutes have no effect
/// beside it. nullopt: there is none.
std::optional<Write> end_of_own_split(const Situation& situation);
/// Why an HTTPRoute of the apex would have no effect. Empty: nothing.
std::string route_conflict(const Situation& situation);
/// What divides the apex's traffic behind an ingress's back. Empty: nothing.
std::string ingress_conflict(const Situation& situation);

}  // namespace serin::routing
