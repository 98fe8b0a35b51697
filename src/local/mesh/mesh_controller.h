#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "base/task.h"
#include "kube/api.h"
#include "local/mesh/mesh_config.h"

namespace serin::local {

/// Keeps the data plane configured: follows Services, EndpointSlices, Pods, ReplicaSets and, from the moment
/// their CRDs are there, TrafficSplits and HTTPRoutes, and sends the proxy a new snapshot as soon as
/// something it needs has changed. Changes that come while the proxy takes a snapshot over travel together in
/// the next one. HTTPRoutes get their status when the proxy obeys them.
class MeshController {
 public:
  MeshController(kube::Api& api, base::Clock& clock, base::Random& random, base::Logger log,
                 base::Executor executor);
  MeshController(const MeshController&) = delete;
  MeshController& operator=(const MeshController&) = delete;
  ~MeshController();

  /// Serves the proxy at the other end of this connected stream socket (taken over) until cancelled or until
  /// the proxy hangs up; then it may be called again for its successor. One at a time.
  base::Task<void> run(int config_fd);

  /// The generation the proxy has acknowledged last; 0: none yet. Requests begun after that follow it.
  [[nodiscard]] std::uint64_t applied() const;
  /// What the proxy could not do with the last snapshot, as sentences: addresses it could not listen on.
  [[nodiscard]] const std::vector<std::string>& problems() const;
  /// The last snapshot that was sent.
  [[nodiscard]] const MeshSnapshot& sent() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace serin::local
