#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/client.h"
#include "kube/rest_api.h"
#include "local/metrics/child.h"
#include "tests/kubernetes/server.h"

namespace serin::kubernetes_test {

/// etcd, kube-apiserver and kube-controller-manager on loopback, without nodes. Everything is kept in one
/// folder: certificates, data, logs. The children are killed when this goes.
class ControlPlane final : public Server {
 public:
  explicit ControlPlane(Grounds grounds);

  base::Task<base::Result<void>> start() override;
  base::Task<void> stop() override;
  [[nodiscard]] kube::Api& api() override { return *api_; }
  [[nodiscard]] std::filesystem::path kubeconfig() const override { return folder_ / "kubeconfig"; }
  [[nodiscard]] std::map<std::string, std::uint64_t> requests() const override;
  [[nodiscard]] bool has_roles() const override { return true; }
  [[nodiscard]] std::vector<std::string> forbidden() const override;

 private:
  base::Result<void> write_credentials();
  base::Result<void> write_configs();
  base::Result<void> start_etcd();
  base::Result<void> start_apiserver();
  base::Result<void> start_controllers();
  base::Result<void> start_child(const std::string& name, std::vector<std::string> command);
  base::Result<void> connect();
  base::Task<base::Result<void>> wait_ready();
  /// Calls `read` for every request that was answered.
  void read_audit_log(const std::function<void(const base::Json&)>& read) const;
  [[nodiscard]] std::string file(const std::string& name) const { return (folder_ / name).string(); }

  std::filesystem::path programs_;
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
