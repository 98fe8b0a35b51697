#pragma once

#include <memory>
#include <string>

#include "routing/router.h"

namespace serin::routing {

/// An HTTPRoute of the Gateway API (spec 05 §6 to §8); `version`: "v1" or "v1beta1", which has neither
/// timeouts nor CORS. A route under the apex's name that is not the Canary's is shared: only the weights of
/// the Canary's two backends are written in it.
std::unique_ptr<Router> make_gateway_router(const std::string& version);

/// Linkerd's own HTTPRoute, for meshes without the Gateway API (spec 05 §7).
std::unique_ptr<Router> make_linkerd_route_router();

}  // namespace serin::routing
