#pragma once

#include <set>
#include <string>

#include "controller/configs.h"
#include "controller/objects.h"
#include "workload/kind.h"

namespace serin::controller {

/// Carries out what concerns the workloads of one canary: target, primary, their configs and autoscalers.
class WorkloadEffects {
 public:
  /// All live as long as this. `kind`: the target's.
  WorkloadEffects(Objects& objects, ConfigTracker& configs, const workload::Kind& kind,
                  const workload::Options& options, const canary::Spec& spec)
      : objects_(objects), configs_(configs), kind_(kind), options_(options), spec_(spec) {}

  /// Fills in target, primary, primary_id, configs, and what is wrong with them.
  base::Task<void> observe(canary::Observation& seen);
  /// The label that the target's pods are selected by; an error as the event shows it.
  [[nodiscard]] base::Result<workload::SelectorLabel> label() const;
  [[nodiscard]] World::Value target() const { return objects_.find(kind_.resource(), spec_.target_name); }

  base::Task<canary::Done> ensure_primary(canary::EnsurePrimary wanted);
  base::Task<canary::Done> ensure_primary_scaler(canary::EnsurePrimaryScaler wanted);
  base::Task<canary::Done> scale_target(canary::ScaleTarget::To to);
  base::Task<canary::Done> grow_primary(int replicas);
  base::Task<canary::Done> promote(canary::Promote wanted);
  base::Task<canary::Done> restore_primary();

 private:
  /// Copies the target's tracked configs for the primary; their keys.
  base::Task<base::Result<std::set<std::string>>> copy_configs(Json target);
  [[nodiscard]] World::Value primary() const { return objects_.find(kind_.resource(), spec_.primary_name()); }
  /// "deployment podinfo.test get query error: deployments.apps "podinfo" not found"
  [[nodiscard]] base::Error target_missing() const;

  Objects& objects_;
  ConfigTracker& configs_;
  const workload::Kind& kind_;
  const workload::Options& options_;
  const canary::Spec& spec_;
};

}  // namespace serin::controller
