#pragma once

#include <string>

#include "routing/router.h"
#include "routing/services.h"

namespace serin::routing {

const kube::Resource& upstream_resource();

/// "test-podinfo-primaryupstream-9898"
std::string upstream_name(const canary::Spec& spec, Role role);

/// What it takes for a version's Upstream to be there and to name its Service; settings of spec.upstreamRef
/// are taken over when it is made, its load balancing later too.
base::Result<Writes> reconciled_upstream(const Situation& situation, Role role);

}  // namespace serin::routing
