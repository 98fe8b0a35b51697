#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/json.h"
#include "local/mesh/mesh_config.h"

namespace serin::local {

/// What the API knows and the data plane needs.
struct MeshObjects {
  using List = std::vector<std::shared_ptr<const base::Json>>;
  List services, endpoint_slices, pods, replica_sets, traffic_splits, http_routes, ingresses;
};

/// The cluster as the data plane sees it, in a fixed order, generation 0.
/// * A pod counts while it has an address and has not ended. Whether an endpoint is ready is the pod's own
///   word where the pod is known (it is heard before its EndpointSlice follows), else the slice's.
/// * A TrafficSplit splits the Service of its namespace that spec.service names (spec 07 §2-4); the newest of
///   several wins; without any weight above 0 there is no split.
/// * An HTTPRoute rules its parent Services (route_attachment.h); oldest first. All must pass check_route().
/// * A host of an Ingress (no wildcards) stands for the address the Ingress is published at, the oldest
/// one's.
/// * What would make the snapshot invalid (an address taken twice, say) is left out, the older object stays.
MeshSnapshot build_snapshot(const MeshObjects& objects);

/// A weight as TrafficSplits have it, a number or a quantity ("10", "500m", "0.5"), in thousandths, rounded
/// up. nullopt if it is none.
std::optional<std::uint64_t> parse_weight(const base::Json& weight);

}  // namespace serin::local
