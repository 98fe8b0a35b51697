#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "local/mesh/mesh_config.h"

namespace serin::local {

/// What HTTPRoutes mean, as Linkerd's policy controller reads them (spec 07 §6.1): which Services they are
/// attached to, and what their status says of that. Pure functions over objects of both groups,
/// gateway.networking.k8s.io and policy.linkerd.io.

using ServicesByRef = std::map<kube::ObjectRef, const base::Json*>;

/// A route's hostnames and rules as requests see them: with the annotations timeout.linkerd.io/request (which
/// goes before the field) and retry.linkerd.io/*, where the route has none of a kind its Service's (null:
/// none is known), and with what Linkerd makes of its own kind's filters.
base::Json effective_spec(const base::Json& route, const base::Json* service);
/// Errors (invalid): Linkerd can't do this and ignores this version of the route (spec 05 §7).
base::Result<void> check_route(const base::Json& route);

/// One Service that accepts the route, and the route as it applies there.
struct Attachment {
  kube::ObjectRef service;
  MeshRoute route;
};
std::vector<Attachment> attachments(const base::Json& route, const ServicesByRef& services);

/// The route's status.parents as it should be: our entries (controllerName linkerd.io/policy-controller) one
/// for each parent that is a Service, without observedGeneration as Linkerd's are; other controllers' entries
/// as they are, before ours. A condition that says the same as before keeps its time.
base::Json next_parents(const base::Json& route, const ServicesByRef& services, base::WallTime now);

/// While the newest version of a route can't be done, the last one that could stays in force.
class RouteVersions {
 public:
  using Value = std::shared_ptr<const base::Json>;
  /// The versions in force; a route that never could be done is left out. Called with all routes there are:
  /// the others are forgotten.
  std::vector<Value> in_force(const std::vector<Value>& routes);
  /// Sentences on the versions that are ignored.
  [[nodiscard]] const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  std::map<std::string, Value> accepted_;  // by uid
  std::vector<std::string> ignored_;
};

}  // namespace serin::local
