#include "local/ingress/services.h"

#include <fmt/format.h>

#include <algorithm>

namespace serin::local {

using base::Json;

ServiceIndex::ServiceIndex(const IngressObjects& objects) {
  for (const auto& each : objects.services) services_[kube::ref_of(*each)] = each.get();
  for (const auto& slice : objects.endpoint_slices) {
    const std::string& service = slice->get("metadata", "labels", "kubernetes.io/service-name").str();
    if (!service.empty()) slices_[{kube::namespace_of(*slice), service}].push_back(slice.get());
  }
}

bool ServiceIndex::has(const std::string& ns, const std::string& service) const {
  return services_.contains({ns, service});
}

std::optional<ServiceIndex::Port> ServiceIndex::find(const std::string& ns, const Json& backend) const {
  const kube::ObjectRef ref{ns, backend.get("service", "name").str()};
  const auto service = services_.find(ref);
  if (service == services_.end()) return std::nullopt;
  const Json& wanted = backend.get("service", "port");
  const std::int64_t number = wanted["number"].int_or(0);
  for (const Json& port : service->second->get("spec", "ports").items()) {
    const std::int64_t here = port["port"].int_or(0);
    const std::string& name = port["name"].str();
    if (number != 0 ? here != number : name.empty() || name != wanted["name"].str()) continue;
    const std::string text = std::to_string(here);
    Upstream upstream{fmt::format("{}-{}-{}", ns, ref.name, number != 0 ? text : name), {}};
    const std::string& address = service->second->get("spec", "clusterIP").str();
    if (has_endpoints(ref, name) && !address.empty() && address != "None")
      upstream.targets = {fmt::format("{}:{}", address, here)};
    return Port{
        .key = fmt::format("{}.{}.{}", ns, ref.name, text), .number = text, .upstream = std::move(upstream)};
  }
  return std::nullopt;
}

bool ServiceIndex::has_endpoints(const kube::ObjectRef& service, const std::string& port_name) const {
  const auto slices = slices_.find(service);
  if (slices == slices_.end()) return false;
  for (const Json* slice : slices->second) {
    const auto is_it = [&](const Json& port) { return port["name"].str() == port_name; };
    const auto is_ready = [](const Json& endpoint) {
      return endpoint.get("conditions", "ready").bool_or(true);
    };
    if (std::ranges::any_of((*slice)["ports"].items(), is_it) &&
        std::ranges::any_of((*slice)["endpoints"].items(), is_ready))
      return true;
  }
  return false;
}

}  // namespace serin::local
