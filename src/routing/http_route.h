#pragma once

#include <string>
#include <vector>

#include "routing/router.h"

namespace serin::routing {

/// A kind of HTTPRoute, and what can be said in it.
struct RouteDialect {
  kube::Resource resource;
  bool timeouts = true;
  bool cors = true;
  bool linkerd = false;  ///< Linkerd's own kind, whose parents are Services
};

/// What the route is attached to: spec.service.gatewayRefs, and the apex Service where that is empty. Groups
/// and kinds are spelled out; a Service's group is core whatever the Canary's schema made of it.
Json route_parents(const canary::Spec& spec);

/// Whether a Service is among the parents: then it is a mesh that obeys the route.
bool attaches_to_service(const canary::Spec& spec);

/// A duration as Linkerd reads it, which drops those of more than one unit: "90s" for "1m30s".
std::string one_unit(const std::string& duration);

/// The spec of the route that divides the traffic like this (spec 05 §6 to §8), as overlaid() takes it: with
/// nulls for what must not be there.
Json route_spec(const Situation& situation, canary::Routes routes, const RouteDialect& dialect);

/// What a mesh reads from the route's annotations: spec.service.retries, and the timeout where the dialect
/// has no field for it.
Json mesh_annotations(const canary::Spec& spec, const RouteDialect& dialect);

/// What the route cannot express, or its mesh cannot do, with field and remedy.
std::vector<std::string> route_problems(const canary::Spec& spec, const RouteDialect& dialect);

}  // namespace serin::routing
