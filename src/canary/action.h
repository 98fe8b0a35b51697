#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "canary/check.h"
#include "canary/message.h"
#include "canary/readiness.h"
#include "canary/spec.h"
#include "canary/status.h"

namespace serin::canary {

/// How the traffic of the apex is divided, in percent; the two add up to 100. With A/B testing it is the
/// traffic of the matching requests, all others go to the primary.
struct Routes {
  int primary = 100, canary = 0;
  bool mirrored = false;  ///< the canary gets a copy of the primary's requests
  bool operator==(const Routes&) const = default;
};

/// What a provider can do with traffic (spec 05, 06).
struct Capabilities {
  bool shifts = true;  ///< by weight; false: plain Kubernetes, where only the primary's rollout moves traffic
  bool matches = false;  ///< by header or cookie: A/B testing
  bool mirrors = false;
  bool operator==(const Capabilities&) const = default;
};

/// What the world looks like to one canary.
struct Observation {
  WorkloadView target, primary;
  /// Names the revision that the primary carries (annotation flagger-id); see promotion_id().
  std::string primary_id;
  /// The target's tracked ConfigMaps and Secrets and their checksums; nullopt: tracking is off.
  std::optional<std::map<std::string, std::string>> configs;
  /// What the mesh object says; nullopt: there is none (yet).
  std::optional<Routes> routes;
  Capabilities capabilities;  ///< of the provider
  /// Set if the recorded hashes are another controller's: whether the primary carries what the target does.
  std::optional<bool> takeover;
  /// Why target, configs or routes could not be read. Texts as events show them.
  std::string target_problem, config_problem, route_problem;
  bool namespace_terminating = false;
};

// --- What a plan asks for. Replies are given by ReplyTo below; Done unless stated.

/// A line in the log alone.
struct Note {
  std::string text;
};
/// Looks again. Reply: Observation.
struct Observe {};
/// Writes the status on the version that was observed, and tells what it means. The messages are stored with
/// it, so that whoever takes over after a crash tells what has not arrived.
struct SaveStatus {
  Status status;
  std::vector<Message> messages = {};
};
struct EnsureServices {};  ///< canary and primary Service
struct EnsurePrimary {     ///< primary workload and configs, created if missing
  std::string revision, id;
};
struct EnsurePrimaryScaler {  ///< created if missing; `update`: brought in line with the target's
  bool update = false;
};
/// The apex Service selects the primary. Reply: ApexReply.
struct EnsureApex {};
struct EnsureRoute {};  ///< the mesh object exists, weights untouched
struct SetRoutes {
  Routes routes;
};
struct ScaleTarget {
  enum class To { zero, from_zero, primary } to = To::zero;  ///< primary: the primary's replica count
};
/// Copies configs and template to the primary, if the target still is `revision`; conflict otherwise. Carried
/// out already (the primary's id is `id`): no change.
struct Promote {
  std::string revision, id;
};
struct RestorePrimary {};        ///< template and configs that it had before the last promotion
struct ForgetEarlierConfigs {};  ///< what RestorePrimary would need of configs: the last promotion stays
/// Reply: Done, failed with the text that the event shows.
struct CallHook {
  Webhook hook;
  Phase phase = Phase::none;  ///< in the payload
  Status status;              ///< for the payload's checksum
};
struct CheckProviders {};
/// One pass over the metrics. Reply: CheckReply.
struct EvaluateMetrics {};
/// Waits until proxies have learnt the last route change and calls in flight have ended.
struct Drain {};
/// The apex Service selects the target's pods again, and outlives the Canary if it serves traffic.
struct ReleaseApex {};
struct RemoveFinalizer {};
/// Gives the primary at least this many replicas, so that it can take the traffic back.
struct GrowPrimary {
  int replicas = 1;
};
/// Takes the one-off command off the Canary: it has been carried out.
struct ClearCommand {};
/// The duration of a rollout's end for the metrics: completed, skipped or failed.
struct CountOutcome {
  bool succeeded = true;
  bool skipped = false;
};

using Action = std::variant<Announce, Note, Alert, Observe, SaveStatus, EnsureServices, EnsurePrimary,
                            EnsurePrimaryScaler, EnsureApex, EnsureRoute, SetRoutes, ScaleTarget, Promote,
                            RestorePrimary, ForgetEarlierConfigs, CallHook, CheckProviders, EvaluateMetrics,
                            Drain, ReleaseApex, RemoveFinalizer, GrowPrimary, ClearCommand, CountOutcome>;

using Done = base::Result<void>;
struct ApexReply {
  Done done;
  bool took_over = false;  ///< it was there, selected other pods and may have carried traffic
};
struct CheckReply {
  bool passed = true;
  bool unknown = false;              ///< not passed, but nothing failed either: there was no data to judge by
  bool shared = false;               ///< not passed, but the primary fails whatever the canary does
  std::vector<std::string> texts;    ///< why not, as the Warning shows it
  std::vector<CheckResult> results;  ///< what was measured, for status.checks
};
using Reply = std::variant<Done, Observation, ApexReply, CheckReply>;

template <class Asked>
struct ReplyOf {
  using type = Done;
};
template <>
struct ReplyOf<Observe> {
  using type = Observation;
};
template <>
struct ReplyOf<EnsureApex> {
  using type = ApexReply;
};
template <>
struct ReplyOf<EvaluateMetrics> {
  using type = CheckReply;
};
template <class Asked>
using ReplyTo = typename ReplyOf<Asked>::type;

}  // namespace serin::canary
