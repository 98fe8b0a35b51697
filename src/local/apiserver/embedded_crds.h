#pragma once

#include <string_view>
#include <vector>

namespace serin::local {

struct EmbeddedFile {
  std::string_view name;  ///< "canary.yaml", "mesh/httproute.yaml"
  std::string_view text;
};

/// The manifests under deploy/crds and its folder mesh: Flagger's three kinds, the SMI TrafficSplit, the
/// HTTPRoutes of the Gateway API and of Linkerd.
const std::vector<EmbeddedFile>& embedded_crds();

}  // namespace serin::local
