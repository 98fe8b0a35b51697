#include "routing/linkerd.h"

#include <fmt/format.h>

#include <algorithm>

#include "routing/common.h"
#include "routing/smi.h"

namespace serin::routing {
namespace {

/// The address by which Linkerd knows a Service, which is also the name of its profile.
std::string authority(const std::string& service, const canary::Spec& spec) {
  return fmt::format("{}.{}.svc.cluster.local", service, spec.ns);
}

/// dstOverrides that get traffic: a weight that isn't there or cannot be read counts.
std::vector<std::string> overrides(const Json& profile) {
  std::vector<std::string> result;
  for (const Json& entry : profile.get("spec", "dstOverrides").items()) {
    if (read_weight(entry["weight"]).value_or(1) > 0) result.push_back(entry["authority"].str());
  }
  return result;
}

bool is_ours(const std::string& override, const canary::Spec& spec) {
  const std::string host = override.substr(0, override.find(':'));
  return host == authority(service_name(spec, Role::primary), spec) ||
         host == authority(service_name(spec, Role::canary), spec);
}

/// The apex's TrafficSplit, in whatever version the server has it.
const Json* find_split(const Situation& situation) {
  for (const kube::Resource& resource : split_resources()) {
    const Json* split = situation.live(resource, {situation.spec.ns, situation.spec.service.name});
    if (split) return split;
  }
  return nullptr;
}

}  // namespace

const kube::Resource& profile_resource() {
  static const kube::Resource resource{"linkerd.io", "v1alpha2", "serviceprofiles", "ServiceProfile"};
  return resource;
}

kube::ObjectRef profile_ref(const canary::Spec& spec) {
  return {spec.ns, authority(spec.service.name, spec)};
}

std::string split_conflict(const Situation& situation) {
  const canary::Spec& spec = situation.spec;
  const kube::ObjectRef ref = profile_ref(spec);
  const Json* profile = situation.live(profile_resource(), ref);
  if (!profile) return "";
  if (profile->get("metadata", "annotations").contains("smi.linkerd.io/skip")) {
    return fmt::format(
        "ServiceProfile {} has the annotation smi.linkerd.io/skip, so that Linkerd ignores TrafficSplit {}: "
        "remove the annotation",
        ref.name, apex_dotted(spec));
  }
  for (const std::string& override : overrides(*profile)) {
    if (is_ours(override, spec)) continue;
    return fmt::format(
        "ServiceProfile {} sends traffic to {}, and TrafficSplit {} would end that: remove it from "
        "spec.dstOverrides",
        ref.name, override, apex_dotted(spec));
  }
  return "";
}

std::optional<Write> end_of_own_split(const Situation& situation) {
  const canary::Spec& spec = situation.spec;
  for (const kube::Resource& resource : split_resources()) {
    const Json* split = situation.live(resource, {spec.ns, spec.service.name});
    if (!split || kube::controller_owner(*split)["uid"].str() != spec.uid) continue;
    return Write{resource, *split, Write::Verb::remove,
                 fmt::format("TrafficSplit {} delete error", apex_dotted(spec)),
                 fmt::format("TrafficSplit {} deleted, an HTTPRoute takes its place", apex_dotted(spec))};
  }
  return std::nullopt;
}

std::string route_conflict(const Situation& situation) {
  const canary::Spec& spec = situation.spec;
  if (find_split(situation)) {
    return fmt::format(
        "TrafficSplit {} overrules HTTPRoutes of the same Service: delete it (kubectl -n {} delete "
        "trafficsplit "
        "{})",
        apex_dotted(spec), spec.ns, spec.service.name);
  }
  const kube::ObjectRef ref = profile_ref(spec);
  const Json* profile = situation.live(profile_resource(), ref);
  if (!profile) return "";
  for (const char* field : {"routes", "dstOverrides"}) {
    const bool empty = std::string_view(field) == "routes" ? profile->get("spec", "routes").empty()
                                                           : overrides(*profile).empty();
    if (empty) continue;
    return fmt::format("ServiceProfile {} overrules HTTPRoutes of Service {}: remove its spec.{}", ref.name,
                       apex_dotted(spec), field);
  }
  return "";
}

std::string ingress_conflict(const Situation& situation) {
  const canary::Spec& spec = situation.spec;
  const Json* split = find_split(situation);
  if (!split) return "";
  const base::Result<canary::Routes> routes = read_split(*split, spec);
  if (routes && routes->canary == 0) return "";
  return fmt::format(
      "TrafficSplit {} also divides the traffic that the ingress sends to Service {}: delete it (kubectl -n "
      "{} "
      "delete trafficsplit {})",
      apex_dotted(spec), spec.service.name, spec.ns, spec.service.name);
}

}  // namespace serin::routing
