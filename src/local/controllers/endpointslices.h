#pragma once

#include "base/random.h"
#include "local/controllers/plan.h"

namespace serin::local {

/// One look at a Service: EndpointSlices that list the pods its selector matches, with their conditions. Pods
/// on which a named targetPort means different numbers get slices of their own. Services without selector,
/// and those that are aliases (ExternalName), are left alone. `pods` and `slices` are those of its namespace.
Plan reconcile_endpointslices(const Json& service, const Objects& pods, const Objects& slices,
                              base::Random& random);

}  // namespace serin::local
