#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "notify/destination.h"
#include "routing/router.h"

namespace serin::controller {

/// The command line of `serin controller`, with the names users know (spec 04 §1).
struct Options {
  std::string kubeconfig, master;
  double kubeconfig_qps = 100;
  int kubeconfig_burst = 250;
  std::string metrics_server = "http://prometheus:9090";
  std::string log_level = "info", zap_encoding = "json";
  std::string address = "";  ///< empty: all addresses
  int port = 8080;
  std::string event_webhook;
  std::vector<std::string> include_label_prefix;
  std::string ns;
  std::string mesh_provider = "linkerd";
  std::vector<std::string> selector_labels = {"app", "name", "app.kubernetes.io/name"};
  bool leader_election = false;
  std::string leader_election_namespace = "kube-system";
  bool no_cross_namespace_refs = false;
  bool config_tracking = true;          ///< a changed ConfigMap or Secret is a revision, and copied
  std::string kubeconfig_service_mesh;  ///< must name the cluster that `kubeconfig` names
  base::Duration interval_min = std::chrono::seconds(10);  ///< shorter analysis intervals are raised to it
  base::Duration drain = std::chrono::seconds(3);          ///< between rerouting and scaling down
  base::Duration
      unknown_grace{};  ///< how long checks may have nothing to judge by before that counts as failed
  base::Duration shared_grace{};  ///< how long a canary may fail what its primary fails as well
  int rollouts_max = 0;           ///< so many canaries may be in a run at once; 0: all
  routing::RouterOptions routing;
  notify::NotifierFlags notifier;
  std::string cluster_name;          ///< told with every alert
  std::vector<std::string> remarks;  ///< on the command line; logged at the start
  // From the environment.
  std::string http_proxy, https_proxy, no_proxy;
  std::string kubernetes_host, kubernetes_port, home_kubeconfig;
};

/// Finds the mistakes in options that can be seen without a cluster. Errors (invalid) name flag and remedy.
base::Result<void> check(const Options& options);

/// Runs the controller until SIGINT or SIGTERM; returns the process's exit code: 0 after a graceful stop, 1
/// after a fatal error or lost leadership.
int run_controller(Options options);

}  // namespace serin::controller
