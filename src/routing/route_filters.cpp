#include "routing/route_filters.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/time.h"

namespace serin::routing {
namespace {

/// With nulls for the bodies of the other types, since a filter is laid over whatever has its place.
Json filter(const char* type, const char* member, Json body) {
  Json result = Json::object({{"type", type}});
  for (const char* other : {"requestHeaderModifier", "responseHeaderModifier", "requestRedirect",
                            "urlRewrite", "requestMirror", "cors"})
    result.set(other) = nullptr;
  result.set(member) = std::move(body);
  return result;
}

/// {x-a: "1"} as the list the Gateway API has, in the order of names. Null: empty.
Json header_list(const Json& headers) {
  Json list = Json::array();
  const Json ordered = base::sorted(headers);
  for (const Json::Member& header : ordered.members())
    list.push_back(Json::object({{"name", header.key}, {"value", header.value}}));
  return list.empty() ? Json() : list;
}

void add_modifier(Json& filters, const Json& headers, const char* type, const char* member) {
  Json body = Json::object({{"add", header_list(headers["add"])}, {"set", header_list(headers["set"])}});
  body.set("remove") = headers["remove"].empty() ? Json() : headers["remove"];
  const bool empty =
      std::ranges::all_of(body.members(), [](const Json::Member& m) { return m.value.is_null(); });
  if (!empty) filters.push_back(filter(type, member, std::move(body)));
}

Json rewrite_body(const Json& rewrite) {
  Json body = Json::object({{"hostname", nullptr}, {"path", nullptr}});
  if (!rewrite["authority"].str().empty()) body.set("hostname") = rewrite["authority"];
  if (const Json& uri = rewrite["uri"]; !uri.str().empty()) {
    const bool prefix = rewrite["type"].str() == "ReplacePrefixMatch";
    body.set("path") = Json::object({{"type", prefix ? "ReplacePrefixMatch" : "ReplaceFullPath"},
                                     {"replacePrefixMatch", prefix ? uri : Json()},
                                     {"replaceFullPath", prefix ? Json() : uri}});
  }
  return body;
}

Json cors_body(const Json& policy) {
  const auto list = [&](const char* field) { return policy[field].empty() ? Json() : policy[field]; };
  Json body = Json::object({{"allowOrigins", list("allowOrigin")},
                            {"allowMethods", list("allowMethods")},
                            {"allowHeaders", list("allowHeaders")},
                            {"exposeHeaders", list("exposeHeaders")}});
  body.set("allowCredentials") = policy["allowCredentials"].bool_or(false) ? Json(true) : Json();
  const base::Result<base::Duration> age = base::parse_duration(policy["maxAge"].str());
  if (age) body.set("maxAge") = std::chrono::duration_cast<std::chrono::seconds>(*age).count();
  return body;
}

std::string set_cookie(const std::string& cookie, int max_age, const canary::SessionAffinity& affinity) {
  std::string text = fmt::format("{}; Max-Age={}", cookie, max_age);
  if (!affinity.domain.empty()) text += "; Domain=" + affinity.domain;
  if (affinity.http_only) text += "; HttpOnly";
  if (affinity.partitioned) text += "; Partitioned";
  if (!affinity.path.empty()) text += "; Path=" + affinity.path;
  if (!affinity.same_site.empty()) text += "; SameSite=" + affinity.same_site;
  if (affinity.secure) text += "; Secure";
  return text;
}

}  // namespace

Json route_filters(const canary::Spec& spec, const RouteDialect& dialect, const Json& mirror) {
  const Json& service = spec.service.routing;
  Json filters = Json::array();
  add_modifier(filters, service.get("headers", "request"), "RequestHeaderModifier", "requestHeaderModifier");
  add_modifier(filters, service.get("headers", "response"), "ResponseHeaderModifier",
               "responseHeaderModifier");
  if (!service["rewrite"].empty())
    filters.push_back(filter("URLRewrite", "urlRewrite", rewrite_body(service["rewrite"])));
  for (const Json& entry : service["mirror"].items())
    filters.push_back(
        filter("RequestMirror", "requestMirror", Json::object({{"backendRef", entry["backendRef"]}})));
  if (dialect.cors && !service["corsPolicy"].empty())
    filters.push_back(filter("CORS", "cors", cors_body(service["corsPolicy"])));
  if (!mirror.is_null())
    filters.push_back(filter("RequestMirror", "requestMirror", Json::object({{"backendRef", mirror}})));
  return filters.empty() ? Json() : filters;
}

Json cookie_filter(std::string value) {
  Json added = Json::array({Json::object({{"name", "Set-Cookie"}, {"value", std::move(value)}})});
  Json body = Json::object({{"add", std::move(added)}, {"set", nullptr}, {"remove", nullptr}});
  return filter("ResponseHeaderModifier", "responseHeaderModifier", std::move(body));
}

std::string keeping_cookie(const std::string& cookie, const canary::SessionAffinity& affinity) {
  return set_cookie(cookie, affinity.max_age, affinity);
}

std::string forgetting_cookie(const std::string& cookie, const canary::SessionAffinity& affinity) {
  return set_cookie(cookie, -1, affinity);
}

}  // namespace serin::routing
