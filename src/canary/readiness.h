#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "base/time.h"

namespace serin::canary {

using base::Json;

/// What matters of a workload's spec and status.
struct WorkloadView {
  enum class Kind { deployment, daemonset, service } kind = Kind::deployment;
  bool exists = false;
  std::int64_t generation = 0, observed_generation = 0;
  int replicas = 1;  ///< wanted; 0: scaled to zero, for a DaemonSet: parked
  int status_replicas = 0, updated = 0, ready = 0, available = 0;
  bool deadline_exceeded = false;  ///< condition Progressing has reason ProgressDeadlineExceeded
  bool nowhere = false;            ///< a DaemonSet that is not parked, and that no node matches
  std::string revision;            ///< hash of its pod template
  bool operator==(const WorkloadView&) const = default;
};

WorkloadView view_deployment(const Json& deployment);

/// The node selector that parks a DaemonSet: no node has this label. It is no part of the revision.
inline constexpr std::string_view parking_label = "flagger.app/scale-to-zero";

/// The pod template of a DaemonSet without its parking label.
Json unparked_template(Json pod_template);
bool is_parked(const Json& daemonset);
WorkloadView view_daemonset(const Json& daemonset);

/// A DaemonSet that no node matches cannot serve, and is waited for. Where neither side has a node (the other
/// one is parked, missing, or matches none either) nobody is served anyway, and both count as complete, as
/// they do for Kubernetes.
void settle_placement(WorkloadView& target, WorkloadView& primary);

/// Whether a workload may carry traffic, and if not why (spec 01 §9).
struct Readiness {
  bool ready = false;
  bool for_good = false;  ///< not ready, and waiting longer is pointless
  std::string text;       ///< why it isn't ready; empty if it is
};

/// `percent`: how many of the updated pods must be available. `waiting`: how long it has made no progress; at
/// `deadline` it is given up, whatever its conditions say.
Readiness readiness(const WorkloadView& workload, std::string_view name, int percent, base::Duration waiting,
                    base::Duration deadline);

}  // namespace serin::canary
