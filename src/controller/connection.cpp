#include "controller/connection.h"

#include <fmt/format.h>

#include <filesystem>

namespace serin::controller {

using base::Errc;
using base::fail;
using base::Result;

namespace {

/// Nothing but the server's address is known.
Result<kube::Connection> bare_connection(const std::string& master) {
  const Result<http::Url> server = http::Url::parse(master);
  if (!server) return fail(server.error().within("-master"));
  kube::Connection connection;
  connection.server = *server;
  return connection;
}

std::string address_of(const kube::Connection& connection) {
  return fmt::format("{}:{}", connection.server.host, connection.server.port);
}

}  // namespace

Result<kube::Connection> connection_of(const Options& options) {
  if (!options.kubeconfig.empty()) return kube::read_kubeconfig(options.kubeconfig, {}, options.master);
  if (!options.kubernetes_host.empty()) {
    Result<kube::Connection> pods =
        kube::in_cluster_connection({options.kubernetes_host, options.kubernetes_port});
    if (!pods || options.master.empty()) return pods;
    const Result<kube::Connection> other = bare_connection(options.master);
    if (!other) return other;
    pods->server = other->server;
    return pods;
  }
  std::error_code error;
  if (!options.master.empty() && !std::filesystem::exists(options.home_kubeconfig, error))
    return bare_connection(options.master);
  if (!options.home_kubeconfig.empty())
    return kube::read_kubeconfig(options.home_kubeconfig, {}, options.master);
  return fail(Errc::invalid,
              "no cluster is configured: give -kubeconfig FILE, set KUBECONFIG, or run in a pod");
}

Result<void> check_mesh_cluster(const Options& options, const kube::Connection& cluster) {
  if (options.kubeconfig_service_mesh.empty()) return {};
  const Result<kube::Connection> mesh = kube::read_kubeconfig(options.kubeconfig_service_mesh);
  if (!mesh) return fail(mesh.error().within("-kubeconfig-service-mesh"));
  if (address_of(*mesh) == address_of(cluster)) return {};
  return fail(
      Errc::invalid,
      fmt::format("-kubeconfig-service-mesh names the cluster {}, and the workloads are in {}: a mesh "
                  "in another cluster is not supported; run a controller in the cluster that has both",
                  address_of(*mesh), address_of(cluster)));
}

}  // namespace serin::controller
