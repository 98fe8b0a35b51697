#include "local/controllers/rollout.h"

#include <algorithm>
#include <cmath>

namespace serin::local {

namespace {

template <class Member>
int sum(const std::vector<SetCounts>& sets, Member member) {
  int total = 0;
  for (const SetCounts& set : sets) total += set.*member;
  return total;
}

}  // namespace

RolloutGoal RolloutGoal::rolling(int replicas, int max_surge, int max_unavailable) {
  if (replicas == 0) return {0, max_surge, 0};
  if (max_surge == 0 && max_unavailable == 0) max_unavailable = 1;
  return {replicas, max_surge, std::min(max_unavailable, replicas)};
}

int next_size_of_new(const RolloutGoal& goal, const std::vector<SetCounts>& old, const SetCounts& fresh) {
  if (fresh.desired >= goal.replicas) return goal.replicas;
  const int room = goal.most_pods() - sum(old, &SetCounts::desired) - fresh.desired;
  return fresh.desired + std::clamp(room, 0, goal.replicas - fresh.desired);
}

std::vector<int> next_sizes_of_old(const RolloutGoal& goal, const std::vector<SetCounts>& old,
                                   const SetCounts& fresh) {
  std::vector<int> sizes;
  for (const SetCounts& set : old) sizes.push_back(set.desired);

  // New pods that don't serve yet might never: they don't allow an old one to go.
  const int pods = sum(old, &SetCounts::desired) + fresh.desired;
  const int new_unavailable = fresh.desired - fresh.available;
  int removable = pods - goal.fewest_available() - new_unavailable;
  for (std::size_t i = 0; i < old.size() && removable > 0; ++i) {
    const int unhealthy = std::clamp(old[i].desired - old[i].available, 0, removable);
    sizes[i] -= unhealthy;
    removable -= unhealthy;
  }

  const int available = sum(old, &SetCounts::available) + fresh.available;
  removable = std::min(removable, available - goal.fewest_available());
  for (std::size_t i = 0; i < old.size() && removable > 0; ++i) {
    const int healthy = std::min(sizes[i], removable);
    sizes[i] -= healthy;
    removable -= healthy;
  }
  return sizes;
}

std::vector<int> proportional_sizes(const RolloutGoal& goal, const std::vector<SetCounts>& sets) {
  std::vector<int> sizes;
  const int pods = sum(sets, &SetCounts::desired);
  int left = goal.most_pods() - pods;
  const bool growing = left > 0;
  for (const SetCounts& set : sets) {
    const int before = set.most_pods > 0 ? set.most_pods : std::max(pods, 1);
    const double share = static_cast<double>(set.desired) * goal.most_pods() / before;
    const int change = static_cast<int>(std::lround(share)) - set.desired;
    const int allowed = growing ? std::clamp(change, 0, left) : std::clamp(change, left, 0);
    sizes.push_back(set.desired + allowed);
    left -= allowed;
  }
  if (!sizes.empty()) sizes.front() = std::max(0, sizes.front() + left);
  return sizes;
}

}  // namespace serin::local
