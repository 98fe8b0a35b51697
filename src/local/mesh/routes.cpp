#include "local/mesh/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <set>

#include "local/mesh/balance.h"
#include "local/mesh/labels.h"

namespace serin::local::mesh {

namespace asio = boost::asio;
using base::Errc;
using base::fail;
using base::Result;

namespace {

std::uint64_t key_of(const Tcp::endpoint& address) {
  return (std::uint64_t{address.address().to_v4().to_uint()} << 16) | address.port();
}

Tcp::endpoint address_of(const std::string& ip, std::uint16_t port) {
  return {asio::ip::make_address_v4(ip), port};  // validated when the snapshot was read
}

bool same_pod(const std::shared_ptr<const MeshPod>& a, const std::shared_ptr<const MeshPod>& b) {
  if (!a || !b) return a == b;
  return a->ns == b->ns && a->name == b->name;
}

}  // namespace

// --- Taking a snapshot over

void Routes::apply(const MeshSnapshot& snapshot) {
  pods_.clear();
  hosts_ = snapshot.hosts;
  std::vector<kube::ObjectRef> refs;
  for (const MeshPod& pod : snapshot.pods) {
    pods_[asio::ip::make_address_v4(pod.ip).to_uint()] = std::make_shared<MeshPod>(pod);
    refs.push_back({pod.ns, pod.name});
  }
  registry_.keep_only(refs);
  for (const auto& [key, endpoint] : endpoints_) endpoint->listed = false;
  build_leaves(snapshot);
  std::erase_if(endpoints_, [](const auto& entry) {
    if (entry.second->listed) return false;
    entry.second->idle.clear();
    return true;
  });
}

void Routes::build_leaves(const MeshSnapshot& snapshot) {
  by_address_.clear();
  by_name_.clear();
  for (const MeshService& service : snapshot.services) {
    for (const MeshPort& port : service.ports) {
      const std::shared_ptr<Leaf> leaf = build_leaf(service, port);
      by_name_[{service.ns, service.name, port.port}] = leaf;
      if (!service.cluster_ip.empty()) by_address_[key_of(address_of(service.cluster_ip, port.port))] = leaf;
    }
  }
  // Backends are Services' own endpoints, found once all are built: a split is never followed by another.
  for (const MeshService& service : snapshot.services) {
    for (const MeshPort& port : service.ports) {
      Leaf& apex = *by_name_.at({service.ns, service.name, port.port});
      build_split(service, apex, port.port);
      build_routes(service, apex, port.port);
    }
  }
}

void Routes::build_split(const MeshService& service, Leaf& apex, std::uint16_t port) {
  for (const MeshBackend& each : service.split) {
    apex.split.push_back({each.weight, backend(service.ns, each.service, port)});
  }
}

void Routes::build_routes(const MeshService& service, Leaf& apex, std::uint16_t port) {
  for (const MeshRoute& route : service.routes) {
    if (route.port != 0 && route.port != port) continue;
    Result<HttpRoute> compiled = compile_route(route.spec);
    if (!compiled) continue;  // the snapshot was checked when it was read
    compiled->client_ns = route.client_ns;
    for (RouteRule& rule : compiled->rules) {
      for (RouteBackend& each : rule.backends) {
        const std::string& ns = each.ns.empty() ? service.ns : each.ns;
        each.leaf = backend(ns, each.service, each.port);
        const auto any_port = by_name_.lower_bound({ns, each.service, 0});
        const bool exists = any_port != by_name_.end() && std::get<0>(any_port->first) == ns &&
                            std::get<1>(any_port->first) == each.service;
        if (!exists && each.problem.empty()) each.problem = "Service not found " + each.service;
      }
    }
    apex.routes.push_back(std::move(*compiled));
  }
}

std::shared_ptr<const Leaf> Routes::backend(const std::string& ns, const std::string& name,
                                            std::uint16_t port) const {
  const auto found = by_name_.find({ns, name, port});
  if (found == by_name_.end()) return nullptr;
  // A copy without what rules it: a Service may be a backend of itself, and must not own itself.
  auto leaf = std::make_shared<Leaf>(*found->second);
  leaf->split.clear();
  leaf->routes.clear();
  return leaf;
}

std::shared_ptr<Leaf> Routes::build_leaf(const MeshService& service, const MeshPort& port) {
  auto leaf = std::make_shared<Leaf>();
  leaf->service = service.name;
  leaf->authority = fmt::format("{}.{}.svc.cluster.local:{}", service.name, service.ns, port.port);
  leaf->opaque = port.opaque;
  for (const MeshEndpoint& each : port.endpoints) {
    const Tcp::endpoint address = address_of(each.ip, each.port);
    std::shared_ptr<Endpoint> made = obtain(address, pod_at(address.address().to_v4()));
    if (each.ready) leaf->ready.push_back(std::move(made));
  }
  return leaf;
}

std::shared_ptr<Endpoint> Routes::obtain(const Tcp::endpoint& address, std::shared_ptr<const MeshPod> pod) {
  std::shared_ptr<Endpoint>& known = endpoints_[key_of(address)];
  if (known && !same_pod(known->pod, pod)) known->idle.clear();
  if (!known || !same_pod(known->pod, pod)) {
    known = std::make_shared<Endpoint>();
    known->address = address;
    if (pod) {
      const kube::ObjectRef ref{pod->ns, pod->name};
      const std::string ip = address.address().to_string();
      known->inbound = registry_.http(ref, inbound_labels(ip, address.port()));
      known->source = registry_.transport(ref, inbound_source_labels(ip, address.port()));
      known->application = registry_.transport(ref, inbound_application_labels());
    }
  }
  known->pod = std::move(pod);
  known->listed = true;
  return known;
}

void Routes::prune(base::MonoTime now, base::Duration age_max) {
  for (const auto& [key, endpoint] : endpoints_) {
    std::erase_if(endpoint->idle, [now, age_max](const Endpoint::Idle& each) {
      return now - each.since > age_max || each.wire->stale();
    });
  }
}

// --- Deciding

std::shared_ptr<const Leaf> Routes::find(const Destination& destination) const {
  if (const auto* at = std::get_if<ServiceAddress>(&destination)) {
    const auto found = by_address_.find(key_of(at->address));
    return found == by_address_.end() ? nullptr : found->second;
  }
  if (const auto* name = std::get_if<ServiceName>(&destination)) {
    const auto found = by_name_.find({name->ns, name->name, name->port});
    return found == by_name_.end() ? nullptr : found->second;
  }
  return nullptr;
}

bool Routes::opaque(const Destination& destination) const {
  const std::shared_ptr<const Leaf> leaf = find(destination);
  return leaf && leaf->opaque;
}

Pick Routes::pick(const Destination& destination, const RequestView* request) {
  if (const auto* pod = std::get_if<PodAddress>(&destination)) {
    std::shared_ptr<const MeshPod> owner = pod_at(pod->address.address().to_v4());
    if (!owner)
      return {.error = fmt::format("no pod has the address {} any more", pod->address.address().to_string())};
    return {.endpoint = obtain(pod->address, std::move(owner))};
  }
  const std::shared_ptr<const Leaf> apex = find(destination);
  if (!apex) return {.error = "no such service any more"};
  if (std::ranges::any_of(apex->split, [](const auto& each) { return each.weight > 0; })) {
    return pick_split(apex);
  }
  if (request && concern(apex->routes, *request)) return pick_route(apex, *request);
  return pick_endpoint(apex, apex);
}

Pick Routes::pick_split(const std::shared_ptr<const Leaf>& apex) {
  std::vector<Candidate> candidates;
  candidates.reserve(apex->split.size());
  for (const Leaf::Share& share : apex->split) {
    candidates.push_back({share.weight, share.leaf && !share.leaf->ready.empty()});
  }
  const std::optional<std::size_t> drawn = choose(candidates, random_);
  if (!drawn) return {.error = fmt::format("no backend of the split of {} is ready", apex->authority)};
  return pick_endpoint(apex->split[*drawn].leaf, apex);
}

/// Spec 07 §6.2, §6.3.
Pick Routes::pick_route(const std::shared_ptr<const Leaf>& apex, const RequestView& request) {
  const auto redirected = [&request](const Redirect& to, const RouteMatch& match) {
    return Pick{.error = {}, .status = to.status, .location = to.location(request, match.prefix())};
  };
  const Matched matched = best_rule(apex->routes, request);
  if (!matched.rule) {
    return {.error = fmt::format("no route of {} matches the request", apex->authority), .status = 404};
  }
  const RouteRule& rule = *matched.rule;
  if (rule.effects->redirect) return redirected(*rule.effects->redirect, *matched.match);
  if (rule.backends.empty()) {
    Pick pick = pick_endpoint(apex, apex);
    pick.effects = rule.effects;
    return pick;
  }
  std::vector<Candidate> candidates;
  candidates.reserve(rule.backends.size());
  for (const RouteBackend& each : rule.backends) {
    const bool ready = !each.problem.empty() || (each.leaf && !each.leaf->ready.empty());
    // The only backend gets everything, whatever its weight.
    candidates.push_back({rule.backends.size() == 1 ? 1 : each.weight, ready});
  }
  const std::optional<std::size_t> drawn = choose(candidates, random_);
  if (!drawn) return {.error = fmt::format("no backend of the route of {} is ready", apex->authority)};
  const RouteBackend& backend = rule.backends[*drawn];
  if (!backend.problem.empty()) return {.error = backend.problem, .status = 500};
  if (backend.effects->redirect) return redirected(*backend.effects->redirect, *matched.match);
  Pick pick = pick_endpoint(backend.leaf, apex);
  pick.effects = backend.effects;
  return pick;
}

Pick Routes::pick_endpoint(std::shared_ptr<const Leaf> leaf, std::shared_ptr<const Leaf> apex) {
  std::vector<std::uint32_t> loads;
  loads.reserve(leaf->ready.size());
  for (const auto& each : leaf->ready) loads.push_back(each->in_flight);
  const std::optional<std::size_t> chosen = choose_endpoint(loads, random_);
  if (!chosen) return {.error = fmt::format("no endpoint of {} is ready", leaf->authority)};
  std::shared_ptr<Endpoint> endpoint = leaf->ready[*chosen];
  return {.endpoint = std::move(endpoint), .leaf = std::move(leaf), .apex = std::move(apex)};
}

std::shared_ptr<const MeshPod> Routes::pod_at(const asio::ip::address_v4& ip) const {
  const auto found = pods_.find(ip.to_uint());
  return found == pods_.end() ? nullptr : found->second;
}

bool Routes::knows_pod(const kube::ObjectRef& pod) const {
  return std::ranges::any_of(pods_, [&pod](const auto& entry) {
    return entry.second->ns == pod.ns && entry.second->name == pod.name;
  });
}

std::vector<Tcp::endpoint> Routes::listen_addresses() const {
  std::vector<Tcp::endpoint> addresses;
  for (const auto& [key, leaf] : by_address_) {
    addresses.emplace_back(asio::ip::address_v4(static_cast<std::uint32_t>(key >> 16)),
                           static_cast<std::uint16_t>(key & 0xffff));
  }
  return addresses;
}

// --- Names

Result<Destination> Routes::resolve(std::string_view host, std::uint16_t port) const {
  ErrorCode error;
  const asio::ip::address_v4 ip = asio::ip::make_address_v4(std::string(host), error);
  if (error) return resolve_name(host, port);
  const Tcp::endpoint address(ip, port);
  if (by_address_.contains(key_of(address))) return ServiceAddress{address};
  if (pod_at(ip)) return PodAddress{address};
  return fail(Errc::not_found, fmt::format("{}:{} is neither a pod's address nor a service's", host, port));
}

std::string Routes::services_in(std::string_view ns) const {
  std::set<std::string> names;
  for (const auto& [key, leaf] : by_name_) {
    if (ns.empty() || std::get<0>(key) == ns) names.insert(std::get<1>(key) + "." + std::get<0>(key));
  }
  return names.empty() ? std::string("none") : fmt::format("{}", fmt::join(names, ", "));
}

Result<Destination> Routes::resolve_name(std::string_view host, std::uint16_t port) const {
  std::string name(host);
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.ends_with('.')) name.pop_back();
  if (const auto published = hosts_.find(name); published != hosts_.end()) {
    return resolve(published->second, port);
  }
  for (const std::string_view suffix : {".svc.cluster.local", ".svc"}) {
    if (name.ends_with(suffix)) {
      name.resize(name.size() - suffix.size());
      break;
    }
  }
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos || name.find('.', dot + 1) != std::string::npos) {
    return fail(Errc::not_found,
                fmt::format("\"{}\" is no service of this cluster: say <service>.<namespace>. "
                            "Services: {}",
                            host, services_in("")));
  }
  const std::string service = name.substr(0, dot), ns = name.substr(dot + 1);
  if (by_name_.contains({ns, service, port})) return ServiceName{ns, service, port};
  std::vector<std::string> ports;
  for (const auto& [key, leaf] : by_name_) {
    if (std::get<0>(key) == ns && std::get<1>(key) == service)
      ports.push_back(std::to_string(std::get<2>(key)));
  }
  if (!ports.empty()) {
    return fail(Errc::not_found, fmt::format("service {}.{} has no port {}; it has {}", service, ns, port,
                                             fmt::join(ports, ", ")));
  }
  return fail(Errc::not_found,
              fmt::format("there is no service \"{}\" in namespace \"{}\". Services there: {}", service, ns,
                          services_in(ns)));
}

}  // namespace serin::local::mesh
