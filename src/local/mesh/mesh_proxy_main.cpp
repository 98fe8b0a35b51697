// The data plane alone, for the bench and for trying things: serin-mesh-proxy CONFIG_FD METRICS_FD FORWARD_FD
#include <cstdio>
#include <cstdlib>

#include "local/mesh/mesh_proxy.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: serin-mesh-proxy <config fd> <metrics fd or -1> <forward proxy fd or -1>\n");
    return 2;
  }
  return serin::local::run_mesh_proxy({std::atoi(argv[1]), std::atoi(argv[2]), std::atoi(argv[3])});
}
