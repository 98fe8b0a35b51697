#pragma once

#include <deque>
#include <functional>
#include <set>

#include "base/log.h"
#include "base/task.h"
#include "local/controllers/object_graph.h"

namespace serin::local {

/// Carries out what judge() says: looks at objects when they, their owners or their dependents change.
class GarbageCollector {
 public:
  /// The resource of an apiVersion and kind; nullopt if the server is not known to serve it.
  using FindKind =
      std::function<std::optional<kube::Resource>(const std::string& api_version, const std::string& kind)>;

  GarbageCollector(kube::Api& api, base::Clock& clock, base::Logger log, base::Executor executor,
                   FindKind find_kind);

  /// An object appeared, changed or went (`after` null).
  void observe(const kube::Resource& resource, const Json* before, const Json* after);
  [[nodiscard]] const ObjectGraph& graph() const { return graph_; }

  /// Until cancelled.
  base::Task<void> run();

 private:
  void enqueue(const std::string& uid);
  void enqueue_relatives(const std::string& uid, const Json& object);
  base::Task<base::Result<void>> look(std::string uid);
  base::Task<base::Result<void>> look_up(GraphNode node, std::vector<OwnerRef> owners);
  base::Task<base::Result<void>> carry_out(GraphNode node, Verdict verdict);

  kube::Api& api_;
  base::Clock& clock_;
  base::Logger log_;
  base::Wakeup wakeup_;
  FindKind find_kind_;
  ObjectGraph graph_;
  std::deque<std::string> queue_;
  std::set<std::string> queued_;
  std::set<std::string> absent_;  // uids of owners the API server said are gone; uids never come back
};

}  // namespace serin::local
