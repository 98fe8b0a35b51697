#pragma once

#include <optional>
#include <string>
#include <vector>

#include "routing/router.h"

namespace serin::routing {

/// Linkerd by SMI TrafficSplit (spec 05 §5). `version`: "v1alpha1", whose weights are strings, "v1alpha2" or
/// "v1alpha3". Any version's spelling of a weight is read. spec.service is the apex, whatever service.hosts
/// says: under another name Linkerd would not find the split.
std::unique_ptr<Router> make_smi_router(const std::string& version);

/// TrafficSplit in every version there is.
const std::vector<kube::Resource>& split_resources();

/// A weight as any SMI version writes it: a number, or a quantity in a string ("10", "500m").
std::optional<double> read_weight(const Json& weight);

/// How a TrafficSplit divides the canary's traffic, in percent. Error (invalid): it does not name both
/// versions, or gives traffic to neither.
base::Result<canary::Routes> read_split(const Json& split, const canary::Spec& spec);

}  // namespace serin::routing
