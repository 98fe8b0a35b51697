#include "local/mesh/route_attachment.h"

#include <fmt/format.h>

#include "local/mesh/http_route.h"

namespace serin::local {

using base::Json;

namespace {

constexpr const char* controller_name = "linkerd.io/policy-controller";
constexpr const char* linkerd_group = "policy.linkerd.io";

std::string group_of(const Json& object) {
  const std::string& version = object["apiVersion"].str();
  const std::size_t slash = version.find('/');
  return slash == std::string::npos ? std::string() : version.substr(0, slash);
}

/// Group and kind of a reference to a Service, as Linkerd compares them.
bool means_service(const Json& reference) {
  const std::string& group = reference["group"].str();
  return mesh::same_name(reference["kind"].str(), "Service") &&
         (group.empty() || mesh::same_name(group, "core"));
}

kube::ObjectRef parent_of(const Json& route, const Json& reference) {
  return {reference["namespace"].str_or(kube::namespace_of(route)), reference["name"].str()};
}

/// Whether a Service can be a parent; `why` is Linkerd's text if it has one.
bool accepts(const kube::ObjectRef& ref, const ServicesByRef& services, std::string& why) {
  const auto found = services.find(ref);
  if (found == services.end()) return false;
  const Json& spec = (*found->second)["spec"];
  const std::string& ip = spec["clusterIP"].str();
  const bool reachable = !ip.empty() && ip != "None" && spec["type"].str() != "ExternalName";
  if (!reachable) why = "parent service must have a ClusterIP";
  return reachable;
}

Json condition(std::string_view type, bool status, std::string_view reason, std::string message = {}) {
  return Json::object({{"type", type},
                       {"status", status ? "True" : "False"},
                       {"reason", reason},
                       {"message", std::move(message)}});
}

Json accepted(const kube::ObjectRef& parent, const ServicesByRef& services) {
  std::string why;
  if (accepts(parent, services, why)) return condition("Accepted", true, "Accepted");
  return condition("Accepted", false, "NoMatchingParent", std::move(why));
}

Json resolved_refs(const Json& route, const std::string& parent_ns, const ServicesByRef& services) {
  bool kinds_known = true, all_found = true;
  for (const Json& rule : route.get("spec", "rules").items()) {
    for (const Json& backend : rule["backendRefs"].items()) {
      Json reference = backend;
      reference.set("kind") = backend["kind"].str_or("Service");
      kinds_known = kinds_known && means_service(reference);
      all_found =
          all_found && services.contains({backend["namespace"].str_or(parent_ns), backend["name"].str()});
    }
  }
  if (!kinds_known) return condition("ResolvedRefs", false, "InvalidKind");
  if (!all_found) return condition("ResolvedRefs", false, "BackendNotFound");
  return condition("ResolvedRefs", true, "ResolvedRefs");
}

Json parent_reference(const Json& reference, const kube::ObjectRef& parent) {
  Json made =
      Json::object({{"group", "core"}, {"kind", "Service"}, {"namespace", parent.ns}, {"name", parent.name}});
  for (const char* field : {"sectionName", "port"}) {
    if (!reference[field].is_null()) made.set(field) = reference[field];
  }
  return made;
}

/// Gives conditions that say what `before` says its times, and others the present one.
void set_times(Json& conditions, const Json& before, base::WallTime now) {
  for (Json& each : conditions.make_array()) {
    each.set("lastTransitionTime") = base::format_rfc3339(now);
    for (const Json& old : before.items()) {
      Json same = old;
      same.set("lastTransitionTime") = each["lastTransitionTime"];
      if (same == each) each = old;
    }
  }
}

}  // namespace

Json effective_spec(const Json& route, const Json* service) {
  const auto annotation = [](const Json& object, const std::string& name) -> const std::string& {
    return object.get("metadata", "annotations", name).str();
  };
  Json spec = Json::object({{"hostnames", route.get("spec", "hostnames")}, {"rules", Json::array()}});
  for (const Json* source : {&std::as_const(route), service}) {
    if (!source || !spec["retry"].is_null()) continue;
    for (const char* field : {"http", "limit", "timeout"}) {
      const std::string& value = annotation(*source, fmt::format("retry.linkerd.io/{}", field));
      if (!value.empty()) spec.set("retry", field) = value;
    }
  }
  constexpr const char* timeout_name = "timeout.linkerd.io/request";
  const std::string timeout = annotation(route, timeout_name);
  const std::string service_timeout = service ? annotation(*service, timeout_name) : std::string();
  for (Json rule : route.get("spec", "rules").items()) {
    const bool unsaid = timeout.empty() && rule.get("timeouts", "request").str().empty();
    if (!timeout.empty()) rule.set("timeouts", "request") = timeout;
    if (unsaid && !service_timeout.empty()) rule.set("timeouts", "request") = service_timeout;
    // Linkerd applies the response's edits of its own kind's rules to the request (those of backends not).
    for (Json& filter : rule.set("filters").make_array()) {
      if (group_of(route) != linkerd_group || filter["type"].str() != "ResponseHeaderModifier") continue;
      filter = Json::object(
          {{"type", "RequestHeaderModifier"}, {"requestHeaderModifier", filter["responseHeaderModifier"]}});
    }
    spec.set("rules").push_back(std::move(rule));
  }
  return spec;
}

base::Result<void> check_route(const Json& route) {
  const auto compiled = mesh::compile_route(effective_spec(route, nullptr));
  if (!compiled) return base::fail(compiled.error().within("HTTPRoute " + kube::ref_of(route).dotted()));
  return {};
}

std::vector<Attachment> attachments(const Json& route, const ServicesByRef& services) {
  std::vector<Attachment> attached;
  for (const Json& reference : route.get("spec", "parentRefs").items()) {
    std::string why;
    const kube::ObjectRef parent = parent_of(route, reference);
    if (!means_service(reference) || !accepts(parent, services, why)) continue;
    const std::string ns = kube::namespace_of(route);
    MeshRoute made{.name = kube::ref_of(route).dotted(),
                   .client_ns = ns == parent.ns ? std::string() : ns,
                   .port = static_cast<std::uint16_t>(reference["port"].int_or(0)),
                   .spec = effective_spec(route, services.at(parent))};
    attached.push_back({parent, std::move(made)});
  }
  return attached;
}

Json next_parents(const Json& route, const ServicesByRef& services, base::WallTime now) {
  const Json& present = route.get("status", "parents");
  Json parents = Json::array();
  for (const Json& each : present.items()) {
    if (each["controllerName"].str() != controller_name) parents.push_back(each);
  }
  for (const Json& reference : route.get("spec", "parentRefs").items()) {
    if (!means_service(reference)) continue;
    const kube::ObjectRef parent = parent_of(route, reference);
    Json conditions = Json::array({accepted(parent, services), resolved_refs(route, parent.ns, services)});
    const Json named = parent_reference(reference, parent);
    Json before;
    for (const Json& each : present.items()) {
      const bool ours = each["controllerName"].str() == controller_name && each["parentRef"] == named;
      if (ours) before = each["conditions"];
    }
    set_times(conditions, before, now);
    parents.push_back(Json::object(
        {{"parentRef", named}, {"controllerName", controller_name}, {"conditions", std::move(conditions)}}));
  }
  return parents;
}

std::vector<RouteVersions::Value> RouteVersions::in_force(const std::vector<Value>& routes) {
  std::map<std::string, Value> accepted;
  std::vector<Value> current;
  ignored_.clear();
  for (const Value& route : routes) {
    const std::string uid = kube::uid_of(*route);
    Value version = route;
    if (const auto done = check_route(*route); !done) {
      ignored_.push_back(done.error().message);
      const auto last = accepted_.find(uid);
      version = last == accepted_.end() ? nullptr : last->second;
    }
    if (!version) continue;
    accepted[uid] = version;
    current.push_back(std::move(version));
  }
  accepted_ = std::move(accepted);
  return current;
}

}  // namespace serin::local
