#pragma once

#include "routing/router.h"

namespace serin::routing {

/// Plain Kubernetes: no object divides traffic, only the primary's rollout moves it (spec 05 §4).
std::unique_ptr<Router> make_no_router();

}  // namespace serin::routing
