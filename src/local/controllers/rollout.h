#pragma once

#include <vector>

namespace serin::local {

/// The arithmetic of Deployments: how many replicas each ReplicaSet gets next. Pure numbers, so that whole
/// rollouts can be enumerated in tests.

/// What a Deployment wants, its percentages resolved.
struct RolloutGoal {
  int replicas = 1;
  int max_surge = 0;        ///< so many pods more than `replicas` may exist
  int max_unavailable = 0;  ///< so many fewer than `replicas` may be available

  /// Both limits zero would stand still: Kubernetes then allows one unavailable.
  static RolloutGoal rolling(int replicas, int max_surge, int max_unavailable);
  [[nodiscard]] int most_pods() const { return replicas > 0 ? replicas + max_surge : 0; }
  [[nodiscard]] int fewest_available() const { return replicas - max_unavailable; }
};

/// What one ReplicaSet has.
struct SetCounts {
  int desired = 0;    ///< spec.replicas
  int available = 0;  ///< status.availableReplicas
  int most_pods = 0;  ///< replicas + surge of the Deployment when this set was last sized; 0: unknown
};

/// The next size of the set with the newest template: up as far as the surge allows, never past the goal.
int next_size_of_new(const RolloutGoal& goal, const std::vector<SetCounts>& old, const SetCounts& fresh);

/// The next sizes of the others, oldest first: pods that aren't available go first, then as many as leaves
/// enough available ones.
std::vector<int> next_sizes_of_old(const RolloutGoal& goal, const std::vector<SetCounts>& old,
                                   const SetCounts& fresh);

/// Sizes after the Deployment was resized in the middle of a rollout: each set keeps its share, what rounding
/// leaves goes to the first. Growing, `sets` come largest and newest first; shrinking, largest and oldest.
std::vector<int> proportional_sizes(const RolloutGoal& goal, const std::vector<SetCounts>& sets);

}  // namespace serin::local
