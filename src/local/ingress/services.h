#pragma once

#include <map>
#include <optional>
#include <string>

#include "local/ingress/ingress_plan.h"

namespace serin::local {

/// Finds the ports of Services, and whether anybody is behind them. Requests go to the Service's own address:
/// the mesh chooses the endpoint, as for any pod.
class ServiceIndex {
 public:
  explicit ServiceIndex(const IngressObjects& objects);

  struct Port {
    std::string key;  ///< "test.podinfo.9898": no part can hold a dot, so no two ports share it
    std::string number;
    Upstream upstream;
  };
  /// The port that an Ingress's backend names, by number or name. nullopt: there is no such Service or port.
  [[nodiscard]] std::optional<Port> find(const std::string& ns, const base::Json& backend) const;
  [[nodiscard]] bool has(const std::string& ns, const std::string& service) const;

 private:
  [[nodiscard]] bool has_endpoints(const kube::ObjectRef& service, const std::string& port_name) const;

  std::map<kube::ObjectRef, const base::Json*> services_;
  std::map<kube::ObjectRef, std::vector<const base::Json*>> slices_;
};

}  // namespace serin::local
