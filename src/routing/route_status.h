#pragma once

#include <string>

#include "base/json.h"

namespace serin::routing {

/// Why the data plane does not obey an HTTPRoute: a condition Accepted or ResolvedRefs of one of its parents
/// that is about its present generation and not True. Empty: it does, or has not said anything yet. A
/// condition without observedGeneration, such as Linkerd's, is about the present one.
std::string route_refusal(const base::Json& route);

}  // namespace serin::routing
