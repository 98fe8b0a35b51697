#pragma once

#include <string_view>
#include <vector>

namespace serin::local {

/// The CustomResourceDefinitions of deploy/crds and deploy/crds/mesh, a YAML document each: Flagger's
/// kinds, TrafficSplits and HTTPRoutes.
std::vector<std::string_view> embedded_crds();

}  // namespace serin::local
