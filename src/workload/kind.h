#pragma once

#include <memory>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "canary/action.h"
#include "canary/spec.h"
#include "kube/api.h"
#include "workload/labels.h"
#include "workload/primary.h"
#include "workload/scaler.h"

namespace serin::workload {

/// What it takes to release one kind of target (spec 02 §2, §2A, §2B): pure functions from objects to
/// objects. `target` and `primary` are objects of resource().
class Kind {
 public:
  virtual ~Kind() = default;

  [[nodiscard]] virtual const kube::Resource& resource() const = 0;
  /// The word that error texts name it by: "deployment".
  [[nodiscard]] virtual std::string noun() const = 0;
  /// Whether it owns pods: otherwise there is nothing to scale, to wait for, or to track configs of.
  [[nodiscard]] virtual bool has_pods() const { return true; }

  /// Its readiness and its revision (spec 01 §5.1, §9).
  [[nodiscard]] virtual canary::WorkloadView view(const Json& object) const = 0;
  /// The label its pods are selected by. Error (invalid): a target that cannot be released, and why.
  [[nodiscard]] virtual base::Result<SelectorLabel> label(const Json& target,
                                                          const Options& options) const = 0;
  /// Whether such a target can be released at all. Error (invalid): as the event shows it.
  [[nodiscard]] virtual base::Result<void> check(const Json& /*target*/) const { return {}; }
  /// The pod template whose configs are tracked; null if it has no pods.
  [[nodiscard]] virtual const Json& pod_template(const Json& object) const = 0;
  /// The revision that a primary, or an object of its history(), carries: annotation flagger-id.
  [[nodiscard]] virtual std::string primary_id(const Json& object) const = 0;

  [[nodiscard]] virtual Json new_primary(const PrimarySource& source, const canary::Spec& spec,
                                         const Options& options) const = 0;
  [[nodiscard]] virtual Json promoted_primary(Json primary, const PrimarySource& source,
                                              const canary::Spec& spec, const Options& options) const = 0;
  /// The primary with an earlier template of its own, taken from the object that keeps it (see history()).
  [[nodiscard]] virtual Json restored_primary(Json primary, const Json& earlier) const = 0;
  /// The revision before the present one, if the primary itself keeps it: an object like those of history().
  /// Null: it does not.
  [[nodiscard]] virtual Json kept_revision(const Json& /*primary*/) const { return {}; }
  /// Where else earlier templates are kept: ReplicaSets or ControllerRevisions. Null: nowhere.
  [[nodiscard]] virtual const kube::Resource* history() const = 0;

  /// The merge patch that scales the target; null if it is so already. `scaler`: the target's autoscaler,
  /// null if it has none; `primary`: null if missing.
  [[nodiscard]] virtual Json scaled(const Json& target, const Json& primary, const canary::Spec& spec,
                                    const Json& scaler, canary::ScaleTarget::To to) const = 0;
  /// The merge patch that gives the primary at least so many replicas; null if it has them, or if how many it
  /// has is not ours to say.
  [[nodiscard]] virtual Json grown(const Json& /*primary*/, int /*replicas*/) const { return {}; }

  /// What was attempted, as events say it when the API refuses (spec 02): creating and promoting the primary,
  /// scaling the target by `patch`.
  [[nodiscard]] virtual std::string creating(const canary::Spec& spec) const;
  [[nodiscard]] virtual std::string promoting(const canary::Spec& spec) const;
  [[nodiscard]] virtual std::string scaling(const canary::Spec& spec, const Json& patch,
                                            canary::ScaleTarget::To to) const;
};

/// The kind that spec.targetRef.kind names. Error (invalid): one that cannot be released, with those that
/// can.
base::Result<std::unique_ptr<Kind>> kind_of(const std::string& target_kind);

}  // namespace serin::workload
