#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/log.h"
#include "base/random.h"
#include "base/task.h"
#include "kube/cache.h"
#include "local/apiserver/node_api.h"
#include "local/controllers/events.h"
#include "local/controllers/pod_metrics.h"
#include "local/node/images.h"
#include "local/node/node_context.h"
#include "local/node/pod_worker.h"

namespace serin::local {

/// The single node of the embedded cluster, scheduler included: registers itself, binds every pod that has no
/// node and lives its life as a kubelet does. It also answers what the API server asks of nodes, and measures
/// what pods use.
class Node final : public NodeApi, public PodMetrics {
 public:
  /// What is referred to must outlive the node. In shared mode the options' addresses are replaced by such of
  /// the loopback.
  Node(base::Executor executor, kube::Api& api, base::Clock& clock, base::Random& random, Fabric& fabric,
       ImageTable images, NodeOptions options, base::Logger log);
  ~Node() override;

  /// Runs pods until cancelled; they end when the fabric does. Errors: the node cannot be registered, or (in
  /// shared mode) the hosts file cannot be written.
  base::Task<base::Result<void>> run();

  base::Task<base::Result<std::unique_ptr<LogStream>>> logs(ContainerRef container,
                                                            LogOptions options) override;
  base::Task<base::Result<void>> exec(ExecRequest request, ExecSession& session) override;
  base::Task<base::Result<void>> attach(ExecRequest request, ExecSession& session) override;
  base::Task<base::Result<std::unique_ptr<PortStream>>> dial(std::string ns, std::string pod,
                                                             std::uint16_t port) override;
  [[nodiscard]] std::optional<PodUsage> usage(const kube::ObjectRef& pod) const override;

 private:
  struct Sample {
    base::MonoTime at;
    std::int64_t cpu_ns = 0;
    PodUsage usage;
    bool measured = false;
  };

  NodeContext make_context();
  base::Task<base::Result<void>> register_node();
  [[nodiscard]] base::Json node_status() const;
  base::Task<void> follow_cluster();
  void pod_changed(const kube::ObjectRef& ref, const kube::Cache::Value& before,
                   const kube::Cache::Value& after);
  base::Task<void> bind(base::Json pod);
  void start_worker(const base::Json& pod);
  base::Task<void> run_worker(std::shared_ptr<PodWorker> worker);
  base::Result<std::string> next_address();
  void objects_changed(const std::string& ns);
  void services_changed();
  base::Task<void> write_hosts();
  base::Task<void> measure();
  base::Task<void> measure_pod(std::shared_ptr<PodWorker> worker);
  base::Task<void> write_event(std::string component, base::Json about, Notice notice);
  void tell(const base::Json& pod, std::string type, std::string reason, std::string message);
  [[nodiscard]] std::vector<ServiceAddress> services() const;
  [[nodiscard]] std::shared_ptr<PodWorker> worker_of(const kube::ObjectRef& ref) const;

  base::Executor executor_;
  kube::Api& api_;
  base::Clock& clock_;
  Fabric& fabric_;
  ImageTable images_;
  NodeOptions options_;
  base::Logger log_;
  EventWriter events_;
  NodeContext context_;
  kube::Cache pods_, services_, headless_, ingresses_, configmaps_,
      secrets_;  // headless_: EndpointSlices of such Services
  base::TaskGroup tasks_;
  base::Wakeup hosts_outdated_;
  base::Wakeup forever_;  ///< never raised: run() waits for its cancellation
  std::map<std::string, std::shared_ptr<PodWorker>> workers_;  ///< by uid
  std::set<std::string> binding_;                              ///< uids
  std::set<std::string> addresses_;                            ///< in use
  unsigned last_address_ = 1;
  std::map<std::string, Sample> samples_;  ///< by uid
};

}  // namespace serin::local
