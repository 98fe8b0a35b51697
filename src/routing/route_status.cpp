#include "routing/route_status.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/api.h"

namespace serin::routing {
namespace {

using base::Json;

/// A parent with everything spelled out, so that "core" and "" or a default and its absence are the same.
Json spelled_out(const Json& parent, const std::string& ns) {
  const std::string kind = parent["kind"].str_or("Gateway");
  std::string group = parent["group"].str_or(kind == "Service" ? "core" : "gateway.networking.k8s.io");
  if (group.empty()) group = "core";
  return Json::object({{"group", group},
                       {"kind", kind},
                       {"namespace", parent["namespace"].str_or(ns)},
                       {"name", parent["name"]},
                       {"sectionName", parent["sectionName"]},
                       {"port", parent["port"]}});
}

}  // namespace

std::string route_refusal(const Json& route) {
  const kube::ObjectRef ref = kube::ref_of(route);
  const std::int64_t generation = route.get("metadata", "generation").int_or(0);
  for (const Json& parent : route.get("status", "parents").items()) {
    const Json reported = spelled_out(parent["parentRef"], ref.ns);
    const bool ours = std::ranges::any_of(route.get("spec", "parentRefs").items(), [&](const Json& one) {
      return spelled_out(one, ref.ns) == reported;
    });
    if (!ours) continue;
    for (const Json& condition : parent["conditions"].items()) {
      const std::string& type = condition["type"].str();
      const std::int64_t observed = condition["observedGeneration"].int_or(generation);
      if ((type != "Accepted" && type != "ResolvedRefs") || condition["status"].str() == "True") continue;
      if (observed < generation) continue;
      return fmt::format(
          "HTTPRoute {} parent {} is not ready (status: {}, observed generation: {}, current generation: "
          "{}): {} {}: "
          "{}",
          ref.dotted(), parent.get("parentRef", "name").str(), condition["status"].str(), observed,
          generation, type, condition["reason"].str(), condition["message"].str());
    }
  }
  return "";
}

}  // namespace serin::routing
