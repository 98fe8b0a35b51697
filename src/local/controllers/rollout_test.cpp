#include "local/controllers/rollout.h"

#include <gtest/gtest.h>

#include <numeric>

namespace serin::local {
namespace {

int desired(const std::vector<SetCounts>& sets) {
  return std::accumulate(sets.begin(), sets.end(), 0,
                         [](int n, const SetCounts& s) { return n + s.desired; });
}

/// Pods that change at once, but become available only when told to.
struct World {
  RolloutGoal goal;
  std::vector<SetCounts> old;
  SetCounts fresh;

  int pods() const { return desired(old) + fresh.desired; }
  int available() const {
    int n = fresh.available;
    for (const SetCounts& set : old) n += set.available;
    return n;
  }
  /// One look of the controller; false if it changed nothing. As ReplicaSets do, unavailable pods go first.
  bool step() {
    if (const int size = next_size_of_new(goal, old, fresh); size != fresh.desired) {
      fresh.desired = size;
      fresh.available = std::min(fresh.available, size);
      return true;
    }
    const std::vector<int> sizes = next_sizes_of_old(goal, old, fresh);
    bool changed = false;
    for (std::size_t i = 0; i < old.size(); ++i) {
      changed |= sizes[i] != old[i].desired;
      old[i].desired = sizes[i];
      old[i].available = std::min(old[i].available, sizes[i]);
    }
    return changed;
  }
};

TEST(RolloutGoal, NeverStandsStill) {
  EXPECT_EQ(RolloutGoal::rolling(4, 0, 0).max_unavailable, 1);
  EXPECT_EQ(RolloutGoal::rolling(2, 1, 5).max_unavailable, 2);
  EXPECT_EQ(RolloutGoal::rolling(0, 1, 1).most_pods(), 0);
}

TEST(Rollout, StepsOfAQuarter) {
  World world{RolloutGoal::rolling(4, 1, 1), {{4, 4}}, {}};
  std::vector<std::pair<int, int>> seen;
  for (int i = 0; i < 20 && (world.old[0].desired > 0 || world.fresh.available < 4); ++i) {
    if (!world.step()) ++world.fresh.available;
    seen.emplace_back(world.old[0].desired, world.fresh.desired);
  }
  const std::vector<std::pair<int, int>> expected{{4, 1}, {3, 1}, {3, 2}, {3, 2}, {2, 2}, {2, 3},
                                                  {2, 3}, {1, 3}, {1, 4}, {1, 4}, {0, 4}, {0, 4}};
  EXPECT_EQ(seen, expected);
}

/// Every small rollout, with every order in which pods become available: the limits hold at each step that
/// starts within them, and once all new pods serve the rollout ends.
TEST(Rollout, LimitsHoldInEverySmallRollout) {
  int worlds = 0;
  for (int replicas = 0; replicas <= 5; ++replicas) {
    for (int surge = 0; surge <= 3; ++surge) {
      for (int unavailable = 0; unavailable <= 3; ++unavailable) {
        for (int oldest = 0; oldest <= replicas; ++oldest) {
          for (unsigned order = 0; order < 256; order += 17) {
            ++worlds;
            World world{RolloutGoal::rolling(replicas, surge, unavailable),
                        {{oldest, oldest}, {replicas - oldest, replicas - oldest}},
                        {}};
            unsigned chance = order;
            for (int i = 0; i < 200; ++i) {
              const int available_before = world.available();
              const bool changed = world.step();
              ASSERT_LE(world.pods(), world.goal.replicas + surge);
              ASSERT_GE(world.available(), std::min(available_before, world.goal.fewest_available()));
              const bool becomes = !changed || (chance & 1) != 0;
              chance >>= 1;
              if (becomes && world.fresh.available < world.fresh.desired) ++world.fresh.available;
            }
            ASSERT_EQ(desired(world.old), 0) << replicas << surge << unavailable << oldest;
            ASSERT_EQ(world.fresh.available, replicas);
          }
        }
      }
    }
  }
  EXPECT_GT(worlds, 5000);
}

TEST(Rollout, PodsThatNeverServeStopIt) {
  World world{RolloutGoal::rolling(4, 1, 1), {{4, 4}}, {}};
  while (world.step()) {
  }
  EXPECT_EQ(world.fresh.desired, 2);
  EXPECT_EQ(world.old[0].desired, 3);
  // Back to the old template: the broken set is now the old one and its pods go first.
  World back{world.goal, {{2, 0}}, {3, 3}};
  EXPECT_EQ(next_size_of_new(back.goal, back.old, back.fresh), 3);
  EXPECT_EQ(next_sizes_of_old(back.goal, back.old, back.fresh), (std::vector<int>{0}));
}

TEST(ProportionalSizes, KeepSharesAndSpendEverything) {
  // 10 replicas with surge 3 are at 8 old, 5 new when the Deployment grows to 15 (the example of the
  // Kubernetes documentation).
  EXPECT_EQ(proportional_sizes(RolloutGoal::rolling(15, 3, 2), {{8, 8, 13}, {5, 0, 13}}),
            (std::vector<int>{11, 7}));
  EXPECT_EQ(proportional_sizes(RolloutGoal::rolling(5, 3, 2), {{8, 8, 13}, {5, 0, 13}}),
            (std::vector<int>{5, 3}));
  EXPECT_EQ(proportional_sizes(RolloutGoal::rolling(0, 3, 2), {{8, 8, 13}, {5, 0, 13}}),
            (std::vector<int>{0, 0}));
  for (int a = 1; a < 8; ++a) {
    for (int b = 1; b < 8; ++b) {
      for (int to = 1; to < 20; ++to) {
        const RolloutGoal goal = RolloutGoal::rolling(to, 1, 1);
        const auto sizes = proportional_sizes(goal, {{a, a, a + b}, {b, b, a + b}});
        ASSERT_EQ(sizes[0] + sizes[1], goal.most_pods()) << a << " " << b << " " << to;
        ASSERT_TRUE(sizes[0] >= 0 && sizes[1] >= 0);
      }
    }
  }
}

}  // namespace
}  // namespace serin::local
