#pragma once

#include "http/server.h"
#include "local/metrics/child.h"
#include "tests/kubernetes/server.h"
#include "tests/kubernetes/stand_ins.h"

namespace serin::kubernetes_test {

/// Where everything is, from the build.
struct Setting {
  std::filesystem::path serin = SERIN_BINARY;
  std::filesystem::path source = SERIN_SOURCE_DIR;
  std::filesystem::path folder;              ///< for logs and data
  std::filesystem::path control_plane = {};  ///< where kube-apiserver is, for those who use it
};

/// Creates a CRD, and returns when its kind is served.
base::Task<base::Result<void>> apply_crd(kube::Api* api, base::Clock* clock, kube::Json crd);

/// All that a performance needs: a server with our CRDs, stand-ins for nodes, Prometheus and the receiver of
/// webhooks, and the real `serin controller`.
class Rig {
 public:
  Rig(Setting setting, base::Executor executor);

  /// Errors name what could not be started.
  base::Task<base::Result<void>> start();
  /// To be called before it goes, once start() has been.
  base::Task<void> stop();

  [[nodiscard]] const Setting& setting() const { return setting_; }
  [[nodiscard]] base::Clock& clock() { return clock_; }
  [[nodiscard]] Server& server() { return *server_; }
  [[nodiscard]] kube::Api& api() { return server_->api(); }
  [[nodiscard]] MetricsStandIn& metrics() { return metrics_; }
  [[nodiscard]] WebhookReceiver& receiver() { return receiver_; }
  /// "127.0.0.1:PORT" of the receiver, and the URL of what stands in for Prometheus.
  [[nodiscard]] std::string webhooks() const;
  [[nodiscard]] std::string prometheus() const;
  /// A value of the controller's own /metrics, by name and labels. Errors: it doesn't answer, or not with
  /// that.
  base::Task<base::Result<double>> controller_metric(std::string series);

 private:
  base::Result<void> start_services();
  base::Task<base::Result<std::filesystem::path>> make_account();
  base::Result<void> start_controller(const std::filesystem::path& kubeconfig);

  Setting setting_;
  base::Executor executor_;
  base::SystemClock clock_;
  base::Random random_;
  std::unique_ptr<Server> server_;
  MetricsStandIn metrics_;
  WebhookReceiver receiver_;
  std::unique_ptr<local::Spawner> spawner_;
  std::unique_ptr<http::Server> metrics_server_, hook_server_;
  std::unique_ptr<NodeStandIn> node_;
  std::unique_ptr<local::Child> controller_;
  std::uint16_t controller_port_ = 0;
  base::TaskGroup services_;
};

}  // namespace serin::kubernetes_test
