#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace serin::local {

/// The command line of `serin local up`.
struct ClusterOptions {
  std::filesystem::path data;             ///< everything that is kept; made with mode 0700 if missing
  std::filesystem::path program;          ///< the serin binary, for the children
  std::uint16_t api_port = 6443;          ///< on 127.0.0.1; 0: any free one
  std::uint16_t prometheus_port = 9090;   ///< likewise
  bool controller = true;                 ///< start `serin controller`
  std::string mesh_provider = "linkerd";  ///< the controller's flag of this name
  bool shared = false;                    ///< don't try namespaces
  std::filesystem::path images;           ///< the user's table of images; empty: none
  std::filesystem::path prometheus = "/usr/bin/prometheus";
  std::filesystem::path nginx = "/usr/sbin/nginx";
};

/// Runs the whole embedded cluster, telling on stdout what it starts and how to use it, until SIGINT or
/// SIGTERM; then ends everything it has started. Returns the process's exit code: 0 after a signal, 1 when
/// something could not be started or has failed for good (one line on stderr says what, and the remedy).
int run_cluster(ClusterOptions options);

}  // namespace serin::local
