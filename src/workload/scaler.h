#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "canary/spec.h"
#include "kube/api.h"
#include "workload/labels.h"

namespace serin::workload {

/// A kind of autoscaler beside a target (spec 02 §5, §6): pure functions from objects to objects.
class Scaler {
 public:
  virtual ~Scaler() = default;

  [[nodiscard]] virtual const kube::Resource& resource() const = 0;
  /// How texts name it: when the target's is read, and when the primary's is created or updated.
  [[nodiscard]] virtual std::string noun() const = 0;
  [[nodiscard]] virtual std::string noun_to_create() const = 0;
  [[nodiscard]] virtual std::string noun_to_update() const = 0;

  /// The primary's as it is created, and as it is brought in line with the target's.
  [[nodiscard]] virtual Json new_primary(const Json& target_scaler, const canary::Spec& spec) const = 0;
  [[nodiscard]] virtual Json updated_primary(Json primary_scaler, const Json& target_scaler,
                                             const canary::Spec& spec) const = 0;
  /// What of autoscalerRef has no effect on this object, and why: for the log.
  [[nodiscard]] virtual std::vector<std::string> remarks(const Json& target_scaler,
                                                         const canary::Spec& spec) const = 0;
  /// The merge patch that keeps the target's from scaling it (or no longer does so); null if it is so already
  /// or if this kind needs no pause, as it leaves a target with zero replicas alone.
  [[nodiscard]] virtual Json paused(const Json& target_scaler, bool pause) const = 0;
};

/// Every kind of autoscaler that is known.
std::vector<std::unique_ptr<Scaler>> all_scalers();
/// The kind that spec.autoscalerRef names; null: there is none.
std::unique_ptr<Scaler> scaler_of(const canary::Spec& spec);
/// Its resource; nullopt: there is none.
std::optional<kube::Resource> scaler_resource(const canary::Spec& spec);

/// The least replicas that an autoscaler, of whatever kind, gives its target.
int min_replicas(const Json& scaler);

std::unique_ptr<Scaler> make_hpa();            ///< HorizontalPodAutoscaler, autoscaling/v2
std::unique_ptr<Scaler> make_scaled_object();  ///< KEDA's ScaledObject, keda.sh/v1alpha1

/// A query of the target's with the primary in place of the target (spec 02 §6): "T-canary" and "T" become
/// "T-primary" where they stand for themselves or begin a pod's name; not inside other names ("my-T-db").
std::string primary_query(const std::string& query, const std::string& target_name);

}  // namespace serin::workload
