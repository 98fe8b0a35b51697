#pragma once

#include <set>
#include <string>

#include "controller/config_copies.h"
#include "controller/objects.h"
#include "controller/scaler_effects.h"
#include "workload/kind.h"

namespace serin::controller {

/// Carries out what concerns the workloads of one canary: target, primary, their configs and autoscalers.
class WorkloadEffects {
 public:
  /// All live as long as this. `kind`: the target's.
  WorkloadEffects(Objects& objects, ConfigTracker& configs, const workload::Kind& kind,
                  const workload::Options& options, const canary::Spec& spec)
      : objects_(objects),
        configs_(configs),
        kind_(kind),
        options_(options),
        spec_(spec),
        copies_(objects, configs, options, spec),
        scalers_(objects, spec) {}

  /// Fills in target, primary, primary_id, configs, and what is wrong with them.
  base::Task<void> observe(canary::Observation& seen);
  /// Whether a promotion now would leave the primary's template as it is.
  base::Task<bool> primary_carries_target();
  /// The label that the target's pods are selected by; an error as the event shows it.
  [[nodiscard]] base::Result<workload::SelectorLabel> label() const;
  [[nodiscard]] World::Value target() const { return objects_.find(kind_.resource(), spec_.target_name); }

  base::Task<canary::Done> ensure_primary(canary::EnsurePrimary wanted);
  /// For a target without pods of its own: its copy T-canary exists and is like it (spec 02 §2B).
  base::Task<canary::Done> ensure_canary_service();
  base::Task<canary::Done> ensure_primary_scaler(canary::EnsurePrimaryScaler wanted) {
    return scalers_.ensure_primary(wanted.update);
  }
  /// Its autoscaler is paused before it goes to zero, and resumed before it comes back.
  base::Task<canary::Done> scale_target(canary::ScaleTarget::To to);
  base::Task<canary::Done> grow_primary(int replicas);
  base::Task<canary::Done> promote(canary::Promote wanted);
  base::Task<canary::Done> restore_primary();
  base::Task<canary::Done> forget_earlier_configs();

 private:
  /// Copies the target's tracked configs for the primary; their keys.
  base::Task<base::Result<std::set<std::string>>> copy_configs(Json target, std::string primary_id);
  /// The newest object of the kind's history() that carries another revision than the primary.
  base::Task<base::Result<Json>> earlier_revision(Json primary);
  /// The target's label, in view of the primary (null: there is none yet).
  [[nodiscard]] base::Result<workload::SelectorLabel> label_of(const Json& target, const Json* primary) const;
  /// Why this target cannot be released, as the event shows it; empty: it can.
  [[nodiscard]] std::string problem_with(const Json& target, const Json* primary) const;
  [[nodiscard]] World::Value primary() const { return objects_.find(kind_.resource(), spec_.primary_name()); }
  /// "deployment podinfo.test get query error: deployments.apps "podinfo" not found"
  [[nodiscard]] base::Error target_missing() const;

  Objects& objects_;
  ConfigTracker& configs_;
  const workload::Kind& kind_;
  const workload::Options& options_;
  const canary::Spec& spec_;
  ConfigCopies copies_;
  ScalerEffects scalers_;
};

}  // namespace serin::controller
