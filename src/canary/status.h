#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "canary/check.h"

namespace serin::canary {

using base::Json;

/// Where a canary stands (spec 01 §1.3). `none` is a Canary nobody has touched yet.
enum class Phase {
  none,
  initializing,
  initialized,
  waiting,
  progressing,
  waiting_promotion,
  promoting,
  finalising,
  succeeded,
  failed,
  terminating,
  terminated,
};

/// Whether a release is under way.
bool is_run(Phase phase);

/// "Progressing"; empty for none.
std::string_view name_of(Phase phase);
std::optional<Phase> parse_phase(std::string_view name);

/// The cookies of session affinity, each "name=value"; empty: none (spec 05 §8).
struct Affinity {
  std::string canary;    ///< sticks to the canary, in this run
  std::string previous;  ///< of the last run: to be deleted in browsers
  std::string primary;   ///< sticks to the primary
  bool operator==(const Affinity&) const = default;
};

/// The part of a Canary's status that drives it (spec 03 §5).
struct Status {
  Phase phase = Phase::none;
  int failed_checks = 0;
  int canary_weight = 0;
  int iterations = 0;
  std::string last_applied;   ///< hash of the revision that the current or last run is for
  std::string last_promoted;  ///< hash of the revision that the primary runs
  std::optional<std::map<std::string, std::string>> tracked_configs;  ///< absent: tracking is off
  Affinity affinity;
  std::vector<CheckResult> checks;  ///< the last judgement of this run, metric by metric
  std::string rolling_back;         ///< why, once a rollback is announced and until it is through
  bool outcome_pending = false;     ///< the run is over, but its post-rollout hooks have not been called

  bool operator==(const Status&) const = default;
};

/// Reads .status; an unknown phase is an error (invalid) that names it.
base::Result<Status> read_status(const Json& canary);

/// The status object to store: `status` laid over the stored one, so that fields we don't know survive, with
/// lastTransitionTime and the Promoted condition as spec 03 §5 says. `kind` is the target's kind.
Json write_status(const Json& canary, const Status& status, std::string_view kind, base::WallTime now);

}  // namespace serin::canary
