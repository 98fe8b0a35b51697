#pragma once

#include <memory>

#include "workload/kind.h"

namespace serin::workload {

/// Services whose pods are managed elsewhere (spec 02 §2B): the revision is the Service's spec, and what is
/// routed to are copies of it, T-canary and T-primary.
std::unique_ptr<Kind> make_service_kind();

/// What a copy takes of a Service's spec: everything but what the cluster assigns and what depends on the
/// type. A copy is reached from inside the cluster alone, so it is of type ClusterIP (or ExternalName).
Json portable_service_spec(const Json& service);

/// Service T-canary for this target, laid over the live one (null: none yet), whose addresses and foreign
/// metadata stay.
Json canary_service(const Json& target, const Json& live, const canary::Spec& spec);

}  // namespace serin::workload
