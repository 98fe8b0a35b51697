#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "kube/api.h"

namespace serin::kubernetes_test {

/// What a server is built on.
struct Grounds {
  std::filesystem::path folder;  ///< for everything it keeps
  base::Executor executor;
  base::Clock& clock;
  base::Random& random;
  std::filesystem::path control_plane = {};  ///< where kube-apiserver and kube-controller-manager are
};

/// The Kubernetes that the scenarios are played on: an API server and the controllers of workloads, without
/// nodes. What runs of it ends when it goes.
class Server {
 public:
  virtual ~Server() = default;

  /// Returns when it answers. Errors name what could not be started, and the log that tells more.
  virtual base::Task<base::Result<void>> start() = 0;
  /// To be called before it goes, once start() has been.
  virtual base::Task<void> stop() = 0;
  /// After start(): the administrator's.
  [[nodiscard]] virtual kube::Api& api() = 0;
  [[nodiscard]] virtual std::filesystem::path kubeconfig() const = 0;

  /// How often the controller has asked for what ("list /api/v1/services"), watches and leases left out.
  [[nodiscard]] virtual std::map<std::string, std::uint64_t> requests() const = 0;
  /// Whether accounts have the rights that their roles give them, and no others.
  [[nodiscard]] virtual bool has_roles() const = 0;
  /// What the controller has asked for and was refused.
  [[nodiscard]] virtual std::vector<std::string> forbidden() const = 0;
};

/// Ports of the loopback that were free a moment ago, all different. Errors: the system's.
base::Result<std::vector<std::uint16_t>> free_ports(std::size_t count);

/// The one that this program plays on.
std::unique_ptr<Server> make_server(Grounds grounds);

}  // namespace serin::kubernetes_test
