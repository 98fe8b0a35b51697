#pragma once

#include <string>

namespace serin::local {

/// The network of the embedded cluster where namespaces are available.
struct FabricNetwork {
  std::string bridge_address = "10.244.0.1";  ///< gateway of every pod
  int pod_prefix_length = 16;
  std::string service_network = "10.96.0.0";
  int service_prefix_length = 16;
};

struct AgentOptions {
  int socket_fd = -1;  ///< inherited SOCK_SEQPACKET socket to the parent; requests see Supervisor and below
  FabricNetwork network;
  bool shared = false;  ///< don't even try namespaces
};

/// The body of `serin node-agent`: makes the fabric (own user, network, mount and PID namespaces with a
/// bridge) and in it pods, until the parent dies or closes the socket; nothing it has started outlives it.
/// First it sends the event "ready" with `isolated` and, where namespaces are forbidden, the `reason`: pods
/// are then mere process groups ("shared mode"). Returns the process's exit code.
///
/// Operations beyond Supervisor's: pod (hostname, address, mounts of the pod) -> pid and the channel of the
/// pod's own Supervisor, whose closing ends the pod.
int run_node_agent(AgentOptions options);

}  // namespace serin::local
