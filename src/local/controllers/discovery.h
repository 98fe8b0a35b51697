#pragma once

#include <vector>

#include "kube/api.h"

namespace serin::local {

/// Every kind of object the API server serves that can be listed, watched and deleted, each once, in its
/// group's preferred version.
base::Task<base::Result<std::vector<kube::Resource>>> discover(kube::Api& api);

/// What a CustomResourceDefinition adds to that, in its storage version; nullopt while it is not established.
std::optional<kube::Resource> resource_of_crd(const kube::Json& crd);

}  // namespace serin::local
