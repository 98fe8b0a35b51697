#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace serin::local {

/// What a container is doing, as the kubelet tells it.
struct ContainerState {
  enum class Kind { waiting, running, terminated };

  std::string name, image;
  Kind kind = Kind::waiting;
  std::string reason, message;  ///< of waiting and terminated
  base::WallTime started_at{}, finished_at{};
  int exit_code = 0;
  int signal = 0;
  std::string id;         ///< of the present or last instance
  base::Json last_state;  ///< of the instance before, {"terminated": ...}; null if none
  int restarts = 0;
  bool ready = false;
  bool started = false;

  /// The member of containerStatuses.
  [[nodiscard]] base::Json status() const;
  /// {"running": ...} and the like.
  [[nodiscard]] base::Json state() const;
  [[nodiscard]] bool succeeded() const { return kind == Kind::terminated && exit_code == 0; }
};

/// What the status of a pod is made from.
struct PodFacts {
  std::vector<ContainerState> init_containers, containers;
  std::string host_address;
  std::string address;                       ///< empty: no sandbox yet
  std::optional<base::WallTime> started_at;  ///< when the node first saw it
  std::string reason, message;               ///< of the pod as a whole
  bool evicted = false;                      ///< failed for good, whatever its containers do
};

/// A pod's status as a kubelet would write it, given the pod as it is known: conditions keep their transition
/// time while their status stays, and those of others are kept. A pod that is being deleted is not ready.
base::Json pod_status(const base::Json& pod, const PodFacts& facts, base::WallTime now);

/// A container's state as its status tells it: what a node that starts again goes on from. What ran then has
/// ended with it, and counts as one restart more.
ContainerState resumed_state(const base::Json& container, const base::Json& statuses, base::WallTime now);

}  // namespace serin::local
