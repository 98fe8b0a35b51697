#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "http/client.h"
#include "kube/rest_api.h"
#include "local/metrics/child.h"

namespace serin::kubernetes_test {

/// Where the programs of a control plane are.
struct Programs {
  std::filesystem::path etcd, kube_apiserver, kube_controller_manager;
};

/// Ports of the loopback that were free a moment ago, all different. Errors: the system's.
base::Result<std::vector<std::uint16_t>> free_ports(std::size_t count);

/// etcd, kube-apiserver and kube-controller-manager on loopback, without nodes. Everything is kept in one
/// folder: certificates, data, logs. The children are killed when this goes.
class ControlPlane {
 public:
  ControlPlane(Programs programs, std::filesystem::path folder, base::Executor executor, base::Clock& clock,
               base::Random& random);

  /// Returns when the API server is ready. Errors name the program and the log that tells more.
  base::Task<base::Result<void>> start();

  /// Only after start().
  [[nodiscard]] kube::Api& api() const { return *api_; }
  /// The administrator's.
  [[nodiscard]] std::filesystem::path kubeconfig() const { return folder_ / "kubeconfig"; }
  /// One JSON object a line for every request that was answered.
  [[nodiscard]] std::filesystem::path audit_log() const { return folder_ / "audit.log"; }

 private:
  base::Result<void> write_credentials();
  base::Result<void> write_configs();
  base::Result<void> start_etcd();
  base::Result<void> start_apiserver();
  base::Result<void> start_controllers();
  base::Result<void> start_child(const std::string& name, std::vector<std::string> command);
  base::Result<void> connect();
  base::Task<base::Result<void>> wait_ready();
  [[nodiscard]] std::string file(const std::string& name) const { return (folder_ / name).string(); }

  Programs programs_;
  std::filesystem::path folder_;
  base::Executor executor_;
  base::Clock& clock_;
  base::Random& random_;
  std::unique_ptr<local::Spawner> spawner_;
  std::uint16_t apiserver_port_ = 0, etcd_port_ = 0, etcd_peer_port_ = 0, controllers_port_ = 0;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<kube::RestApi> api_;
  std::vector<std::unique_ptr<local::Child>> children_;  ///< in the order of their start
};

}  // namespace serin::kubernetes_test
