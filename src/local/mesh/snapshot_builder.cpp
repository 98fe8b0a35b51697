#include "local/mesh/snapshot_builder.h"

#include <algorithm>
#include <boost/asio/ip/address_v4.hpp>
#include <set>

#include "local/machinery/quantity.h"
#include "local/mesh/route_attachment.h"

namespace serin::local {

using base::Json;

namespace {

using ByRef = std::map<kube::ObjectRef, const Json*>;
using Objects = std::vector<const Json*>;

/// The objects, oldest first, ties by name.
Objects by_age(const MeshObjects::List& list) {
  Objects sorted;
  for (const auto& each : list) sorted.push_back(each.get());
  std::ranges::sort(sorted, [](const Json* a, const Json* b) {
    const auto key = [](const Json& object) {
      return std::pair(object.get("metadata", "creationTimestamp").str(), kube::ref_of(object));
    };
    return key(*a) < key(*b);
  });
  return sorted;
}

bool is_ipv4(const std::string& text) {
  boost::system::error_code error;
  boost::asio::ip::make_address_v4(text, error);
  return !error;
}

bool is_ready(const Json& pod) {
  if (kube::is_being_deleted(pod)) return false;
  for (const Json& condition : pod.get("status", "conditions").items()) {
    if (condition["type"].str() == "Ready") return condition["status"].str() == "True";
  }
  return false;
}

std::string deployment_of(const Json& pod, const ByRef& replica_sets) {
  const Json& owner = kube::controller_owner(pod);
  if (owner["kind"].str() != "ReplicaSet") return {};
  const auto found = replica_sets.find({kube::namespace_of(pod), owner["name"].str()});
  if (found == replica_sets.end()) return {};
  const Json& root = kube::controller_owner(*found->second);
  return root["kind"].str() == "Deployment" ? root["name"].str() : std::string();
}

std::vector<MeshPod> build_pods(const MeshObjects& objects) {
  ByRef replica_sets;
  for (const auto& each : objects.replica_sets) replica_sets[kube::ref_of(*each)] = each.get();
  std::vector<MeshPod> pods;
  std::set<std::string> taken;
  Objects newest_first = by_age(objects.pods);
  std::ranges::reverse(newest_first);  // an address that was given away again is the newer pod's
  for (const Json* pod : newest_first) {
    const std::string& ip = pod->get("status", "podIP").str();
    const std::string& phase = pod->get("status", "phase").str();
    if (!is_ipv4(ip) || phase == "Succeeded" || phase == "Failed") continue;
    if (pod->get("spec", "hostNetwork").bool_or(false) || !taken.insert(ip).second) continue;
    MeshPod made{.ns = kube::namespace_of(*pod),
                 .name = kube::name_of(*pod),
                 .ip = ip,
                 .deployment = deployment_of(*pod, replica_sets)};
    if (const auto& account = pod->get("spec", "serviceAccountName").str(); !account.empty()) {
      made.service_account = account;
    }
    for (const auto& [key, value] : pod->get("metadata", "labels").members()) made.labels[key] = value.str();
    pods.push_back(std::move(made));
  }
  std::ranges::sort(pods, {}, [](const MeshPod& pod) { return std::tie(pod.ns, pod.name); });
  return pods;
}

/// Ports of protocols in which the server speaks first, as Linkerd has them by default, and those the
/// Service names itself.
bool is_opaque(const Json& service, std::uint16_t port) {
  static constexpr std::uint16_t known[] = {25, 587, 3306, 4444, 5432, 6379, 9300, 11211};
  const std::string& named = service.get("metadata", "annotations", "config.linkerd.io/opaque-ports").str();
  if (named.empty()) return std::ranges::find(known, port) != std::end(known);
  const std::string text = "," + named + ",";
  return text.find("," + std::to_string(port) + ",") != std::string::npos;
}

/// Joins the slices of Services with what the pods say of themselves.
class EndpointIndex {
 public:
  explicit EndpointIndex(const MeshObjects& objects) {
    for (const auto& each : objects.pods) pods_[kube::ref_of(*each)] = each.get();
    for (const Json* slice : by_age(objects.endpoint_slices)) {
      const std::string& service = slice->get("metadata", "labels", "kubernetes.io/service-name").str();
      if (!service.empty()) slices_[{kube::namespace_of(*slice), service}].push_back(slice);
    }
  }

  [[nodiscard]] std::vector<MeshEndpoint> find(const Json& service, const std::string& port_name) const {
    std::vector<MeshEndpoint> found;
    const auto slices = slices_.find(kube::ref_of(service));
    if (slices == slices_.end()) return found;
    const bool publish = service.get("spec", "publishNotReadyAddresses").bool_or(false);
    std::set<std::pair<std::string, std::uint16_t>> seen;
    for (const Json* slice : slices->second) {
      const std::uint16_t port = port_of(*slice, port_name);
      if (port == 0) continue;
      for (const Json& each : (*slice)["endpoints"].items()) {
        const std::string& ip = each["addresses"].at(0).str();
        if (!is_ipv4(ip) || !seen.emplace(ip, port).second) continue;
        found.push_back(make(each, ip, port, kube::namespace_of(*slice), publish));
      }
    }
    std::ranges::sort(found, {}, [](const MeshEndpoint& each) { return std::tie(each.ip, each.port); });
    return found;
  }

 private:
  static std::uint16_t port_of(const Json& slice, const std::string& name) {
    for (const Json& each : slice["ports"].items()) {
      const std::int64_t number = each["port"].int_or(0);
      if (each["name"].str() == name && number > 0 && number < 65536)
        return static_cast<std::uint16_t>(number);
    }
    return 0;
  }

  [[nodiscard]] MeshEndpoint make(const Json& json, const std::string& ip, std::uint16_t port,
                                  const std::string& ns, bool publish) const {
    MeshEndpoint endpoint{.ip = ip, .port = port, .ready = json.get("conditions", "ready").bool_or(true)};
    if (json.get("targetRef", "kind").str() != "Pod") return endpoint;
    endpoint.pod = {ns, json.get("targetRef", "name").str()};
    const auto pod = pods_.find(endpoint.pod);
    if (pod != pods_.end() && !publish) endpoint.ready = is_ready(*pod->second);
    return endpoint;
  }

  ByRef pods_;
  std::map<kube::ObjectRef, Objects> slices_;
};

std::vector<MeshBackend> build_split(const Json& split) {
  std::vector<MeshBackend> backends;
  bool any = false;
  for (const Json& each : split.get("spec", "backends").items()) {
    const std::uint64_t weight = parse_weight(each["weight"]).value_or(0);
    if (each["service"].str().empty()) continue;
    any = any || weight > 0;
    backends.push_back({each["service"].str(), weight});
  }
  if (!any) backends.clear();
  return backends;
}

std::map<kube::ObjectRef, std::vector<MeshRoute>> build_routes(const MeshObjects& objects) {
  ServicesByRef services;
  for (const auto& each : objects.services) services[kube::ref_of(*each)] = each.get();
  std::map<kube::ObjectRef, std::vector<MeshRoute>> routes;
  for (const Json* route : by_age(objects.http_routes)) {
    if (kube::is_being_deleted(*route)) continue;
    for (Attachment& each : attachments(*route, services)) {
      routes[each.service].push_back(std::move(each.route));
    }
  }
  return routes;
}

std::map<std::string, std::string> build_hosts(const MeshObjects& objects) {
  std::map<std::string, std::string> hosts;
  for (const Json* ingress : by_age(objects.ingresses)) {
    const std::string& ip = ingress->get("status", "loadBalancer", "ingress").at(0)["ip"].str();
    if (!is_ipv4(ip)) continue;
    for (const Json& rule : ingress->get("spec", "rules").items()) {
      const std::string& host = rule["host"].str();
      if (!host.empty() && !host.starts_with('*')) hosts.emplace(host, ip);
    }
  }
  return hosts;
}

MeshService build_service(const Json& json, const EndpointIndex& endpoints) {
  MeshService service{.ns = kube::namespace_of(json), .name = kube::name_of(json)};
  const std::string& ip = json.get("spec", "clusterIP").str();
  if (is_ipv4(ip)) service.cluster_ip = ip;
  for (const Json& each : json.get("spec", "ports").items()) {
    const std::int64_t number = each["port"].int_or(0);
    if (each["protocol"].str_or("TCP") != "TCP" || number < 1 || number > 65535) continue;
    const auto port = static_cast<std::uint16_t>(number);
    const std::string& name = each["name"].str();
    service.ports.push_back({name, port, is_opaque(json, port), endpoints.find(json, name)});
  }
  return service;
}

}  // namespace

std::optional<std::uint64_t> parse_weight(const Json& weight) {
  const auto parsed =
      Quantity::parse(weight.is_number() ? weight.number_text() : std::string_view(weight.str()));
  if (!parsed) return std::nullopt;
  constexpr std::int64_t most = 1'000'000'000'000'000;  // a sum of weights must stay a number
  const std::int64_t thousandths = parsed->milli_value();
  if (thousandths < 0 || thousandths > most) return std::nullopt;
  return static_cast<std::uint64_t>(thousandths);
}

MeshSnapshot build_snapshot(const MeshObjects& objects) {
  const EndpointIndex endpoints(objects);
  std::map<kube::ObjectRef, std::vector<MeshBackend>> splits;
  for (const Json* split : by_age(objects.traffic_splits)) {
    if (kube::is_being_deleted(*split)) continue;
    splits[{kube::namespace_of(*split), split->get("spec", "service").str()}] = build_split(*split);
  }
  std::map<kube::ObjectRef, std::vector<MeshRoute>> routes = build_routes(objects);
  MeshSnapshot snapshot{.pods = build_pods(objects), .hosts = build_hosts(objects)};
  std::set<std::pair<std::string, std::uint16_t>> taken;
  for (const Json* json : by_age(objects.services)) {
    if (json->get("spec", "type").str() == "ExternalName") continue;
    MeshService service = build_service(*json, endpoints);
    if (!service.cluster_ip.empty()) {
      std::erase_if(service.ports, [&taken, &service](const MeshPort& port) {
        return !taken.emplace(service.cluster_ip, port.port).second;
      });
    }
    const auto split = splits.find({service.ns, service.name});
    if (split != splits.end()) service.split = split->second;
    service.routes = std::move(routes[{service.ns, service.name}]);
    snapshot.services.push_back(std::move(service));
  }
  std::ranges::sort(snapshot.services, {},
                    [](const MeshService& each) { return std::tie(each.ns, each.name); });
  return snapshot;
}

}  // namespace serin::local
