#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "local/node/mounts.h"
#include "local/node/processes.h"

namespace serin::local {

/// How the node agent is started: the command gets the number of its inherited socket as last argument.
struct FabricOptions {
  std::vector<std::string> agent_command;  ///< {"/proc/self/exe", "node-agent", "--socket-fd"}
  std::vector<std::string> agent_flags;    ///< what follows the socket's number
};

/// A pod as far as the agent knows it: a network and a set of processes.
struct PodSandbox {
  std::string hostname;
  std::string address;            ///< IPv4, in the pods' network
  std::vector<BindMount> mounts;  ///< for every container: hosts file, resolver
};

/// The node agent as a child process, and through it the place where pods and the mesh proxy run. When the
/// object goes, or this process dies in any way, everything in it is killed.
class Fabric {
 public:
  /// Starts the agent and waits until it is ready. Errors (unavailable) say why it cannot be started.
  static base::Task<base::Result<std::unique_ptr<Fabric>>> start(base::Executor executor,
                                                                 FabricOptions options);
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;
  /// Ends everything and waits for the agent's end.
  ~Fabric();

  /// Whether pods have namespaces of their own; otherwise they share the host's network and files, and
  /// shared_reason() says what forbids the namespaces.
  [[nodiscard]] bool isolated() const { return isolated_; }
  [[nodiscard]] const std::string& shared_reason() const { return shared_reason_; }
  /// The agent's pid on the host.
  [[nodiscard]] pid_t pid() const { return pid_; }

  /// Processes in the fabric's own network, outside every pod (the mesh proxy).
  [[nodiscard]] ProcessHost& processes() { return *host_; }
  /// A new pod without processes. Destroying the host ends the pod.
  base::Task<base::Result<std::unique_ptr<ProcessHost>>> make_pod(PodSandbox sandbox);

 private:
  Fabric(base::Executor executor, pid_t pid, Fd channel);

  base::Executor executor_;
  pid_t pid_;
  std::unique_ptr<ProcessHost> host_;
  bool isolated_ = false;
  std::string shared_reason_;
};

}  // namespace serin::local
