#pragma once

#include <memory>
#include <string>

#include "controller/objects.h"
#include "workload/scaler.h"

namespace serin::controller {

/// Carries out what concerns the autoscalers of one canary (spec 02 §5, §6): the target's, which is paused
/// while the target has no replicas, and its copy for the primary.
class ScalerEffects {
 public:
  /// Both live as long as this.
  ScalerEffects(Objects& objects, const canary::Spec& spec)
      : objects_(objects), spec_(spec), scaler_(workload::scaler_of(spec)) {}

  /// The target's autoscaler, or null: there is none, or it is missing.
  [[nodiscard]] World::Value of_target() const;
  /// The primary's exists; with `update` it is also brought in line with the target's, and the autoscalers
  /// go that an earlier autoscalerRef had made for the primary. A missing autoscaler of the target is an
  /// error only as long as the primary has none either: it must not hold up traffic.
  base::Task<canary::Done> ensure_primary(bool update);
  /// The target's doesn't scale it any more, or does so again. One that is missing needs neither.
  base::Task<canary::Done> pause(bool paused);

 private:
  base::Task<canary::Done> remove_outdated();
  [[nodiscard]] std::string primary_name() const { return spec_.autoscaler->name + "-primary"; }
  /// "HorizontalPodAutoscaler v2 podinfo-primary.test"
  [[nodiscard]] std::string named(const std::string& noun) const {
    return noun + " " + primary_name() + "." + spec_.ns;
  }

  Objects& objects_;
  const canary::Spec& spec_;
  std::unique_ptr<workload::Scaler> scaler_;  ///< null: the canary has none
};

}  // namespace serin::controller
