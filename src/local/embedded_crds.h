#pragma once

#include <string_view>
#include <vector>

namespace serin::local {

/// The CustomResourceDefinitions of deploy/crds, a YAML document each: Flagger's kinds and the TrafficSplit.
std::vector<std::string_view> embedded_crds();

}  // namespace serin::local
