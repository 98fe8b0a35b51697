#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/random.h"
#include "local/mesh/http_route.h"
#include "local/mesh/mesh_config.h"
#include "local/mesh/wire.h"

namespace serin::local::mesh {

/// An address that answers, with what is remembered about it from one snapshot to the next.
struct Endpoint {
  Tcp::endpoint address;
  std::shared_ptr<const MeshPod> pod;  ///< null: nobody's
  bool listed = true;  ///< false once no snapshot names it: requests in flight finish, no more
  std::uint32_t in_flight = 0;
  base::MonoTime refusing_until;  ///< it refused for so long that callers need not be patient
  std::shared_ptr<HttpSeries> inbound;
  std::shared_ptr<TransportSeries> source, application;

  /// A kept connection, opened for one caller (0: outside the mesh) as in a proxy of that caller's own.
  struct Idle {
    std::uint32_t caller = 0;
    std::shared_ptr<Wire> wire;
    base::MonoTime since;
  };
  std::vector<Idle> idle;
};

/// A Service's port: where requests to it may end.
struct Leaf {
  std::string service;
  std::string authority;  ///< "podinfo.test.svc.cluster.local:9898"
  bool opaque = false;
  std::vector<std::shared_ptr<Endpoint>> ready;
  struct Share {
    std::uint64_t weight = 0;
    std::shared_ptr<const Leaf> leaf;  ///< null: no such Service or port
  };
  std::vector<Share> split;
  std::vector<HttpRoute> routes;  ///< only looked at while there is no split (spec 07 §3)
};

/// What a client asked for.
struct ServiceAddress {
  Tcp::endpoint address;
};
struct ServiceName {
  std::string ns, name;
  std::uint16_t port = 0;
};
struct PodAddress {
  Tcp::endpoint address;
};
using Destination = std::variant<ServiceAddress, ServiceName, PodAddress>;

/// Where one request goes.
struct Pick {
  std::shared_ptr<Endpoint> endpoint;  ///< null: nobody can answer, `error` says why
  std::shared_ptr<const Leaf> leaf;    ///< the Service that answers; null for a pod's own address
  std::shared_ptr<const Leaf> apex;    ///< the Service that was called
  std::string error;
  int status = 503;                             ///< what is answered when there is no endpoint
  std::string location;                         ///< of a redirect
  std::shared_ptr<const RouteEffects> effects;  ///< what the route does to the request; null: nothing
};

/// The snapshot in the form requests need it. Endpoints keep their state (load, connections) over changes.
class Routes {
 public:
  Routes(Registry& registry, base::Random& random) : registry_(registry), random_(random) {}

  void apply(const MeshSnapshot& snapshot);
  /// One draw for one request, by the split of the Service, else its HTTPRoutes, else its own endpoints.
  /// `request` null: a connection that is passed on unread, which HTTPRoutes do not concern.
  Pick pick(const Destination& destination, const RequestView* request = nullptr);
  /// Another draw among the endpoints of one Service's port.
  Pick pick_endpoint(std::shared_ptr<const Leaf> leaf, std::shared_ptr<const Leaf> apex);
  [[nodiscard]] bool opaque(const Destination& destination) const;
  /// Null when the address is no pod's.
  [[nodiscard]] std::shared_ptr<const MeshPod> pod_at(const boost::asio::ip::address_v4& ip) const;
  [[nodiscard]] bool knows_pod(const kube::ObjectRef& pod) const;
  /// Every address and port that a Service is reached at.
  [[nodiscard]] std::vector<Tcp::endpoint> listen_addresses() const;
  /// Closes kept connections that are older than `age_max` or that the other side closed.
  void prune(base::MonoTime now, base::Duration age_max);

  /// What a host name (of a Service or an Ingress) or address with port means, as every pod's hosts file has
  /// it. The error is a sentence
  /// for people that names what there is instead.
  [[nodiscard]] base::Result<Destination> resolve(std::string_view host, std::uint16_t port) const;

 private:
  using Key = std::uint64_t;  // address and port
  std::shared_ptr<Endpoint> obtain(const Tcp::endpoint& address, std::shared_ptr<const MeshPod> pod);
  std::shared_ptr<Leaf> build_leaf(const MeshService& service, const MeshPort& port);
  void build_leaves(const MeshSnapshot& snapshot);
  void build_split(const MeshService& service, Leaf& apex, std::uint16_t port);
  void build_routes(const MeshService& service, Leaf& apex, std::uint16_t port);
  /// A Service's port as a backend: its own endpoints only. Null if there is none.
  [[nodiscard]] std::shared_ptr<const Leaf> backend(const std::string& ns, const std::string& name,
                                                    std::uint16_t port) const;
  [[nodiscard]] std::shared_ptr<const Leaf> find(const Destination& destination) const;
  [[nodiscard]] base::Result<Destination> resolve_name(std::string_view name, std::uint16_t port) const;
  [[nodiscard]] std::string services_in(std::string_view ns) const;
  Pick pick_split(const std::shared_ptr<const Leaf>& apex);
  Pick pick_route(const std::shared_ptr<const Leaf>& apex, const RequestView& request);

  Registry& registry_;
  base::Random& random_;
  std::unordered_map<Key, std::shared_ptr<Endpoint>> endpoints_;
  std::unordered_map<Key, std::shared_ptr<Leaf>> by_address_;
  std::map<std::tuple<std::string, std::string, std::uint16_t>, std::shared_ptr<Leaf>> by_name_;
  std::unordered_map<std::uint32_t, std::shared_ptr<const MeshPod>> pods_;
  std::map<std::string, std::string> hosts_;  ///< of Ingresses, with their addresses
};

}  // namespace serin::local::mesh
