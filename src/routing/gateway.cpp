#include "routing/gateway.h"

#include <fmt/format.h>

#include <algorithm>

#include "routing/common.h"
#include "routing/http_route.h"
#include "routing/linkerd.h"
#include "routing/overlay.h"
#include "routing/route_status.h"
#include "routing/smi.h"

namespace serin::routing {
namespace {

using canary::Routes;

/// The backend of a rule that is this Service; null if there is none.
const Json* find_backend(const Json& rule, const std::string& service, const std::string& ns) {
  for (const Json& backend : rule["backendRefs"].items()) {
    const std::string group = backend["group"].str();
    if (backend["name"].str() == service && backend["kind"].str_or("Service") == "Service" &&
        (group.empty() || group == "core") && backend["namespace"].str_or(ns) == ns)
      return &backend;
  }
  return nullptr;
}

const Json* find_backend(const Json& rule, const canary::Spec& spec, Role role) {
  return find_backend(rule, service_name(spec, role), spec.ns);
}

/// The rules that divide traffic between the two versions.
std::vector<const Json*> dividing_rules(const Json& route, const canary::Spec& spec) {
  std::vector<const Json*> result;
  for (const Json& rule : route.get("spec", "rules").items()) {
    if (find_backend(rule, spec, Role::primary) && find_backend(rule, spec, Role::canary))
      result.push_back(&rule);
  }
  return result;
}

std::optional<Routes> weights(const Json& rule, const canary::Spec& spec) {
  const auto weight = [&](Role role) {
    const Json& value = (*find_backend(rule, spec, role))["weight"];
    return value.is_null() ? 1.0 : value.as_double().value_or(-1);
  };
  return in_percent(weight(Role::primary), weight(Role::canary));
}

bool mirrors(const Json& rule, const canary::Spec& spec) {
  return std::ranges::any_of(rule["filters"].items(), [&](const Json& filter) {
    return filter["type"].str() == "RequestMirror" &&
           filter.get("requestMirror", "backendRef", "name").str() == service_name(spec, Role::canary);
  });
}

/// Whether some requests go to the primary whatever the weights are: the shape of A/B testing.
bool spares_some(const Json& route, const canary::Spec& spec) {
  return std::ranges::any_of(route.get("spec", "rules").items(), [&](const Json& rule) {
    return find_backend(rule, spec, Role::primary) && !find_backend(rule, spec, Role::canary);
  });
}

class GatewayRouter final : public Router {
 public:
  explicit GatewayRouter(RouteDialect dialect) : dialect_(std::move(dialect)) {}

  canary::Capabilities capabilities() const override { return {.matches = true, .mirrors = true}; }
  std::vector<kube::Resource> kinds() const override {
    std::vector<kube::Resource> kinds = {dialect_.resource, profile_resource()};
    std::ranges::copy(split_resources(), std::back_inserter(kinds));
    return kinds;
  }
  std::vector<ObjectKey> objects(const canary::Spec& spec) const override {
    const kube::ObjectRef apex = {spec.ns, spec.service.name};
    std::vector<ObjectKey> objects = {{dialect_.resource, apex}};
    if (!attaches_to_service(spec)) return objects;
    objects.push_back({profile_resource(), profile_ref(spec)});
    for (const kube::Resource& split : split_resources()) objects.push_back({split, apex});
    return objects;
  }
  std::vector<std::string> problems(const canary::Spec& spec) const override {
    return route_problems(spec, dialect_);
  }

  base::Result<Writes> reconcile(const Situation& situation) const override {
    const canary::Spec& spec = situation.spec;
    const Json* live = find(situation);
    if (attaches_to_service(spec)) {
      if (std::optional<Write> end = end_of_own_split(situation)) {
        // What the split has made of the ServiceProfile is waited for at the next look.
        Writes writes = {*std::move(end)};
        if (!live) writes.push_back(creation(situation));
        return writes;
      }
      const std::string conflict = route_conflict(situation);
      if (!conflict.empty()) return base::fail(base::Errc::conflict, conflict);
    }
    if (!live) return Writes{creation(situation)};
    if (const std::string other = foreign_controller(*live, spec); !other.empty())
      return base::fail(base::Errc::conflict, fmt::format("HTTPRoute {}: {}", apex_dotted(spec), other));
    const Routes routes = in_force(*live, spec).value_or(Routes{});
    const base::Result<Json> wanted = with_routes(*live, situation, routes);
    if (!wanted) return base::fail(wanted.error());
    if (*wanted != *live) {
      return Writes{update(*wanted, spec, fmt::format("HTTPRoute {} updated", apex_dotted(spec)))};
    }
    const std::string refusal = route_refusal(*live);
    if (!refusal.empty()) return base::fail(base::Errc::rejected, refusal);
    return Writes();
  }

  base::Result<std::optional<Routes>> read(const Situation& situation) const override {
    const Json* live = find(situation);
    if (!live) return std::nullopt;
    return in_force(*live, situation.spec);
  }

  base::Result<Writes> set(const Situation& situation, Routes routes) const override {
    const canary::Spec& spec = situation.spec;
    if (const base::Result<void> sound = check(routes, spec); !sound) return base::fail(sound.error());
    const Json* live = find(situation);
    if (!live) {
      return base::fail(base::Errc::not_found, fmt::format("HTTPRoute {} get error: {}", apex_dotted(spec),
                                                           not_found(dialect_.resource, spec.service.name)));
    }
    const base::Result<Json> wanted = with_routes(*live, situation, routes);
    if (!wanted) return base::fail(wanted.error());
    if (*wanted == *live) return Writes();
    return Writes{update(*wanted, spec, "")};
  }

 private:
  const Json* find(const Situation& situation) const {
    return situation.live(dialect_.resource, {situation.spec.ns, situation.spec.service.name});
  }

  static bool is_ours(const Json& live, const canary::Spec& spec) {
    return kube::controller_owner(live)["uid"].str() == spec.uid;
  }

  Write creation(const Situation& situation) const {
    const canary::Spec& spec = situation.spec;
    const Json route =
        overlaid(new_object(situation, dialect_.resource, spec.service.name), wanted(situation, {}));
    return {dialect_.resource, route, Write::Verb::create,
            fmt::format("HTTPRoute {} create error", apex_dotted(spec)),
            fmt::format("HTTPRoute {} created", apex_dotted(spec))};
  }

  Write update(Json route, const canary::Spec& spec, std::string done) const {
    return {dialect_.resource, std::move(route), Write::Verb::replace,
            fmt::format("HTTPRoute {} update error", apex_dotted(spec)), std::move(done)};
  }

  Json wanted(const Situation& situation, Routes routes) const {
    Json metadata = apex_metadata(situation);
    const Json for_mesh = mesh_annotations(situation.spec, dialect_);
    for (const Json::Member& member : for_mesh.members())
      metadata.set("annotations", member.key) = member.value;
    return Json::object(
        {{"metadata", std::move(metadata)}, {"spec", route_spec(situation, routes, dialect_)}});
  }

  base::Result<Json> with_routes(const Json& live, const Situation& situation, Routes routes) const {
    if (!is_ours(live, situation.spec)) return shared_with(live, situation.spec, routes);
    const Json laid = wanted(situation, routes);
    Json route = live;
    const std::size_t count = laid.get("spec", "rules").size();
    if (live.get("spec", "rules").size() != count) {
      // What others added to the rule that divides traffic holds for all that are made of it.
      const std::vector<const Json*> dividing = dividing_rules(live, situation.spec);
      Json rule = dividing.empty() ? Json::object() : *dividing.back();
      rule.erase("name");
      route.set("spec", "rules") = Json::Array(count, rule);
    }
    return overlaid(route, laid);
  }

  /// Somebody else's route with our weights in it, and nothing else changed.
  static base::Result<Json> shared_with(Json route, const canary::Spec& spec, Routes routes) {
    const char* field = spec.has_match()        ? "spec.analysis.match"
                        : spec.session_affinity ? "spec.analysis.sessionAffinity"
                        : spec.mirror           ? "spec.analysis.mirror"
                                                : nullptr;
    if (field) {
      return base::fail(
          base::Errc::conflict,
          fmt::format("HTTPRoute {} is not this Canary's, so that only weights are written in it: "
                      "remove {}, or delete the route, then it is made anew",
                      apex_dotted(spec), field));
    }
    const std::string primary = service_name(spec, Role::primary), canary = service_name(spec, Role::canary);
    bool found = false;
    if (!dividing_rules(route, spec).empty()) {
      for (Json& rule : route.set("spec", "rules").make_array()) {
        if (!find_backend(rule, spec, Role::primary) || !find_backend(rule, spec, Role::canary)) continue;
        found = true;
        for (Json& backend : rule.set("backendRefs").make_array()) {
          if (&backend == find_backend(rule, primary, spec.ns)) set_weight(backend, routes.primary);
          if (&backend == find_backend(rule, canary, spec.ns)) set_weight(backend, routes.canary);
        }
      }
    }
    if (found) return route;
    return base::fail(
        base::Errc::invalid,
        fmt::format("HTTPRoute {} is not this Canary's and has no rule with the backends {} and {}: "
                    "add both, with weights 100 and 0, or delete the route, then it is made anew",
                    apex_dotted(spec), primary, canary));
  }

  /// Untouched where it says so already, in whatever spelling.
  static void set_weight(Json& backend, int weight) {
    if (backend["weight"] != Json(weight)) backend.set("weight") = weight;
  }

  /// An owned route says it in its last dividing rule, behind those for cookies; a shared one is taken for
  /// the rule that sends most to the canary.
  static base::Result<Routes> in_force(const Json& live, const canary::Spec& spec) {
    std::optional<Routes> result;
    for (const Json* rule : dividing_rules(live, spec)) {
      const std::optional<Routes> found = weights(*rule, spec);
      if (!found) {
        result.reset();
        break;
      }
      if (!result || is_ours(live, spec) || found->canary > result->canary) result = found;
      result->mirrored = mirrors(*rule, spec) && result->canary == 0;
    }
    if (!result) {
      return base::fail(base::Errc::invalid,
                        fmt::format("HTTPRoute {} does not contain routes for {} and {}", apex_dotted(spec),
                                    service_name(spec, Role::primary), service_name(spec, Role::canary)));
    }
    // The weights of an A/B test are those of a few: for everybody they would be something else.
    if (is_ours(live, spec) && spares_some(live, spec) != spec.has_match()) return Routes{};
    return *result;
  }

  RouteDialect dialect_;
};

}  // namespace

std::unique_ptr<Router> make_gateway_router(const std::string& version) {
  const bool full = version == "v1";
  return std::make_unique<GatewayRouter>(
      RouteDialect{.resource = {"gateway.networking.k8s.io", version, "httproutes", "HTTPRoute"},
                   .timeouts = full,
                   .cors = full});
}

std::unique_ptr<Router> make_linkerd_route_router() {
  return std::make_unique<GatewayRouter>(
      RouteDialect{.resource = {"policy.linkerd.io", "v1beta3", "httproutes", "HTTPRoute"},
                   .cors = false,
                   .linkerd = true});
}

}  // namespace serin::routing
