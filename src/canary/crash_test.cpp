#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "canary/machine.h"
#include "canary/model_world.h"

/// Whoever takes over from a controller that has died comes to the same end.
namespace serin::canary {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;

/// What people were told of steps taken, without what they are told while something is waited for or asked.
std::vector<std::string> announced(const ModelWorld& world) {
  std::vector<std::string> told = world.alerts;
  std::ranges::copy(world.texts(), std::back_inserter(told));
  std::erase_if(told, [](const std::string& text) {
    return std::ranges::any_of(std::array{"Starting canary analysis", "traffic increase", "Nothing to",
                                          "check gate passed", "test passed", "Routes of"},
                               [&](const char* part) { return text.contains(part); });
  });
  std::ranges::sort(told);
  return told;
}

/// Plays a story with the controller killed after its n-th action, for every n, and wants the same end, and
/// everything told once (scenario 60).
template <class Story, class Check>
void survives_a_crash_anywhere(Story story, Check check) {
  ModelWorld calm = story(-1);
  check(calm);
  ASSERT_GT(calm.actions, 10);
  for (int n = 0; n < calm.actions; ++n) {
    SCOPED_TRACE(testing::Message() << "killed after action " << n);
    ModelWorld world = story(n);
    check(world);
    EXPECT_THAT(world.violations, IsEmpty());
    EXPECT_EQ(announced(world), announced(calm));
  }
}

// A hook may be called again if the controller dies before its answer is recorded, but never not at all.
TEST(Crash, PostRolloutHooksAreCalled) {
  for (const bool bad : {false, true}) {
    survives_a_crash_anywhere(
        [bad](int crash_at) {
          Spec spec = gated(HookType::post_rollout);
          ModelWorld world = initialized(spec);
          world.crash_at = crash_at;
          int calls = 0;
          world.before = [&calls](const Action& action) {
            const auto* call = std::get_if<CallHook>(&action);
            if (call && call->hook.name == "gate") ++calls;
          };
          if (bad) world.check = [] { return "Halt"; };
          world.push("B");
          world.settle();
          world.before = nullptr;
          EXPECT_GE(calls, 1);
          EXPECT_LE(calls, crash_at < 0 ? 1 : 2);
          EXPECT_TRUE(world.saw("Post-rollout check gate passed"));
          return world;
        },
        [bad](const ModelWorld& world) {
          EXPECT_EQ(world.status.phase, bad ? Phase::failed : Phase::succeeded);
          EXPECT_FALSE(world.status.outcome_pending);
        });
  }
}

TEST(Crash, BlueGreenEndsTheSame) {
  survives_a_crash_anywhere(
      [](int crash_at) {
        ModelWorld world = initialized(iterated(2));
        world.crash_at = crash_at;
        world.push("B");
        world.settle();
        return world;
      },
      [](const ModelWorld& world) {
        EXPECT_EQ(world.status.phase, Phase::succeeded);
        EXPECT_EQ(world.primary.revision, "B");
        EXPECT_EQ(world.routes, (Routes{100, 0}));
        EXPECT_EQ(world.target.wanted, 0);
      });
}

// Scenarios 5 and 6, probe 7.
TEST(Crash, APromotionEndsTheSame) {
  survives_a_crash_anywhere(
      [](int crash_at) {
        ModelWorld world = initialized();
        world.crash_at = crash_at;
        int copies = 0;
        world.before = [&copies, id = std::string(), &world](const Action& action) mutable {
          const auto* copy = std::get_if<Promote>(&action);
          if (copy && copy->id != world.primary.id) ++copies;
        };
        world.push("B");
        world.settle();
        world.before = nullptr;
        EXPECT_EQ(copies, 1) << "the primary was rolled more than once";
        return world;
      },
      [](const ModelWorld& world) {
        EXPECT_EQ(world.status.phase, Phase::succeeded);
        EXPECT_EQ(world.status.last_promoted, "B");
        EXPECT_EQ(world.primary.revision, "B");
        EXPECT_EQ(world.target.wanted, 0);
        EXPECT_EQ(world.routes, (Routes{100, 0}));
      });
}

TEST(Crash, ARollbackEndsTheSame) {
  survives_a_crash_anywhere(
      [](int crash_at) {
        ModelWorld world = initialized();
        world.crash_at = crash_at;
        world.check = [] { return "Halt"; };
        world.push("B");
        world.settle();
        return world;
      },
      [](const ModelWorld& world) {
        EXPECT_EQ(world.status.phase, Phase::failed);
        EXPECT_EQ(world.status.last_applied, "B");
        EXPECT_EQ(world.primary.revision, "A");
        EXPECT_EQ(world.target.wanted, 0);
        EXPECT_EQ(world.routes, (Routes{100, 0}));
      });
}

TEST(Crash, ABootstrapEndsTheSame) {
  survives_a_crash_anywhere(
      [](int crash_at) {
        ModelWorld world(podinfo());
        world.crash_at = crash_at;
        world.settle();
        return world;
      },
      [](const ModelWorld& world) {
        EXPECT_EQ(world.status.phase, Phase::initialized);
        EXPECT_EQ(world.status.last_promoted, "A");
        EXPECT_EQ(world.primary.revision, "A");
        EXPECT_EQ(world.target.wanted, 0);
      });
}

// Probe 8: killed on the way of a promotion whose primary is broken.
TEST(Crash, AFailedPromotionEndsTheSame) {
  survives_a_crash_anywhere(
      [](int crash_at) {
        ModelWorld world = initialized();
        world.crash_at = crash_at;
        world.push("broken-as-primary-B");
        world.settle();
        return world;
      },
      [](const ModelWorld& world) {
        EXPECT_EQ(world.status.phase, Phase::failed);
        EXPECT_EQ(world.primary.revision, "A");
        EXPECT_EQ(world.primary.ready, 2);
        EXPECT_EQ(world.routes, (Routes{100, 0}));
      });
}

TEST(Crash, ADeletionEndsTheSame) {
  survives_a_crash_anywhere(
      [](int crash_at) {
        ModelWorld world = initialized();
        world.push("B");
        world.settle(15s);
        world.crash_at = world.actions + crash_at;
        const int start = world.actions;
        world.deleting = true;
        world.settle();
        world.actions -= start - 12;  // the story counts its own actions, and some must remain
        return world;
      },
      [](const ModelWorld& world) {
        EXPECT_TRUE(world.gone);
        EXPECT_EQ(world.target.ready, 2);
      });
}

// --- The other strategies, gates and commands

Spec ab_test() {
  Spec spec = iterated(3);
  spec.match = Json::array({Json::object({{"headers", Json::object()}})});
  return spec;
}

/// The story of one release of revision B, or of `revision`.
struct Release {
  Spec spec;
  bool bad = false;  ///< its checks fail
  std::string revision = "B";
  Capabilities capabilities = {};
  std::function<void(ModelWorld&)> prepare = [](ModelWorld&) {};

  ModelWorld operator()(int crash_at) const {
    ModelWorld world = initialized(spec);
    world.capabilities = capabilities;
    if (bad) world.check = [] { return "Halt"; };
    prepare(world);
    world.crash_at = crash_at;
    world.push(revision);
    world.settle();
    return world;
  }
};

void expect_promoted(const ModelWorld& world) {
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.status.last_promoted, world.target.revision);
  EXPECT_EQ(world.primary.revision, world.target.revision);
  EXPECT_EQ(world.routes, (Routes{100, 0}));
  EXPECT_EQ(world.target.wanted, 0);
}

void expect_rolled_back(const ModelWorld& world) {
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(world.primary.revision, "A");
  EXPECT_EQ(world.routes, (Routes{100, 0}));
  EXPECT_EQ(world.target.wanted, 0);
}

TEST(Crash, AnABTestEndsTheSame) {
  survives_a_crash_anywhere(Release{.spec = ab_test(), .capabilities = {.matches = true}}, expect_promoted);
  survives_a_crash_anywhere(Release{.spec = ab_test(), .bad = true, .capabilities = {.matches = true}},
                            expect_rolled_back);
}

TEST(Crash, BlueGreenEndsTheSameAlsoWhenItFailsOrMirrors) {
  survives_a_crash_anywhere(Release{.spec = iterated(2), .bad = true}, expect_rolled_back);
  Spec mirrored = iterated(2);
  mirrored.mirror = true;
  survives_a_crash_anywhere(Release{.spec = mirrored, .capabilities = {.mirrors = true}}, expect_promoted);
}

TEST(Crash, ASkippedAnalysisEndsTheSame) {
  Spec spec = podinfo();
  spec.skip_analysis = true;
  survives_a_crash_anywhere(Release{.spec = spec}, expect_promoted);
}

TEST(Crash, APromotionInStepsEndsTheSame) {
  Spec spec = podinfo();
  spec.step_weight_promotion = 20;
  survives_a_crash_anywhere(Release{.spec = spec}, expect_promoted);
}

TEST(Crash, GatesEndTheSame) {
  for (const HookType type :
       {HookType::confirm_rollout, HookType::confirm_traffic_increase, HookType::confirm_promotion}) {
    const auto close = [](ModelWorld& world) { open_after(world, 2); };
    survives_a_crash_anywhere(Release{.spec = gated(type), .prepare = close}, expect_promoted);
  }
}

/// B is pushed, and C when B has a weight of 40.
TEST(Crash, ARestartEndsTheSame) {
  const auto push_another = [](ModelWorld& world) {
    world.before = [&world, done = false](const Action&) mutable {
      if (world.status.canary_weight == 40 && !std::exchange(done, true)) world.push("C");
    };
  };
  survives_a_crash_anywhere(
      [&](int crash_at) {
        ModelWorld world = initialized();
        push_another(world);
        world.crash_at = crash_at;
        world.push("B");
        world.settle();
        world.before = nullptr;
        return world;
      },
      [](const ModelWorld& world) {
        expect_promoted(world);
        EXPECT_EQ(world.primary.revision, "C");
      });
}

TEST(Crash, ACommandIsCarriedOut) {
  for (const Command::Verb verb : {Command::Verb::rollback, Command::Verb::promote}) {
    survives_a_crash_anywhere(
        [&](int crash_at) {
          ModelWorld world = initialized();
          world.push("B");
          world.settle(15s);
          const int start = world.actions;
          if (crash_at >= 0) world.crash_at = start + crash_at;
          world.command = {.verb = verb, .by = " by ann"};
          world.settle();
          world.actions -= start - 12;  // the story counts its own actions, and some must remain
          return world;
        },
        [&](const ModelWorld& world) {
          EXPECT_FALSE(world.command.verb);
          verb == Command::Verb::rollback ? expect_rolled_back(world) : expect_promoted(world);
        });
  }
}

// --- Suspended

// Scenario 47: for an hour, after any action, while somebody sets the routes and a Service of his own.
TEST(Suspended, AnywhereForAnHourARunIsOnlyDelayed) {
  const ModelWorld calm = Release{.spec = podinfo()}(-1);
  for (int n = 0; n < calm.actions; ++n) {
    SCOPED_TRACE(testing::Message() << "suspended after action " << n);
    ModelWorld world = initialized();
    world.before = [&world, n](const Action&) {
      world.spec.suspend = world.spec.suspend || world.actions == n;
    };
    world.push("B");
    world.settle();
    world.before = nullptr;
    const Status before = world.status;
    const bool both_serve = world.target.ready > 0 && world.primary.ready > 0;
    if (both_serve) world.routes = Routes{70, 30};
    world.settle(1h);
    EXPECT_EQ(world.status, before) << "suspended means nothing happens";
    EXPECT_EQ(world.routes == (Routes{70, 30}), both_serve);
    world.spec.suspend = false;
    world.settle();
    expect_promoted(world);
    EXPECT_EQ(world.primary.revision, "B");
    EXPECT_THAT(world.violations, IsEmpty());
  }
}

}  // namespace
}  // namespace serin::canary
