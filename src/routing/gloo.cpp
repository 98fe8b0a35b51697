#include "routing/gloo.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "routing/common.h"
#include "routing/gloo_upstream.h"
#include "routing/match.h"
#include "routing/overlay.h"

namespace serin::routing {
namespace {

using canary::Routes;

const Json* find_destination(const Json& route, const canary::Spec& spec, Role role) {
  for (const Json& one : route.get("routeAction", "multi", "destinations").items()) {
    if (one.get("destination", "upstream", "name").str() == upstream_name(spec, role)) return &one;
  }
  return nullptr;
}

/// The route that divides traffic between the two versions.
const Json* dividing_route(const Json& table, const canary::Spec& spec) {
  for (const Json& route : table.get("spec", "routes").items()) {
    if (find_destination(route, spec, Role::primary) && find_destination(route, spec, Role::canary))
      return &route;
  }
  return nullptr;
}

Json value_matchers(const std::vector<Condition>& conditions) {
  Json list = Json::array();
  for (const Condition& condition : conditions) {
    list.push_back(Json::object({{"name", condition.name},
                                 {"value", condition.value},
                                 {"regex", condition.kind == "regex" ? Json(true) : Json()}}));
  }
  return list.empty() ? Json() : list;
}

/// spec.analysis.match: one matcher an item, since Gloo takes the conditions of one for all-of and several
/// for any-of, as the items are meant. Null: everybody.
Json matchers(const canary::Spec& spec) {
  Json list = Json::array();
  for (const MatchItem& item : read_matches(spec.match, "spec.analysis.match").items) {
    const std::vector<Condition> method = item.of(Subject::method);
    list.push_back(
        Json::object({{"headers", value_matchers(item.of(Subject::header))},
                      {"queryParameters", value_matchers(item.of(Subject::query))},
                      {"methods", method.empty() ? Json() : Json::array({method.front().value})}}));
  }
  return list.empty() ? Json() : list;
}

Json upstream_of(const canary::Spec& spec, Role role) {
  return Json::object(
      {{"upstream", Json::object({{"name", upstream_name(spec, role)}, {"namespace", spec.ns}})}});
}

/// As overlaid() takes it. In a test of A against B, a second route serves everybody who is not tested.
Json wanted_routes(const canary::Spec& spec, Routes routes) {
  const auto destination = [&](Role role, int weight) {
    return Json::object({{"destination", upstream_of(spec, role)}, {"weight", weight}});
  };
  const auto route = [](Json matching, Json multi, Json single) {
    return Json::object(
        {{"inheritablePathMatchers", true},
         {"matchers", std::move(matching)},
         {"routeAction", Json::object({{"multi", std::move(multi)}, {"single", std::move(single)}})}});
  };
  Json divided = Json::object({{"destinations", Json::array({destination(Role::primary, routes.primary),
                                                             destination(Role::canary, routes.canary)})}});
  Json list = Json::array({route(matchers(spec), std::move(divided), nullptr)});
  if (spec.has_match()) list.push_back(route(nullptr, nullptr, upstream_of(spec, Role::primary)));
  return list;
}

class GlooRouter final : public Router {
 public:
  explicit GlooRouter(bool own_namespace_only) : own_namespace_only_(own_namespace_only) {}

  canary::Capabilities capabilities() const override { return {.matches = true}; }
  std::vector<kube::Resource> kinds() const override {
    return {resource(), upstream_resource(), kube::resources::services};
  }
  std::vector<ObjectKey> objects(const canary::Spec& spec) const override {
    std::vector<ObjectKey> objects = {{resource(), {spec.ns, spec.service.name}}};
    for (const Role role : {Role::primary, Role::canary}) {
      objects.push_back({upstream_resource(), {spec.ns, upstream_name(spec, role)}});
      objects.push_back({kube::resources::services, {spec.ns, service_name(spec, role)}});
    }
    if (spec.upstream) {
      const std::string ns = spec.upstream->ns.empty() ? spec.ns : spec.upstream->ns;
      objects.push_back({upstream_resource(), {ns, spec.upstream->name}});
    }
    return objects;
  }

  std::vector<std::string> problems(const canary::Spec& spec) const override {
    std::vector<std::string> problems = no_affinity(spec, "Gloo");
    const Matches matches = read_matches(spec.match, "spec.analysis.match");
    std::ranges::move(problems_of(matches, "Gloo",
                                  {{Subject::method, {"exact"}},
                                   {Subject::header, {"exact", "regex"}},
                                   {Subject::query, {"exact", "regex"}}}),
                      std::back_inserter(problems));
    for (const MatchItem& item : matches.items) {
      if (item.conditions.empty() && matches.problems.empty())
        problems.push_back(
            fmt::format("{}: is empty and would send everybody to the canary, remove it", item.path));
    }
    if (own_namespace_only_ && spec.upstream && !spec.upstream->ns.empty() && spec.upstream->ns != spec.ns) {
      problems.push_back(fmt::format(
          "spec.upstreamRef: can't access gloo upstream {}.{}, cross-namespace references are blocked",
          spec.upstream->name, spec.upstream->ns));
    }
    return problems;
  }

  base::Result<Writes> reconcile(const Situation& situation) const override {
    const canary::Spec& spec = situation.spec;
    Writes writes;
    for (const Role role : {Role::primary, Role::canary}) {
      base::Result<Writes> more = reconciled_upstream(situation, role);
      if (!more) return more;
      std::ranges::move(*more, std::back_inserter(writes));
    }
    const Json* live = find(situation);
    if (live && kube::controller_owner(*live)["uid"].str() != spec.uid)
      return base::fail(not_ours(*live, spec));
    const Routes routes = live ? in_force(*live, spec).value_or(Routes{}) : Routes{};
    Json table = laid(live ? *live : new_object(situation, resource(), spec.service.name), situation, routes);
    if (live && table == *live) return writes;
    writes.push_back({resource(), std::move(table), live ? Write::Verb::replace : Write::Verb::create,
                      fmt::format("RouteTable {} {} error", apex_dotted(spec), live ? "update" : "create"),
                      fmt::format("RouteTable {} {}", apex_dotted(spec), live ? "updated" : "created")});
    return writes;
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
      return base::fail(base::Errc::not_found, fmt::format("RouteTable {} query error: {}", apex_dotted(spec),
                                                           not_found(resource(), spec.service.name)));
    }
    Json table = laid(*live, situation, routes);
    if (table == *live) return Writes();
    return Writes{{resource(), std::move(table), Write::Verb::replace,
                   fmt::format("RouteTable {} update error", apex_dotted(spec)), ""}};
  }

 private:
  static const kube::Resource& resource() {
    static const kube::Resource resource{"gateway.solo.io", "v1", "routetables", "RouteTable"};
    return resource;
  }
  static const Json* find(const Situation& situation) {
    return situation.live(resource(), {situation.spec.ns, situation.spec.service.name});
  }

  /// A table under our name is for the whole apex: what somebody else wrote there would be lost.
  static base::Error not_ours(const Json& live, const canary::Spec& spec) {
    std::string other = foreign_controller(live, spec);
    if (other.empty()) other = "it is not this Canary's: delete it, or give spec.service.name another value";
    return {base::Errc::conflict, fmt::format("RouteTable {}: {}", apex_dotted(spec), other)};
  }

  static Json laid(Json table, const Situation& situation, Routes routes) {
    const canary::Spec& spec = situation.spec;
    const Json wanted = wanted_routes(spec, routes);
    if (table.get("spec", "routes").size() != wanted.size()) {
      // What others added to the dividing route, such as options, holds for all that is made of it.
      const Json* dividing = dividing_route(table, spec);
      Json route = dividing ? *dividing : Json::object();
      route.erase("name");
      table.set("spec", "routes") = Json::Array(wanted.size(), route);
    }
    return overlaid(table, Json::object({{"metadata", apex_metadata(situation)},
                                         {"spec", Json::object({{"routes", wanted}})}}));
  }

  static base::Result<Routes> in_force(const Json& live, const canary::Spec& spec) {
    const Json* route = dividing_route(live, spec);
    std::optional<Routes> routes;
    if (route) {
      // Gloo leaves a weight of 0 out.
      const auto weight = [&](Role role) {
        const Json& value = (*find_destination(*route, spec, role))["weight"];
        return value.is_null() ? 0 : value.as_double().value_or(-1);
      };
      routes = in_percent(weight(Role::primary), weight(Role::canary));
    }
    if (!routes) {
      return base::fail(
          base::Errc::invalid,
          fmt::format("RouteTable {} destinations not found: it has no route with weights for {} and {}",
                      apex_dotted(spec), upstream_name(spec, Role::primary),
                      upstream_name(spec, Role::canary)));
    }
    // The weights of an A/B test are those of a few: for everybody they would be something else.
    if (!(*route)["matchers"].empty() != spec.has_match()) return Routes{};
    return *routes;
  }

  bool own_namespace_only_;
};

}  // namespace

std::unique_ptr<Router> make_gloo_router(bool own_namespace_only) {
  return std::make_unique<GlooRouter>(own_namespace_only);
}

}  // namespace serin::routing
