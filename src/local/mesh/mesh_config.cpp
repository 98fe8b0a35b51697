#include "local/mesh/mesh_config.h"

#include <fmt/format.h>

#include <boost/asio/ip/address_v4.hpp>
#include <set>

#include "local/mesh/http_route.h"

namespace serin::local {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

Json to_json(const kube::ObjectRef& ref) {
  return ref.name.empty() ? Json("") : Json(ref.ns + "/" + ref.name);
}

Json to_json(const MeshPort& port) {
  Json endpoints = Json::array();
  for (const MeshEndpoint& each : port.endpoints) {
    endpoints.push_back(Json::object(
        {{"ip", each.ip}, {"port", each.port}, {"pod", to_json(each.pod)}, {"ready", each.ready}}));
  }
  return Json::object({{"name", port.name},
                       {"port", port.port},
                       {"opaque", port.opaque},
                       {"endpoints", std::move(endpoints)}});
}

Json to_json(const MeshService& service) {
  Json ports = Json::array();
  for (const MeshPort& each : service.ports) ports.push_back(to_json(each));
  Json split = Json::array();
  for (const MeshBackend& each : service.split) {
    split.push_back(
        Json::object({{"service", each.service}, {"weight", static_cast<std::int64_t>(each.weight)}}));
  }
  Json routes = Json::array();
  for (const MeshRoute& each : service.routes) {
    routes.push_back(Json::object({{"name", each.name},
                                   {"clientNamespace", each.client_ns},
                                   {"port", each.port},
                                   {"spec", each.spec}}));
  }
  return Json::object({{"namespace", service.ns},
                       {"name", service.name},
                       {"clusterIP", service.cluster_ip},
                       {"ports", std::move(ports)},
                       {"split", std::move(split)},
                       {"routes", std::move(routes)}});
}

Json to_json(const MeshPod& pod) {
  Json labels = Json::object();
  for (const auto& [key, value] : pod.labels) labels.set(key) = value;
  return Json::object({{"namespace", pod.ns},
                       {"name", pod.name},
                       {"ip", pod.ip},
                       {"deployment", pod.deployment},
                       {"serviceAccount", pod.service_account},
                       {"labels", std::move(labels)}});
}

/// Reads with the place of every field at hand, so that errors can name it.
class Reader {
 public:
  explicit Reader(std::string where) : where_(std::move(where)) {}

  Result<std::string> address(const Json& from, const char* field, bool optional = false) const {
    const std::string& text = from[field].str();
    if (text.empty() && optional) return text;
    boost::system::error_code error;
    boost::asio::ip::make_address_v4(text, error);
    if (error) return wrong(field, fmt::format("\"{}\" is no IPv4 address", text));
    return text;
  }

  Result<std::uint16_t> port(const Json& from, const char* field) const {
    const std::int64_t number = from[field].int_or(0);
    if (number < 1 || number > 65535) return wrong(field, "must be a number from 1 to 65535");
    return static_cast<std::uint16_t>(number);
  }

  Result<std::string> name(const Json& from, const char* field) const {
    if (from[field].str().empty()) return wrong(field, "must not be empty");
    return from[field].str();
  }

  [[nodiscard]] std::unexpected<base::Error> wrong(std::string_view field, std::string_view what) const {
    return fail(Errc::invalid, fmt::format("mesh configuration: {}: {} {}", where_, field, what));
  }

 private:
  std::string where_;
};

kube::ObjectRef pod_ref(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

Result<MeshPort> port_from_json(const Json& json, const std::string& service) {
  MeshPort port{.name = json["name"].str(), .opaque = json["opaque"].bool_or(false)};
  const Reader read(service);
  const Result<std::uint16_t> number = read.port(json, "port");
  if (!number) return fail(number.error());
  port.port = *number;
  const Reader read_endpoint(fmt::format("{} port {}: endpoint", service, port.port));
  for (const Json& each : json["endpoints"].items()) {
    const Result<std::string> ip = read_endpoint.address(each, "ip");
    if (!ip) return fail(ip.error());
    const Result<std::uint16_t> target = read_endpoint.port(each, "port");
    if (!target) return fail(target.error());
    port.endpoints.push_back({*ip, *target, pod_ref(each["pod"].str()), each["ready"].bool_or(false)});
  }
  return port;
}

Result<MeshRoute> route_from_json(const Json& json, const Reader& read) {
  MeshRoute route{
      .name = json["name"].str(), .client_ns = json["clientNamespace"].str(), .spec = json["spec"]};
  const std::int64_t port = json["port"].int_or(0);
  if (port < 0 || port > 65535) return read.wrong("routes", "name a port that is none");
  route.port = static_cast<std::uint16_t>(port);
  if (const auto compiled = mesh::compile_route(route.spec); !compiled) {
    return read.wrong("routes", fmt::format("{}: {}", route.name, compiled.error().message));
  }
  return route;
}

Result<MeshService> service_from_json(const Json& json) {
  MeshService service{.ns = json["namespace"].str(), .name = json["name"].str()};
  const std::string where = fmt::format("service \"{}.{}\"", service.name, service.ns);
  const Reader read(where);
  for (const char* field : {"namespace", "name"}) {
    if (const auto text = read.name(json, field); !text) return fail(text.error());
  }
  const Result<std::string> ip = read.address(json, "clusterIP", true);
  if (!ip) return fail(ip.error());
  service.cluster_ip = *ip;
  for (const Json& each : json["ports"].items()) {
    Result<MeshPort> port = port_from_json(each, where);
    if (!port) return fail(port.error());
    service.ports.push_back(std::move(*port));
  }
  for (const Json& each : json["split"].items()) {
    const std::int64_t weight = each["weight"].int_or(-1);
    if (weight < 0) return read.wrong("split", "has a weight that is no whole number of 0 or more");
    const Result<std::string> backend = read.name(each, "service");
    if (!backend) return fail(backend.error());
    service.split.push_back({*backend, static_cast<std::uint64_t>(weight)});
  }
  for (const Json& each : json["routes"].items()) {
    Result<MeshRoute> route = route_from_json(each, read);
    if (!route) return fail(route.error());
    service.routes.push_back(std::move(*route));
  }
  return service;
}

Result<MeshPod> pod_from_json(const Json& json) {
  MeshPod pod{.ns = json["namespace"].str(),
              .name = json["name"].str(),
              .deployment = json["deployment"].str(),
              .service_account = json["serviceAccount"].str_or("default")};
  const Reader read(fmt::format("pod \"{}.{}\"", pod.name, pod.ns));
  for (const char* field : {"namespace", "name"}) {
    if (const auto text = read.name(json, field); !text) return fail(text.error());
  }
  const Result<std::string> ip = read.address(json, "ip");
  if (!ip) return fail(ip.error());
  pod.ip = *ip;
  for (const auto& [key, value] : json["labels"].members()) pod.labels[key] = value.str();
  return pod;
}

Result<void> check_addresses(const MeshSnapshot& snapshot) {
  std::set<std::pair<std::string, std::uint16_t>> taken;
  for (const MeshService& service : snapshot.services) {
    if (service.cluster_ip.empty()) continue;
    for (const MeshPort& port : service.ports) {
      if (taken.emplace(service.cluster_ip, port.port).second) continue;
      return Reader(fmt::format("service \"{}.{}\"", service.name, service.ns))
          .wrong("ports", fmt::format("name {}:{} a second time", service.cluster_ip, port.port));
    }
  }
  std::set<std::string> pods;
  for (const MeshPod& pod : snapshot.pods) {
    if (pods.insert(pod.ip).second) continue;
    return Reader(fmt::format("pod \"{}.{}\"", pod.name, pod.ns))
        .wrong("ip", fmt::format("{} belongs to another pod too", pod.ip));
  }
  return {};
}

}  // namespace

Json to_json(const MeshSnapshot& snapshot) {
  Json services = Json::array();
  for (const MeshService& each : snapshot.services) services.push_back(to_json(each));
  Json pods = Json::array();
  for (const MeshPod& each : snapshot.pods) pods.push_back(to_json(each));
  Json hosts = Json::object();
  for (const auto& [host, ip] : snapshot.hosts) hosts.set(host) = ip;
  return Json::object({{"generation", static_cast<std::int64_t>(snapshot.generation)},
                       {"services", std::move(services)},
                       {"pods", std::move(pods)},
                       {"hosts", std::move(hosts)}});
}

Result<MeshSnapshot> snapshot_from_json(const Json& json) {
  if (!json.is_object()) return fail(Errc::invalid, "mesh configuration: a JSON object is expected");
  MeshSnapshot snapshot{.generation = static_cast<std::uint64_t>(json["generation"].int_or(0))};
  for (const Json& each : json["services"].items()) {
    Result<MeshService> service = service_from_json(each);
    if (!service) return fail(service.error());
    snapshot.services.push_back(std::move(*service));
  }
  for (const Json& each : json["pods"].items()) {
    Result<MeshPod> pod = pod_from_json(each);
    if (!pod) return fail(pod.error());
    snapshot.pods.push_back(std::move(*pod));
  }
  const Reader read_hosts("hosts");
  for (const auto& [host, unused] : json["hosts"].members()) {
    Result<std::string> ip = read_hosts.address(json["hosts"], host.c_str());
    if (!ip) return fail(ip.error());
    snapshot.hosts[host] = std::move(*ip);
  }
  if (const Result<void> unique = check_addresses(snapshot); !unique) return fail(unique.error());
  return snapshot;
}

}  // namespace serin::local
