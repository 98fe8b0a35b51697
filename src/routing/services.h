#pragma once

#include <optional>
#include <vector>

#include "base/json.h"
#include "canary/spec.h"
#include "workload/labels.h"

namespace serin::routing {

using base::Json;

enum class Role { apex, primary, canary };

/// "podinfo", "podinfo-primary", "podinfo-canary".
std::string service_name(const canary::Spec& spec, Role role);

/// Adds the annotations that keep Flux from taking back what we write (spec 05 §1.3).
void keep_flux_away(Json& annotations);

/// The ports that a canary's Services have: the spec's, and those discovered on the target (spec 02 §3.2,
/// §3.3).
Json service_ports(const canary::Spec& spec, const Json& target);

/// A Service as it is created (spec 02 §3).
Json new_service(const canary::Spec& spec, Role role, const workload::SelectorLabel& label,
                 const Json& target);

/// The live Service as it should be; equal to it if there is nothing to write (spec 02 §3.4). One that isn't
/// owned by this Canary keeps its labels and, beyond what is needed, its ports.
Json reconciled_service(const Json& live, const canary::Spec& spec, Role role,
                        const workload::SelectorLabel& label, const Json& target);

/// The apex Service when the Canary goes: it selects the target's pods and no longer belongs to the Canary.
Json released_service(Json live, const canary::Spec& spec, const workload::SelectorLabel& label);

/// Whether the object's controller is this Canary.
bool is_owned(const Json& object, const canary::Spec& spec);

}  // namespace serin::routing
