#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "base/time.h"

namespace serin::canary {

using base::Json;

/// What matters of a Deployment's spec and status.
struct WorkloadView {
  bool exists = false;
  std::int64_t generation = 0, observed_generation = 0;
  int replicas = 1;  ///< wanted
  int status_replicas = 0, updated = 0, ready = 0, available = 0;
  bool deadline_exceeded = false;  ///< condition Progressing has reason ProgressDeadlineExceeded
  std::string revision;            ///< hash of its pod template
  bool operator==(const WorkloadView&) const = default;
};

WorkloadView view_deployment(const Json& deployment);

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
