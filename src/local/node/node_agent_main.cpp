#include <cstdlib>

#include "local/node/agent.h"

/// What `serin node-agent` does, for this folder's tests: node-agent <socket-fd> [shared].
int main(int argc, char** argv) {
  if (argc < 2) return 2;
  serin::local::AgentOptions options;
  options.socket_fd = std::atoi(argv[1]);
  options.shared = argc > 2;
  return serin::local::run_node_agent(std::move(options));
}
