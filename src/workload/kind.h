#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "canary/action.h"
#include "canary/spec.h"
#include "kube/api.h"
#include "workload/deployment.h"
#include "workload/labels.h"

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
  /// The pod template whose configs are tracked; null if it has no pods.
  [[nodiscard]] virtual const Json& pod_template(const Json& object) const = 0;
  /// The revision a primary carries: annotation flagger-id of its pod template.
  [[nodiscard]] virtual std::string primary_id(const Json& primary) const = 0;

  [[nodiscard]] virtual Json new_primary(const PrimarySource& source, const canary::Spec& spec,
                                         const Options& options) const = 0;
  [[nodiscard]] virtual Json promoted_primary(Json primary, const PrimarySource& source,
                                              const canary::Spec& spec, const Options& options) const = 0;
  /// The primary with an earlier template of its own, taken from the object that keeps it (see history()).
  [[nodiscard]] virtual Json restored_primary(Json primary, const Json& earlier) const = 0;
  /// Where earlier templates are kept: ReplicaSets or ControllerRevisions. Null: nowhere.
  [[nodiscard]] virtual const kube::Resource* history() const = 0;

  /// The merge patch that scales the target; null if it is so already. `scaler`: the target's autoscaler,
  /// null if it has none; `primary`: null if missing.
  [[nodiscard]] virtual Json scaled(const Json& target, const Json& primary, const canary::Spec& spec,
                                    const Json& scaler, canary::ScaleTarget::To to) const = 0;
};

/// The kind that spec.targetRef.kind names. Error (invalid): one that cannot be released, with those that
/// can.
base::Result<std::unique_ptr<Kind>> kind_of(const std::string& target_kind);

/// The kind of spec.autoscalerRef; nullopt: there is none.
std::optional<kube::Resource> scaler_resource(const canary::Spec& spec);

}  // namespace serin::workload
