#include "routing/services.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kube/api.h"
#include "routing/common.h"

namespace serin::routing {
namespace {

constexpr std::pair<std::string_view, std::string_view> flux_opt_out[] = {
    {"helm.toolkit.fluxcd.io/driftDetection", "disabled"},
    {"kustomize.toolkit.fluxcd.io/reconcile", "disabled"},
};

const std::optional<canary::CustomMetadata>& custom(const canary::Spec& spec, Role role) {
  switch (role) {
    case Role::primary:
      return spec.service.primary;
    case Role::canary:
      return spec.service.canary;
    default:
      return spec.service.apex;
  }
}

Json wanted_labels(const canary::Spec& spec, Role role, const workload::SelectorLabel& label) {
  Json labels = to_json(custom(spec, role).value_or(canary::CustomMetadata{}).labels);
  labels.set(label.key) = service_name(spec, role);
  return labels;
}

Json wanted_annotations(const canary::Spec& spec, Role role) {
  Json annotations = to_json(custom(spec, role).value_or(canary::CustomMetadata{}).annotations);
  keep_flux_away(annotations);
  return annotations;
}

Json wanted_selector(Role role, const workload::SelectorLabel& label) {
  Json selector = Json::object();
  selector.set(label.key) = role == Role::canary ? label.value : label.primary_value();
  return selector;
}

/// The live ports with the wanted ones in place; nodePort and other live settings of a port stay. Ports that
/// nobody wants stay only on a Service that isn't ours.
Json merged_ports(const Json& live, const Json& wanted, bool owned) {
  Json result = Json::array();
  for (const Json& port : wanted.items()) {
    Json merged = port;
    for (const Json& present : live.items()) {
      if (present["port"] != port["port"] || present["protocol"].str_or("TCP") != port["protocol"].str())
        continue;
      merged = present;
      for (const Json::Member& member : port.members()) merged.set(member.key) = member.value;
    }
    result.push_back(std::move(merged));
  }
  if (owned) return result;
  for (const Json& present : live.items()) {
    const bool known = std::ranges::any_of(result.items(),
                                           [&](const Json& port) { return port["port"] == present["port"]; });
    if (!known) result.push_back(present);
  }
  return result;
}

bool same_ports(const Json& a, const Json& b) {
  return a.size() == b.size() && std::ranges::all_of(a.items(), [&](const Json& port) {
           return std::ranges::find(b.items(), port) != b.items().end();
         });
}

/// Live metadata with the wanted keys forced, and unmanaged ones left as they are.
Json forced_metadata(const Json& live, Json wanted, const std::vector<std::string>& unmanaged) {
  for (const std::string& key : unmanaged) {
    if (live.contains(key)) wanted.set(key) = live[key];
  }
  return wanted;
}

}  // namespace

std::string service_name(const canary::Spec& spec, Role role) {
  switch (role) {
    case Role::primary:
      return spec.service.name + "-primary";
    case Role::canary:
      return spec.service.name + "-canary";
    default:
      return spec.service.name;
  }
}

Json service_ports(const canary::Spec& spec, const Json& target) {
  const canary::Service& service = spec.service;
  Json first = Json::object({{"name", service.port_name},
                             {"port", service.port},
                             {"protocol", "TCP"},
                             {"targetPort", service.target_port}});
  if (!service.app_protocol.empty()) first.set("appProtocol") = service.app_protocol;
  Json ports = Json::array({std::move(first)});
  if (!service.port_discovery) return ports;
  std::map<std::int64_t, Json> discovered;
  for (const Json& container : target.get("spec", "template", "spec", "containers").items()) {
    const std::string& name = container["name"].str();
    if (name == "istio-proxy" || name == "envoy" || name == "linkerd-proxy") continue;
    const auto& container_ports = container["ports"].items();
    for (std::size_t i = 0; i < container_ports.size(); ++i) {
      const Json& port = container_ports[i];
      const std::string port_name = port["name"].str_or(fmt::format("tcp-{}-{}", name, i));
      const Json& number = port["containerPort"];
      if (number == service.target_port || service.target_port == Json(port_name)) continue;
      discovered[number.int_or(0)] = Json::object({{"name", port_name},
                                                   {"port", number},
                                                   {"protocol", port["protocol"].str_or("TCP")},
                                                   {"targetPort", number}});
    }
  }
  for (auto& [number, port] : discovered) ports.push_back(std::move(port));
  return ports;
}

Json new_service(const canary::Spec& spec, Role role, const workload::SelectorLabel& label,
                 const Json& target) {
  Json service = Json::object({{"apiVersion", "v1"}, {"kind", "Service"}});
  Json& metadata = service.set("metadata");
  metadata.set("name") = service_name(spec, role);
  metadata.set("namespace") = spec.ns;
  metadata.set("labels") = wanted_labels(spec, role, label);
  metadata.set("annotations") = wanted_annotations(spec, role);
  metadata.set("ownerReferences") = Json::array({workload::owner_reference(spec)});
  Json& body = service.set("spec");
  body.set("type") = "ClusterIP";
  if (spec.service.headless) body.set("clusterIP") = "None";
  if (!spec.service.traffic_distribution.empty())
    body.set("trafficDistribution") = spec.service.traffic_distribution;
  body.set("ports") = service_ports(spec, target);
  body.set("selector") = wanted_selector(role, label);
  return service;
}

void keep_flux_away(Json& annotations) {
  for (const auto& [key, value] : flux_opt_out) annotations.set(key) = value;
}

Json reconciled_service(const Json& live, const canary::Spec& spec, Role role,
                        const workload::SelectorLabel& label, const Json& target) {
  Json result = live;
  const bool owned = is_owned(live, spec);
  Json ports = merged_ports(live.get("spec", "ports"), service_ports(spec, target), owned);
  if (!same_ports(ports, live.get("spec", "ports"))) result.set("spec", "ports") = std::move(ports);
  result.set("spec", "selector") = wanted_selector(role, label);
  if (owned) {
    const Json& metadata = live["metadata"];
    result.set("metadata", "labels") =
        forced_metadata(metadata["labels"], wanted_labels(spec, role, label), spec.service.unmanaged_labels);
    result.set("metadata", "annotations") = forced_metadata(
        metadata["annotations"], wanted_annotations(spec, role), spec.service.unmanaged_annotations);
  }
  if (result != live) keep_flux_away(result.set("metadata", "annotations"));
  return result;
}

Json released_service(Json live, const canary::Spec& spec, const workload::SelectorLabel& label) {
  if (is_owned(live, spec)) live.set("metadata").erase("ownerReferences");
  live.set("spec", "selector") = wanted_selector(Role::canary, label);
  return live;
}

bool is_owned(const Json& object, const canary::Spec& spec) {
  const Json& owner = kube::controller_owner(object);
  return owner["kind"].str() == "Canary" && owner["name"].str() == spec.name;
}

}  // namespace serin::routing
