#pragma once

#include <string>
#include <vector>

#include "kube/api.h"

namespace serin::kube {

/// The versions of an API group that the server offers, its preferred one first; none if it does not know the
/// group. For providers whose CRDs differ between clusters (split.smi-spec.io, gateway.networking.k8s.io).
base::Task<base::Result<std::vector<std::string>>> group_versions(Api& api, std::string group);

}  // namespace serin::kube
