#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "http/server.h"
#include "kube/cache.h"

namespace serin::kubernetes_test {

/// Stands in for nodes: every pod runs and is ready 0.3 s after it appears, and is gone as soon as it is
/// asked to end. Pods get addresses, but nothing runs there. Pods of the image tag "broken" never become
/// ready, nor do those of "broken-primary" in a primary.
class NodeStandIn {
 public:
  NodeStandIn(kube::Api& api, base::Clock& clock, base::Random& random, base::Executor executor);
  /// Adds the one node there is: DaemonSets have a pod for each.
  base::Task<base::Result<void>> join_cluster();
  /// Until cancelled.
  base::Task<void> run();

 private:
  void look_at(const kube::Json& pod);
  base::Task<void> make_ready(kube::ObjectRef pod, kube::Json containers);
  base::Task<void> end(kube::ObjectRef pod);

  kube::Api& api_;
  base::Clock& clock_;
  kube::Cache pods_;
  base::TaskGroup tasks_;
  std::set<std::string> started_, ended_;  ///< by uid
};

/// Stands in for Prometheus: answers instant queries by rules, like a service in good health by default
/// (latencies 20 ms, everything else 100).
class MetricsStandIn {
 public:
  /// Queries that contain both texts have this value from now on.
  void answer(std::string ns, std::string part, double value);
  /// A http::Handler's body.
  base::Task<void> serve(http::Request request, http::Responder& responder);

 private:
  struct Rule {
    std::string ns, part;
    double value;
  };
  [[nodiscard]] double value_of(const std::string& query) const;

  std::vector<Rule> rules_;  ///< the last one that fits counts
};

/// One event as the controller's -event-webhook gets it.
struct Event {
  std::string type, phase, message;
  base::MonoTime at;  ///< when it arrived

  [[nodiscard]] std::string line() const { return type + " " + phase + " " + message; }
};

/// The events of one namespace; one waiter at a time.
struct Inbox {
  explicit Inbox(base::Executor executor) : arrived(std::move(executor)) {}
  std::vector<Event> events;
  base::Wakeup arrived;
};

/// Stands in for everything that webhooks call: keeps the events posted to /events, and answers hooks with
/// success, unless another answer is asked for.
class WebhookReceiver {
 public:
  WebhookReceiver(base::Clock& clock, base::Executor executor)
      : clock_(clock), executor_(std::move(executor)) {}
  Inbox& inbox(const std::string& ns);
  /// Requests for this path have this status from now on.
  void answer(const std::string& path, int status) { answers_[path] = status; }
  /// A http::Handler's body.
  base::Task<void> serve(http::Request request, http::Responder& responder);

 private:
  base::Clock& clock_;
  base::Executor executor_;
  std::map<std::string, std::unique_ptr<Inbox>> inboxes_;
  std::map<std::string, int> answers_;  ///< by path
};

}  // namespace serin::kubernetes_test
