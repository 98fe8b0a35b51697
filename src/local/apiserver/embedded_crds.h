#pragma once

#include <string_view>
#include <vector>

namespace serin::local {

struct EmbeddedFile {
  std::string_view name;  ///< "canary.yaml"
  std::string_view text;
};

/// The manifests under deploy/crds: Flagger's three kinds and the SMI TrafficSplit.
const std::vector<EmbeddedFile>& embedded_crds();

}  // namespace serin::local
