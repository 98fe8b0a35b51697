#pragma once

#include <memory>
#include <string>

#include "routing/router.h"

namespace serin::routing {

/// ingress-nginx by a shadow Ingress with canary annotations beside the one that spec.ingressRef names (spec
/// 05 §9, 07 §7). `prefix`: of ingress-nginx's annotations.
std::unique_ptr<Router> make_nginx_router(const std::string& prefix);

}  // namespace serin::routing
