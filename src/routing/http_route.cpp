#include "routing/http_route.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/time.h"
#include "canary/strategy.h"
#include "routing/common.h"
#include "routing/match.h"
#include "routing/route_filters.h"

namespace serin::routing {
namespace {

using canary::Routes;

Json list_or_null(Json list) {
  return list.empty() ? Json() : list;
}

Json path_match(const std::vector<Condition>& conditions) {
  if (conditions.empty()) return Json::object({{"type", "PathPrefix"}, {"value", "/"}});
  const std::string& kind = conditions.front().kind;
  const char* type = kind == "exact" ? "Exact" : kind == "regex" ? "RegularExpression" : "PathPrefix";
  return Json::object({{"type", type}, {"value", conditions.front().value}});
}

Json value_match(const std::string& name, const std::string& kind, const std::string& value) {
  return Json::object(
      {{"type", kind == "exact" ? "Exact" : "RegularExpression"}, {"name", name}, {"value", value}});
}

Json value_matches(const std::vector<Condition>& conditions) {
  Json list = Json::array();
  for (const Condition& c : conditions) list.push_back(value_match(c.name, c.kind, c.value));
  return list_or_null(std::move(list));
}

/// One match of a rule. All fields are named, so that what a server filled in or somebody added is seen.
Json http_match(const MatchItem& item) {
  const std::vector<Condition> method = item.of(Subject::method);
  return Json::object({{"path", path_match(item.of(Subject::uri))},
                       {"headers", value_matches(item.of(Subject::header))},
                       {"queryParams", value_matches(item.of(Subject::query))},
                       {"method", method.empty() ? Json() : Json(method.front().value)}});
}

/// Whom the Canary's service is for: spec.service.match, or everybody.
Json service_matches(const canary::Spec& spec) {
  Json list = Json::array();
  for (const MatchItem& item : read_matches(spec.service.routing["match"], "spec.service.match").items)
    list.push_back(http_match(item));
  if (list.empty()) list.push_back(http_match({}));
  return list;
}

/// Whom the canary is tested with: each item of spec.analysis.match on each of the service's, whose
/// conditions on the same subject it replaces (spec 05 §6.5).
Json tested_matches(const canary::Spec& spec) {
  Json list = Json::array();
  const Json of_service = service_matches(spec);
  for (const MatchItem& item : read_matches(spec.match, "spec.analysis.match").items) {
    const Json tested = http_match(item);
    for (Json match : of_service.items()) {
      if (!item.of(Subject::uri).empty()) match.set("path") = tested["path"];
      for (const char* field : {"headers", "queryParams", "method"}) {
        if (!tested[field].is_null()) match.set(field) = tested[field];
      }
      list.push_back(std::move(match));
    }
  }
  return list;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$").contains(c)) result += '\\';
    result += c;
  }
  return result;
}

/// The service's matches, for those who carry a cookie ("name=value") that fits this expression.
Json cookie_matches(const canary::Spec& spec, const std::string& expression) {
  Json list = service_matches(spec);
  const std::string pattern = fmt::format("(.*;\\s*)?{}(;.*)?", expression);
  for (Json& match : list.make_array())
    match.set("headers") = Json::array({value_match("Cookie", "regex", pattern)});
  return list;
}

class Builder {
 public:
  Builder(const Situation& situation, Routes routes, const RouteDialect& dialect)
      : spec_(situation.spec), affinity_(situation.affinity), routes_(routes), dialect_(dialect) {}

  Json rules() const {
    if (spec_.has_match()) {
      return Json::array({rule(tested_matches(spec_), both(routes_)),
                          rule(service_matches(spec_), Json::array({backend(Role::primary, 100)}))});
    }
    if (!spec_.session_affinity) return Json::array({rule(service_matches(spec_), both(routes_))});
    return routes_.canary > 0 ? sticky_rules() : forgetting_rules();
  }

 private:
  Json backend(Role role, int weight, Json filters = {}) const {
    Json result = Json::object({{"name", service_name(spec_, role)}, {"port", spec_.service.port}});
    if (!dialect_.linkerd) {
      result.set("group") = "";
      result.set("kind") = "Service";
    }
    result.set("namespace") = nullptr;
    result.set("weight") = weight;
    result.set("filters") = std::move(filters);
    return result;
  }

  Json both(Routes routes) const {
    return Json::array({backend(Role::primary, routes.primary), backend(Role::canary, routes.canary)});
  }

  Json timeouts() const {
    Json result = Json::object();
    const auto take = [&](const char* field, const char* from) {
      const std::string& text = spec_.service.routing[from].str();
      if (text.empty()) return;
      result.set(field) = attaches_to_service(spec_) ? one_unit(text) : text;
    };
    take("request", "timeout");
    take("backendRequest", "backendTimeout");
    if (result.empty()) return nullptr;
    for (const char* field : {"request", "backendRequest"}) {
      if (!result.contains(field)) result.set(field) = nullptr;
    }
    return result;
  }

  Json rule(Json matches, Json backends, const std::string& forget = "") const {
    Json mirror;
    if (routes_.mirrored) {
      mirror = backend(Role::canary, 0);
      for (const char* field : {"weight", "filters"}) mirror.erase(field);
    }
    Json filters = route_filters(spec_, dialect_, mirror);
    if (!forget.empty()) {
      Json cookie = cookie_filter(forgetting_cookie(forget, *spec_.session_affinity));
      if (dialect_.linkerd) {
        // A rule's response filters end up on the request there (spec 07 §6.3).
        for (Json& one : backends.make_array()) one.set("filters") = Json::array({cookie});
      } else {
        filters.push_back(std::move(cookie));
      }
    }
    Json result = Json::object({{"matches", std::move(matches)}, {"filters", std::move(filters)}});
    if (dialect_.timeouts) result.set("timeouts") = timeouts();
    result.set("backendRefs") = std::move(backends);
    return result;
  }

  /// The canary's users stay with it. The primary's stay until the next step, in which just so many of them
  /// move that the canary's share of the users is its weight again: the cookie says at which step they were
  /// divided.
  Json sticky_rules() const {
    Json list = Json::array();
    if (!affinity_.canary.empty())
      list.push_back(rule(cookie_matches(spec_, escaped(affinity_.canary)), keeping({0, 100})));
    if (!affinity_.primary.empty()) {
      if (const int before = canary::weight_before(spec_, routes_.canary); before > 0) {
        list.push_back(rule(cookie_matches(spec_, escaped(primary_cookie(before))),
                            keeping({100 - routes_.canary, routes_.canary - before})));
      }
      list.push_back(rule(cookie_matches(spec_, escaped(affinity_.primary) + "-[0-9]+"), keeping({100, 0})));
    }
    list.push_back(rule(service_matches(spec_), keeping(routes_)));
    return list;
  }

  /// What the primary's users carry who were divided when the canary had this weight.
  std::string primary_cookie(int weight) const {
    return affinity_.primary.empty() ? "" : fmt::format("{}-{}", affinity_.primary, weight);
  }

  /// Both versions, each with the cookie that brings its users back.
  Json keeping(Routes routes) const {
    const auto cookie = [&](const std::string& text) {
      return text.empty() ? Json()
                          : Json::array({cookie_filter(keeping_cookie(text, *spec_.session_affinity))});
    };
    return Json::array({backend(Role::primary, routes.primary, cookie(primary_cookie(routes_.canary))),
                        backend(Role::canary, routes.canary, cookie(affinity_.canary))});
  }

  /// The last run's cookies are taken from those who still carry them.
  Json forgetting_rules() const {
    Json list = Json::array();
    if (!affinity_.previous.empty()) {
      const std::string& primary = spec_.session_affinity->primary_cookie_name;
      list.push_back(
          rule(cookie_matches(spec_, escaped(affinity_.previous)), both(routes_), affinity_.previous));
      list.push_back(rule(cookie_matches(spec_, escaped(primary) + "=[^;]*"), both(routes_), primary + "="));
    }
    list.push_back(rule(service_matches(spec_), both(routes_)));
    return list;
  }

  const canary::Spec& spec_;
  const canary::Affinity& affinity_;
  Routes routes_;
  const RouteDialect& dialect_;
};

}  // namespace

Json route_parents(const canary::Spec& spec) {
  Json parents = Json::array();
  for (const Json& ref : spec.service.routing["gatewayRefs"].items()) {
    Json parent = ref;
    const std::string kind = ref["kind"].str_or("Gateway");
    const bool service = kind == "Service";
    parent.set("kind") = kind;
    if (service ? !ref["group"].is_string() || ref["group"].str() == "gateway.networking.k8s.io"
                : !ref["group"].is_string()) {
      parent.set("group") = service ? "core" : "gateway.networking.k8s.io";
    }
    for (const char* field : {"namespace", "sectionName", "port"}) {
      if (!parent.contains(field)) parent.set(field) = nullptr;
    }
    parents.push_back(std::move(parent));
  }
  if (!parents.empty()) return parents;
  return Json::array({Json::object({{"group", "core"},
                                    {"kind", "Service"},
                                    {"namespace", spec.ns},
                                    {"name", spec.service.name},
                                    {"sectionName", nullptr},
                                    {"port", spec.service.port}})});
}

std::string one_unit(const std::string& duration) {
  const base::Result<base::Duration> parsed = base::parse_duration(duration);
  if (!parsed) return duration;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(*parsed).count();
  return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

bool attaches_to_service(const canary::Spec& spec) {
  const Json parents = route_parents(spec);
  return std::ranges::any_of(parents.items(),
                             [](const Json& parent) { return parent["kind"].str() == "Service"; });
}

Json route_spec(const Situation& situation, Routes routes, const RouteDialect& dialect) {
  const canary::Spec& spec = situation.spec;
  // In-mesh callers say podinfo.test, whatever hosts the service has outside: a host name would turn them
  // away.
  const Json& hosts = spec.service.routing["hosts"];
  return Json::object({{"parentRefs", route_parents(spec)},
                       {"hostnames", attaches_to_service(spec) || hosts.empty() ? Json() : hosts},
                       {"rules", Builder(situation, routes, dialect).rules()}});
}

}  // namespace serin::routing
