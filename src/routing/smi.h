#pragma once

#include <string>

#include "routing/router.h"

namespace serin::routing {

/// Linkerd by SMI TrafficSplit (spec 05 §5). `version`: "v1alpha1", whose weights are strings, "v1alpha2" or
/// "v1alpha3". Any version's spelling of a weight is read.
std::unique_ptr<Router> make_smi_router(const std::string& version);

}  // namespace serin::routing
