#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/log.h"
#include "base/task.h"
#include "kube/api.h"
#include "local/node/environment.h"
#include "local/node/fabric.h"
#include "local/node/hosts.h"
#include "local/node/images.h"

namespace serin::local {

struct NodeOptions {
  std::string name = "serin-local";
  std::string folder;                        ///< pods' files and logs; made if missing
  std::string host_address = "10.244.0.1";   ///< status.hostIP; in shared mode 127.0.0.1
  std::string pod_addresses = "10.244.0.0";  ///< the /16 pods get addresses from; in shared mode 127.44.0.0
  std::string hosts_file = "/etc/hosts";     ///< marked with the Services' names in shared mode
  std::string search_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";  ///< PATH of pods
  /// Pauses before a container that has ended is started again double from here; 10 s on a cluster.
  base::Duration restart_pause = std::chrono::seconds(1);
  base::Duration restart_pause_max = std::chrono::minutes(5);
  base::Duration usage_interval = std::chrono::seconds(5);
};

/// What pods and containers use of their node.
struct NodeContext {
  base::Executor executor;
  base::Clock& clock;
  kube::Api& api;
  Fabric& fabric;
  const ImageTable& images;
  const NodeOptions& options;
  base::Logger log;
  FindObject find;                                        ///< ConfigMaps and Secrets
  std::function<std::vector<ServiceAddress>()> services;  ///< of all namespaces
  std::function<Variables(std::string_view ns)> service_variables;
  /// Writes an Event about the pod; `type` is Normal or Warning.
  std::function<void(const base::Json& pod, std::string type, std::string reason, std::string message)> tell;
  /// The node ends: set before its tasks are cancelled, because TaskGroup::join takes a cancellation that
  /// comes while it waits for itself. Look here after each join that others follow.
  bool closing = false;
};

/// What containers use of their pod.
struct PodContext {
  NodeContext& node;
  base::Json pod;      ///< as last seen
  std::string folder;  ///< the pod's files
  std::string address;
  std::unique_ptr<ProcessHost> host;  ///< null until the sandbox is there
  std::function<void()> changed;      ///< a container's state has changed

  [[nodiscard]] std::string volumes_folder() const { return folder + "/volumes"; }
  [[nodiscard]] std::string log_path(std::string_view container, int restart) const {
    return folder + "/logs/" + std::string(container) + "/" + std::to_string(restart) + ".log";
  }
  void tell(std::string type, std::string reason, std::string message) const {
    node.tell(pod, std::move(type), std::move(reason), std::move(message));
  }
};

}  // namespace serin::local
