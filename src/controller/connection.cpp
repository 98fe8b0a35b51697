#include "controller/connection.h"

namespace serin::controller {

base::Result<kube::Connection> connection_of(const Options& options) {
  if (!options.kubeconfig.empty()) return kube::read_kubeconfig(options.kubeconfig, {}, options.master);
  if (!options.kubernetes_host.empty()) {
    return kube::in_cluster_connection({options.kubernetes_host, options.kubernetes_port});
  }
  if (!options.home_kubeconfig.empty())
    return kube::read_kubeconfig(options.home_kubeconfig, {}, options.master);
  return base::fail(base::Errc::invalid,
                    "no cluster is configured: give -kubeconfig FILE, set KUBECONFIG, or run in a pod");
}

}  // namespace serin::controller
