#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/server.h"
#include "local/apiserver/credentials.h"
#include "local/apiserver/front.h"
#include "local/apiserver/in_process_api.h"
#include "local/apiserver/store.h"
#include "local/controller_process.h"
#include "local/controllers/controllers.h"
#include "local/data_plane.h"
#include "local/ingress/ingress.h"
#include "local/metrics/prometheus.h"
#include "local/node/node.h"
#include "local/options.h"
#include "local/streaming/stream_server.h"

namespace serin::local {

/// The embedded cluster put together: every part built and handed to the next, in this order.
class Cluster {
 public:
  /// `say` gets a line for each part that runs, and how to use the whole.
  Cluster(base::Executor executor, ClusterOptions options, std::function<void(std::string_view)> say);

  /// Starts everything and runs until cancelled or until a part fails for good. When it returns, nothing runs
  /// any more. Errors name the remedy.
  base::Task<base::Result<void>> run();

  /// Where the admin's kubeconfig is.
  [[nodiscard]] std::filesystem::path kubeconfig() const { return options_.data / "kubeconfig"; }

 private:
  // Start-up, a step each.
  base::Result<void> prepare_folder();
  base::Task<base::Result<void>> start_fabric();
  base::Result<void> open_registry();
  base::Task<base::Result<void>> install_crds();
  base::Result<void> make_node();
  base::Result<void> start_api_server();
  base::Result<void> start_workload_parts();
  base::Task<base::Result<void>> start_ingress();
  base::Task<base::Result<void>> start_prometheus();
  base::Result<void> start_controller();
  base::Task<base::Result<void>> start();
  base::Task<void> stop();

  base::Task<void> run_node();
  void fail_with(base::Error error);
  [[nodiscard]] std::string api_url() const;
  [[nodiscard]] std::string usage() const;

  base::Executor executor_;
  ClusterOptions options_;
  std::function<void(std::string_view)> say_;
  base::Logger log_;
  base::SystemClock clock_;
  base::Random random_ = base::Random::from_system();
  base::Wakeup failed_;
  std::optional<base::Error> failure_;

  std::unique_ptr<Fabric> fabric_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<InProcessApi> api_;
  std::unique_ptr<Node> node_;
  Credentials credentials_;
  std::unique_ptr<StreamServer> streams_;
  std::unique_ptr<Front> front_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<Controllers> controllers_;
  std::unique_ptr<DataPlane> data_plane_;
  std::unique_ptr<Spawner> spawner_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<Ingress> ingress_;
  std::unique_ptr<Prometheus> prometheus_;
  std::unique_ptr<ControllerProcess> controller_;
  base::TaskGroup tasks_;
};

}  // namespace serin::local
