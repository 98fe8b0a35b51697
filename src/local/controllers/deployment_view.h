#pragma once

#include "local/controllers/objects.h"
#include "local/controllers/rollout.h"

namespace serin::local {

inline constexpr const char* revision_annotation = "deployment.kubernetes.io/revision";
inline constexpr const char* desired_annotation = "deployment.kubernetes.io/desired-replicas";
inline constexpr const char* most_annotation = "deployment.kubernetes.io/max-replicas";
inline constexpr const char* hash_label = "pod-template-hash";

/// A Deployment and what belongs to it, as the decision about it sees them.
struct DeploymentView {
  DeploymentView(const Json& deployment, const Objects& owned_sets);

  const Json& deployment;
  const Json* fresh = nullptr;  ///< the ReplicaSet of the present template, once it exists
  Objects old;                  ///< the others, oldest first
  RolloutGoal goal;
  std::string hash;  ///< of the present template

  [[nodiscard]] bool paused() const { return deployment.get("spec", "paused").bool_or(false); }
  [[nodiscard]] bool recreates() const {
    return deployment.get("spec", "strategy", "type").str() == "Recreate";
  }
  /// nullopt: none is wanted (absent, or the largest number).
  [[nodiscard]] std::optional<std::chrono::seconds> progress_deadline() const;
  [[nodiscard]] Objects all() const;
  [[nodiscard]] std::string fresh_name() const { return kube::name_of(deployment) + "-" + hash; }
};

int desired_replicas(const Json& set);
int status_replicas(const Json& set, const char* field);
std::int64_t revision_of(const Json& object);
SetCounts counts_of(const Json& set);

}  // namespace serin::local
