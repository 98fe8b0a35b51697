#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/log.h"
#include "base/random.h"
#include "http/server.h"
#include "kube/cache.h"
#include "kube/events.h"
#include "local/ingress/ingress_plan.h"
#include "local/ingress/request_log.h"

namespace serin::local {

struct IngressOptions {
  std::filesystem::path folder;  ///< NGINX's configuration and pipes; made if absent
  std::string nginx = "/usr/sbin/nginx";
  base::Duration verdict_within = std::chrono::seconds(10);  ///< how long its pod may take to answer
};

/// The embedded cluster's ingress: a real NGINX in a pod, whose configuration follows the Ingress objects
/// (docs/ingress.md). A configuration that NGINX refuses is never taken into use; the Ingress whose text is
/// at fault is found and told by an Event, and all others are served.
class Ingress {
 public:
  Ingress(IngressOptions options, kube::Api& api, base::Clock& clock, base::Random& random, base::Logger log,
          base::Executor executor);
  Ingress(const Ingress&) = delete;
  Ingress& operator=(const Ingress&) = delete;
  ~Ingress();

  /// Makes folder, pipes, the metrics page and the pod's objects. Errors: not_found when NGINX is not
  /// installed, with what to install.
  base::Task<base::Result<void>> start();
  /// After start(): follows the cluster, until cancelled.
  base::Task<void> run();
  /// After start(): "127.0.0.1:PORT", whose /metrics tells of NGINX's requests.
  [[nodiscard]] std::string metrics_address() const;

 private:
  enum class Trial { test, apply };
  base::Result<void> prepare_folder();
  base::Result<void> serve_metrics();
  base::Task<void> answer(http::Request request, http::Responder& responder);
  [[nodiscard]] IngressObjects objects() const;
  base::Task<void> keep_up();
  base::Task<void> update();
  /// What NGINX says to this plan: empty if it accepts it. nullopt: nobody answers.
  base::Task<std::optional<std::string>> try_out(IngressPlan plan, Trial trial);
  /// Leaves out every text that NGINX refuses, and tells whose it is.
  base::Task<IngressPlan> without_refused_texts(IngressPlan plan);
  void remember_snippets(const IngressPlan& plan);
  void tell(const Note& note);
  base::Task<void> publish_addresses(std::vector<kube::ObjectRef> accepted);

  IngressOptions options_;
  kube::Api& api_;
  base::Clock& clock_;
  base::Logger log_;
  base::Executor executor_;
  kube::Cache ingresses_, classes_, services_, slices_;
  kube::EventRecorder events_;
  base::Wakeup changed_;
  base::TaskGroup tasks_;
  RequestLog requests_;
  std::unique_ptr<http::Server> metrics_server_;
  int control_ = -1;  ///< the reloader's pipe; held open, so that what is written waits for its reader
  int serial_ = 0;
  std::string applied_;  ///< the configuration in use, without its serial
  std::map<kube::ObjectRef, std::string> good_snippets_;
  std::set<Note> told_;
};

}  // namespace serin::local
