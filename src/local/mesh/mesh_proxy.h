#pragma once

namespace serin::local {

/// Descriptors that the parent made and that this process inherits.
struct MeshProxyOptions {
  int config_fd = -1;         ///< a connected stream socket: snapshots come in, reports go out, a line each
  int metrics_fd = -1;        ///< listening socket of the metrics pages; -1: none
  int forward_proxy_fd = -1;  ///< listening socket of the forward proxy; -1: none
};

/// The process `serin mesh-proxy`: serves until config_fd ends, then returns the exit code. For each line
/// read, one line is written back: {"applied":N} with the snapshot's generation, after one
/// {"failed":{"address":"10.96.0.5:80","cause":"..."}} for every address that could not be bound; or
/// {"rejected":"<why>"}, and what was served before is served on.
int run_mesh_proxy(MeshProxyOptions options);

}  // namespace serin::local
