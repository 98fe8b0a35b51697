#pragma once

#include <memory>

#include "routing/router.h"

namespace serin::routing {

/// Gloo Edge by a RouteTable, and an Upstream for each version (spec 05 §10). `own_namespace_only`: an
/// upstreamRef to another namespace is refused.
std::unique_ptr<Router> make_gloo_router(bool own_namespace_only);

}  // namespace serin::routing
