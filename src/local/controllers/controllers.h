#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "base/task.h"
#include "local/controllers/events.h"
#include "local/controllers/garbage.h"
#include "local/controllers/hpas.h"
#include "local/controllers/mirror.h"
#include "local/controllers/reconciler.h"

namespace serin::local {

struct ControllerOptions {
  base::Duration hpa_period = std::chrono::seconds(5);
  std::string ca_certificate;  ///< PEM, for kube-root-ca.crt; empty: no such ConfigMap is made
};

/// The controllers of the embedded cluster: Deployments, ReplicaSets, DaemonSets, EndpointSlices, HPAs,
/// namespaces and garbage collection. They react to watch events at once and cost no request while nothing
/// changes; only HPAs are looked at periodically. Single-threaded; everything passed in must outlive run().
///
/// How one controller is built: the decision is a pure function in a file of its own (reconcile_deployment,
/// ...); a Reconciler calls it for each object in its queue and carries the plan out; a Mirror feeds it and
/// says, by its listeners here, which objects an event concerns. A decision is never made on a state older
/// than the controller's own last write.
class Controllers {
 public:
  Controllers(kube::Api& api, base::Clock& clock, base::Random& random, base::Logger log,
              const PodMetrics& usage, base::Executor executor, ControllerOptions options = {});
  ~Controllers();

  /// Until cancelled.
  base::Task<void> run();

 private:
  using Decide = std::function<Plan(const Json&, base::WallTime)>;

  // Building blocks.
  Mirror& mirror(const kube::Resource& resource, kube::ListOptions options = {});
  Reconciler& reconciler(const char* component, Mirror& of, Decide decide);
  Reconciler& add(Reconciler::Setup setup);
  [[nodiscard]] Reconciler::Setup setup_of(const char* component, const Mirror& of, Decide decide) const;

  // One controller, or a few that share events, each.
  void set_up_workloads();
  void set_up_daemonsets();
  void set_up_endpoints();
  void set_up_hpas();
  void set_up_namespaces();
  void set_up_crds();

  base::Task<void> start();
  base::Task<void> find_resources();
  base::Task<void> tick_hpas();
  /// Feeds garbage collection with the objects of this resource.
  void collect(const kube::Resource& resource);
  base::Task<void> run_graph_mirror(std::string path);
  void observe_graph(const kube::Resource& resource, const Json* before, const Json* after);
  [[nodiscard]] bool is_synced() const;
  [[nodiscard]] std::optional<kube::Resource> find_kind(const std::string& api_version,
                                                        const std::string& kind) const;

  kube::Api& api_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  const PodMetrics& usage_;
  base::Executor executor_;
  ControllerOptions options_;
  EventWriter events_;
  base::Wakeup synced_;
  std::map<std::string, std::unique_ptr<Mirror>> mirrors_;        // by path; whole objects
  std::map<std::string, std::unique_ptr<Mirror>> graph_mirrors_;  // by path; metadata
  std::vector<std::unique_ptr<Reconciler>> reconcilers_;
  GarbageCollector garbage_;
  std::map<kube::ObjectRef, std::string> create_failures_;  // of ReplicaSets
  std::map<std::string, HpaHistory> histories_;             // by uid of the HPA
  Reconciler* hpas_ = nullptr;
  Reconciler* namespaces_ = nullptr;
  base::TaskGroup tasks_;
};

}  // namespace serin::local
