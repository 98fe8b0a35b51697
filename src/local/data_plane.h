#pragma once

#include <filesystem>
#include <string>

#include "base/log.h"
#include "base/random.h"
#include "base/task.h"
#include "local/mesh/mesh_controller.h"
#include "local/node/fabric.h"
#include "local/sockets.h"

namespace serin::local {

/// The process `serin mesh-proxy` in the fabric's network, started again whenever it ends, and what
/// configures it. Its two loopback ports are ours, so they stay the same.
class DataPlane {
 public:
  /// Errors: no sockets. The references must outlive it.
  static base::Result<std::unique_ptr<DataPlane>> make(std::filesystem::path program,
                                                       std::filesystem::path log_file, Fabric& fabric,
                                                       kube::Api& api, base::Clock& clock,
                                                       base::Random& random, base::Logger log,
                                                       base::Executor executor);

  /// Until cancelled, after close().
  base::Task<void> run();
  /// The proxy that ends next is not started again. (A cancelled MeshController looks like one whose proxy
  /// has ended.)
  void close() { closing_ = true; }

  /// "127.0.0.1:PORT" of the metrics pages.
  [[nodiscard]] std::string metrics_address() const;
  /// "http://127.0.0.1:PORT": the forward proxy, the host's way to the Services.
  [[nodiscard]] std::string forward_proxy_url() const;

 private:
  DataPlane(std::filesystem::path program, std::filesystem::path log_file, Fabric& fabric, kube::Api& api,
            base::Clock& clock, base::Random& random, base::Logger log, base::Executor executor);
  base::Task<base::Result<void>> run_once();

  std::filesystem::path program_, log_file_;
  Fabric& fabric_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  LoopbackListener metrics_, forward_;
  MeshController controller_;
  bool closing_ = false;
};

}  // namespace serin::local
