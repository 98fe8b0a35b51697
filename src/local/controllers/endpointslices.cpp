#include "local/controllers/endpointslices.h"

#include <algorithm>
#include <map>

#include "local/controllers/objects.h"

namespace serin::local {

namespace res = kube::resources;

namespace {

constexpr const char* service_label = "kubernetes.io/service-name";
constexpr const char* manager_label = "endpointslice.kubernetes.io/managed-by";
constexpr const char* manager = "endpointslice-controller.k8s.io";

/// The number a Service's port has on this pod; nullopt if the pod has no port of that name.
std::optional<std::int64_t> port_on(const Json& pod, const Json& port) {
  const Json& target = port["targetPort"];
  if (!target.is_string()) return target.is_null() ? port["port"].as_int() : target.as_int();
  const std::string protocol = port["protocol"].str_or("TCP");
  for (const char* list : {"containers", "initContainers"}) {
    for (const Json& container : pod.get("spec", list).items()) {
      for (const Json& candidate : container["ports"].items()) {
        if (candidate["name"].str() == target.str() && candidate["protocol"].str_or("TCP") == protocol) {
          return candidate["containerPort"].as_int();
        }
      }
    }
  }
  return std::nullopt;
}

Json ports_on(const Json& pod, const Json& service) {
  Json ports = Json::array();
  for (const Json& port : service.get("spec", "ports").items()) {
    const auto number = port_on(pod, port);
    if (!number) continue;
    Json entry = Json::object(
        {{"name", port["name"].str()}, {"port", *number}, {"protocol", port["protocol"].str_or("TCP")}});
    if (port.contains("appProtocol")) entry.set("appProtocol") = port["appProtocol"];
    ports.push_back(std::move(entry));
  }
  return ports;
}

Json endpoint(const Json& pod, bool publish_unready) {
  const bool serving = is_ready(pod) || publish_unready;
  const bool terminating = kube::is_being_deleted(pod);
  Json entry =
      Json::object({{"addresses", Json::array({pod.get("status", "podIP")})},
                    {"conditions", Json::object({{"ready", serving && (!terminating || publish_unready)},
                                                 {"serving", serving},
                                                 {"terminating", terminating}})},
                    {"nodeName", pod.get("spec", "nodeName")},
                    {"targetRef", Json::object({{"kind", "Pod"},
                                                {"name", kube::name_of(pod)},
                                                {"namespace", kube::namespace_of(pod)},
                                                {"uid", kube::uid_of(pod)}})}});
  if (pod.get("spec", "nodeName").str().empty()) entry.erase("nodeName");
  const Json& hostname = pod.get("spec", "hostname");
  if (!hostname.str().empty() && !pod.get("spec", "subdomain").str().empty())
    entry.set("hostname") = hostname;
  return entry;
}

struct Slice {
  Json ports = Json::array();
  Json endpoints = Json::array();
};

/// What should be listed, by the pods' ports. A Service without pods has one empty slice.
std::map<std::string, Slice> wanted_slices(const Json& service, Objects pods) {
  const Json& selector = service.get("spec", "selector");
  const bool publish_unready = service.get("spec", "publishNotReadyAddresses").bool_or(false);
  std::ranges::sort(pods, {}, [](const Json* pod) { return kube::name_of(*pod); });
  std::map<std::string, Slice> slices;
  for (const Json* pod : pods) {
    const std::string& phase = pod->get("status", "phase").str();
    if (!has_labels(labels_of(*pod), selector)) continue;
    if (pod->get("status", "podIP").str().empty() || phase == "Succeeded" || phase == "Failed") continue;
    Json ports = ports_on(*pod, service);
    Slice& slice = slices[ports.dump()];
    slice.ports = std::move(ports);
    slice.endpoints.push_back(endpoint(*pod, publish_unready));
  }
  if (slices.empty()) slices[""];
  return slices;
}

Json slice_labels(const Json& service) {
  Json labels = labels_of(service).is_object() ? labels_of(service) : Json::object();
  labels.set(manager_label) = manager;
  labels.set(service_label) = kube::name_of(service);
  if (service.get("spec", "clusterIP").str() == "None") labels.set("service.kubernetes.io/headless") = "";
  return labels;
}

Json new_slice(const Json& service, base::Random& random) {
  const std::string prefix = kube::name_of(service) + "-";
  Json slice = Json::object({{"apiVersion", "discovery.k8s.io/v1"}, {"kind", "EndpointSlice"}});
  slice.set("metadata", "name") = prefix + random.name_suffix(5);
  slice.set("metadata", "generateName") = prefix;
  slice.set("metadata", "namespace") = kube::namespace_of(service);
  slice.set("metadata", "ownerReferences") = Json::array({controller_reference(res::services, service)});
  slice.set("addressType") = "IPv4";
  return slice;
}

}  // namespace

Plan reconcile_endpointslices(const Json& service, const Objects& pods, const Objects& slices,
                              base::Random& random) {
  Plan plan;
  if (kube::is_being_deleted(service) || service.get("spec", "selector").empty() ||
      service.get("spec", "type").str() == "ExternalName") {
    return plan;
  }
  Objects present;
  for (const Json* slice : slices) {
    const Json& labels = labels_of(*slice);
    const bool ours = labels[service_label].str() == kube::name_of(service) &&
                      labels[manager_label].str() == manager && !kube::is_being_deleted(*slice);
    if (ours) present.push_back(slice);
  }
  auto wanted = wanted_slices(service, pods);
  std::map<std::string, const Json*> kept;
  for (const auto& [key, want] : wanted) {
    const auto same =
        std::ranges::find_if(present, [&](const Json* s) { return (*s)["ports"] == want.ports; });
    if (same == present.end()) continue;
    kept[key] = *same;
    present.erase(same);
  }
  for (auto& [key, want] : wanted) {
    const Json* before = kept[key];
    if (!before && !present.empty()) {
      // Better to rewrite one that would have to go: readers never see the Service without endpoints.
      before = present.back();
      present.pop_back();
    }
    Json next = before ? *before : new_slice(service, random);
    next.set("metadata", "labels") = slice_labels(service);
    next.set("endpoints") = std::move(want.endpoints);
    next.set("ports") = std::move(want.ports);
    if (!before) {
      plan.writes.push_back({Write::Verb::create, res::endpointslices, std::move(next)});
    } else if (next != *before) {
      plan.writes.push_back({Write::Verb::replace, res::endpointslices, std::move(next)});
    }
  }
  for (const Json* slice : present) {
    plan.writes.push_back({Write::Verb::remove, res::endpointslices, *slice});
  }
  return plan;
}

}  // namespace serin::local
