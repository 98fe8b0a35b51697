#include "canary/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "canary/affinity.h"
#include "canary/model_world.h"
#include "canary/strategy.h"

namespace serin::canary {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Machine, Bootstraps) {
  ModelWorld world(podinfo());
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::initialized);
  EXPECT_EQ(world.status.last_applied, "A");
  EXPECT_EQ(world.status.last_promoted, "A");
  EXPECT_EQ(world.routes, (Routes{100, 0}));
  EXPECT_EQ(world.target.wanted, 0);
  EXPECT_EQ(world.primary.ready, 2);
  EXPECT_THAT(world.texts(), ElementsAre("Initialization done! podinfo.test"));
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Machine, Promotes) {
  ModelWorld world = initialized();
  world.push("B");
  world.settle();
  EXPECT_THAT(
      world.texts(),
      ElementsAre("New revision detected! Scaling up podinfo.test",
                  "Starting canary analysis for podinfo.test", "Pre-rollout check acceptance-test passed",
                  "Advance podinfo.test canary weight 20", "Advance podinfo.test canary weight 40",
                  "Advance podinfo.test canary weight 60",
                  "Copying podinfo.test template spec to podinfo-primary.test",
                  "Routing all traffic to primary", "Promotion completed! Scaling down podinfo.test"));
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.status.last_promoted, "B");
  EXPECT_EQ(world.primary.revision, "B");
  EXPECT_EQ(world.routes, (Routes{100, 0}));
  EXPECT_EQ(world.target.wanted, 0);
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Machine, RollsBackAtTheThreshold) {
  ModelWorld world = initialized();
  world.check = [] { return "Halt podinfo.test advancement success rate 69.17% < 99%"; };
  world.push("B");
  world.settle();
  const std::string halt = "Halt podinfo.test advancement success rate 69.17% < 99%";
  EXPECT_THAT(world.texts(),
              ElementsAre("New revision detected! Scaling up podinfo.test",
                          "Starting canary analysis for podinfo.test",
                          "Pre-rollout check acceptance-test passed", "Advance podinfo.test canary weight 20",
                          halt, halt, halt, "Rolling back podinfo.test failed checks threshold reached 3",
                          "Canary failed! Scaling down podinfo.test"));
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(world.status.last_applied, "B");
  EXPECT_EQ(world.status.last_promoted, "A");
  EXPECT_EQ(world.primary.revision, "A");
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Machine, RestartsForANewerRevision) {
  ModelWorld world = initialized();
  world.push("B");
  world.before = [&](const Action& action) {
    const auto* set = std::get_if<SetRoutes>(&action);
    if (set && set->routes.canary == 40 && world.target.revision == "B") world.push("C");
  };
  world.settle();
  EXPECT_TRUE(world.saw("New revision detected! Restarting analysis for podinfo.test"));
  EXPECT_EQ(world.primary.revision, "C");
  EXPECT_EQ(world.status.last_promoted, "C");
  EXPECT_THAT(world.violations, IsEmpty());
}

// Probe 1: the promoted revision is broken as primary; then the fix is pushed.
TEST(Machine, AFailedPromotionKeepsServingAndLetsTheFixPass) {
  ModelWorld world = initialized();
  world.push("broken-as-primary-B");
  world.settle();
  EXPECT_TRUE(world.saw("Promotion of podinfo.test failed, primary not ready"));
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(world.primary.revision, "A") << "the primary has its previous template back";
  EXPECT_EQ(world.routes, (Routes{100, 0}));
  world.push("C");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.primary.revision, "C");
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Machine, AFixReplacesAPrimaryWhoseEarlierTemplateIsLost) {
  ModelWorld world = initialized();
  world.keeps_history = false;
  world.push("broken-as-primary-B");
  world.settle(10min);
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(world.routes, (Routes{0, 100}));
  EXPECT_TRUE(world.saw("repair it by hand"));
  world.push("C");
  world.settle();
  EXPECT_TRUE(world.saw("promoting podinfo.test without analysis"));
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.status.last_promoted, "C");
  EXPECT_EQ(world.primary.revision, "C");
  EXPECT_EQ(world.routes, (Routes{100, 0}));
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Machine, APrimaryThatIsDeletedIsMadeAnewAndSaidToBe) {
  ModelWorld world = initialized();
  world.primary = {};
  world.settle(1min);
  EXPECT_TRUE(world.saw("podinfo-primary.test is gone, making it anew from podinfo.test"));
  EXPECT_FALSE(world.saw("has not been promoted"));
  EXPECT_EQ(world.primary.revision, "A");
  world.push("B");
  world.before = [&](const Action& action) {
    const auto* saved = std::get_if<SaveStatus>(&action);
    if (saved && saved->status.canary_weight == 40) world.primary = {};
  };
  world.settle(1min);
  EXPECT_TRUE(world.saw("making it anew from podinfo.test, whose revision has not been promoted"));
}

// Probe 2 and scenario 36.
TEST(Machine, NothingStartsWhileThePrimaryIsScaledToZero) {
  ModelWorld world = initialized();
  world.primary.wanted = world.primary.ready = 0;
  world.push("B");
  world.settle(1min);
  EXPECT_TRUE(world.saw("halt podinfo.test advancement: primary deployment is scaled to zero"));
  EXPECT_EQ(world.status.phase, Phase::initialized);
  world.primary.wanted = 2;
  world.settle();
  EXPECT_EQ(world.primary.revision, "B");
}

// Probe 3 and scenario 17.
TEST(Machine, ARevisionPushedWhileThePrimaryIsUnreadyIsNotForgotten) {
  ModelWorld world = initialized();
  world.check = [] { return "Halt"; };
  world.push("B");
  world.settle();
  ASSERT_EQ(world.status.phase, Phase::failed);
  world.check = [] { return ""; };
  world.primary.ready = 1;
  world.push("C");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.status.last_promoted, "C");
}

// Probe 4, scenarios 26 and 27.
TEST(Machine, StepsNeverJump) {
  Spec spec = podinfo();
  spec.step_weight = 0;
  spec.step_weights = {1, 5, 10, 50};
  struct Case {
    int weight, next;
  };
  for (const auto& [weight, next] :
       {Case{0, 1}, Case{1, 5}, Case{2, 5}, Case{7, 10}, Case{10, 50}, Case{50, 50}, Case{93, 93}}) {
    EXPECT_EQ(next_weight(spec, weight), next) << weight;
  }
  spec = podinfo();
  spec.max_weight = 50;
  for (const auto& [weight, next] : {Case{0, 20}, Case{40, 50}, Case{50, 50}, Case{60, 60}}) {
    EXPECT_EQ(next_weight(spec, weight), next) << weight;
  }
}

TEST(Machine, EveryStepKnowsTheOneBefore) {
  Spec spec = podinfo();
  spec.max_weight = 50;
  struct Case {
    int weight, before;
  };
  for (const auto& [weight, before] : {Case{0, 0}, Case{20, 0}, Case{30, 20}, Case{50, 40}, Case{100, 50}})
    EXPECT_EQ(weight_before(spec, weight), before) << weight;
  spec.step_weight = 0;
  spec.step_weights = {1, 5, 10};
  for (const auto& [weight, before] : {Case{1, 0}, Case{5, 1}, Case{10, 5}, Case{100, 10}})
    EXPECT_EQ(weight_before(spec, weight), before) << weight;
  spec.step_weights.clear();
  EXPECT_EQ(weight_before(spec, 100), 0) << "blue/green has no steps";
}

// Probe 5 and scenario 16.
TEST(Machine, RevertingToThePromotedRevisionCancelsTheRun) {
  ModelWorld world = initialized();
  const std::string id = world.primary.id;
  world.push("B");
  world.before = [&](const Action& action) {
    const auto* set = std::get_if<SetRoutes>(&action);
    if (set && set->routes.canary == 40) world.push("A");
  };
  world.settle();
  EXPECT_TRUE(world.saw("Promoted revision restored! Cancelling analysis for podinfo.test"));
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.status.last_applied, "A");
  EXPECT_EQ(world.status.last_promoted, "A");
  EXPECT_EQ(world.primary.id, id) << "the primary was not touched";
  EXPECT_EQ(world.target.wanted, 0);
  EXPECT_FALSE(world.saw("Copying"));
  EXPECT_THAT(world.violations, IsEmpty());
}

// The image is as it was promoted, the configs are not: that is a revision which nobody has analysed.
TEST(Machine, RevertingTheImageAloneReleasesTheChangedConfig) {
  ModelWorld world = initialized();
  const std::string id = world.primary.id;
  world.configs = {{"configmap/colors", "2"}};
  world.push("B");
  world.before = [&](const Action& action) {
    const auto* set = std::get_if<SetRoutes>(&action);
    if (set && set->routes.canary == 40) world.push("A");
  };
  world.settle();
  EXPECT_FALSE(world.saw("Cancelling"));
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.primary.revision, "A");
  EXPECT_NE(world.primary.id, id) << "it was promoted with the new config";
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Machine, ATargetThatIsDeletedInItsRunLosesItsTraffic) {
  ModelWorld world = initialized();
  world.push("B");
  world.before = [&](const Action& action) {
    const auto* saved = std::get_if<SaveStatus>(&action);
    if (saved && saved->status.canary_weight == 40) {
      world.target.exists = false;
      world.target.ready = 0;
    }
  };
  world.settle(std::chrono::minutes(5));
  EXPECT_EQ(world.routes, Routes{});
  EXPECT_EQ(world.status.canary_weight, 0);
  EXPECT_TRUE(world.saw("no ready pods, routing all traffic to primary"));
  world.before = nullptr;
  world.target.exists = true;
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded) << "it is there again";
}

TEST(Machine, APrimaryThatIsScaledToZeroInItsPromotionIsScaledUp) {
  ModelWorld world = initialized();
  world.push("B");
  bool off = false;
  world.before = [&](const Action& action) {
    if (!std::holds_alternative<Promote>(action) || std::exchange(off, true)) return;
    world.primary.wanted = world.primary.ready = 0;
  };
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_GT(world.primary.ready, 0);
  EXPECT_LT(world.actions, 400) << "it waits, and does not go round in circles";
}

TEST(Machine, ARollbackScalesUpAPrimaryThatIsOff) {
  ModelWorld world = initialized();
  world.push("B");
  world.check = [&] {
    if (world.status.failed_checks == 1) world.primary.wanted = world.primary.ready = 0;
    return std::string("Halt success rate 10.00% < 99%");
  };
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(world.routes, Routes{});
  EXPECT_GT(world.primary.ready, 0);
}

TEST(Machine, AFixReplacesAPrimaryThatCannotStartWithItsEarlierTemplateEither) {
  ModelWorld world = initialized();
  world.push("broken-as-primary");
  world.before = [&](const Action& action) {
    if (!std::holds_alternative<ForgetEarlierConfigs>(action) && world.primary.id == "restored") {
      world.primary.broken = world.primary.revision == "A";
      if (world.primary.broken) world.primary.ready = 0;
    }
  };
  world.settle(std::chrono::hours(1));
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(world.routes, (Routes{0, 100})) << "the canary serves";
  world.before = nullptr;
  world.push("C");
  world.settle();
  EXPECT_TRUE(world.saw("cannot start with its earlier template either: promoting podinfo.test"));
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.primary.revision, "C");
  EXPECT_EQ(world.routes, Routes{});
}

// Probe 6 and scenario 14: C arrives after the copy.
TEST(Machine, ARevisionPushedWhilePromotingGetsNoTrafficUnanalysed) {
  ModelWorld world = initialized();
  world.push("B");
  bool pushed = false;
  world.before = [&](const Action& action) {
    if (!pushed && std::holds_alternative<Promote>(action)) return;
    if (!pushed && world.status.phase == Phase::promoting && world.primary.revision == "B") {
      pushed = true;
      world.push("C");
    }
  };
  world.settle();
  ASSERT_TRUE(pushed);
  EXPECT_EQ(world.status.last_promoted, "C");
  EXPECT_EQ(world.primary.revision, "C");
  int starts = 0;
  for (const std::string& text : world.texts()) starts += text.starts_with("Starting canary analysis");
  EXPECT_EQ(starts, 2);
  EXPECT_THAT(world.violations, IsEmpty());
}

// Probe 9 and scenario 15: the target changes while the promotion gate is answering.
TEST(Machine, OnlyTheAnalysedTemplateIsPromoted) {
  Spec spec = podinfo();
  Webhook gate;
  gate.name = "gate";
  gate.type = HookType::confirm_promotion;
  spec.webhooks.push_back(gate);
  ModelWorld world = initialized(spec);
  world.push("B");
  std::vector<std::string> promoted;
  world.answer = [&](const Webhook& hook) {
    if (hook.name == "gate" && world.target.revision == "B") world.push("C");
    return std::string();
  };
  world.before = [&](const Action& action) {
    if (const auto* copy = std::get_if<Promote>(&action)) promoted.push_back(copy->revision);
  };
  world.settle();
  EXPECT_THAT(promoted, ElementsAre("C"));
  EXPECT_TRUE(world.saw("Restarting analysis"));
}

// Probe 10: a canary that never becomes ready.
TEST(Machine, ADeadlineRollbackSaysSo) {
  ModelWorld world = initialized();
  world.push("B", true);
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_TRUE(world.saw(
      "Rolling back podinfo.test progress deadline exceeded canary deployment podinfo.test not ready"));
  EXPECT_TRUE(world.saw("Canary failed! Scaling down podinfo.test"));
  EXPECT_THAT(world.violations, IsEmpty());
}

// Scenario 18.
TEST(Machine, AfterAFailureTheSameImageIsTriedAgainOnlyAfterARevert) {
  ModelWorld world = initialized();
  world.check = [] { return "Halt"; };
  world.push("B");
  world.settle();
  world.events.clear();
  world.push("A");
  world.settle();
  EXPECT_THAT(world.texts(), IsEmpty());
  world.push("B");
  world.settle();
  EXPECT_TRUE(world.saw("New revision detected! Scaling up podinfo.test"));
}

// Scenario 20.
TEST(Machine, AChangedConfigIsARevision) {
  ModelWorld world = initialized();
  world.configs = {{"configmap/podinfo-config", "f234cb93c08ad64e"}};
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.status.tracked_configs, world.configs);
  EXPECT_TRUE(world.saw("Promotion completed!"));
}

// Scenario 40.
TEST(Machine, ATargetScaledUpAtRestIsScaledDownAgain) {
  ModelWorld world = initialized();
  world.target.wanted = 3;
  world.settle();
  EXPECT_EQ(world.target.wanted, 0);
  EXPECT_THAT(world.texts(), IsEmpty());
}

// Scenario 43.
TEST(Machine, DeletionLeavesTheWorkloadServing) {
  for (const bool in_run : {false, true}) {
    ModelWorld world = initialized();
    if (in_run) {
      world.push("B");
      world.settle(15s);
      ASSERT_EQ(world.status.phase, Phase::progressing);
    }
    world.deleting = true;
    world.settle();
    EXPECT_TRUE(world.gone);
    EXPECT_EQ(world.target.ready, 2);
    EXPECT_TRUE(world.saw("Terminated canary podinfo.test"));
    EXPECT_THAT(world.violations, IsEmpty());
  }
}

TEST(Machine, DeletionEndsWithoutATarget) {
  ModelWorld world = initialized();
  world.target = {};
  world.deleting = true;
  world.settle();
  EXPECT_TRUE(world.gone);
}

// Scenario 46.
TEST(Machine, ABrokenBootstrapIsMendedByACorrectedTarget) {
  ModelWorld world(podinfo());
  world.push("broken", true);
  world.settle(2min);
  EXPECT_EQ(world.status.phase, Phase::initializing);
  EXPECT_EQ(world.target.wanted, 2) << "the user's pods stay";
  world.push("A");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::initialized);
  EXPECT_EQ(world.primary.revision, "A");
}

// Scenario 47.
TEST(Machine, SuspendedMeansNothingHappens) {
  ModelWorld world = initialized();
  world.spec.suspend = true;
  world.push("B");
  world.settle();
  EXPECT_THAT(world.texts(), ElementsAre("skipping canary run as object is suspended"));
  world.spec.suspend = false;
  world.settle();
  EXPECT_EQ(world.status.last_promoted, "B");
}

TEST(Machine, SkippedAnalysisWaitsForThePrimary) {
  Spec spec = podinfo();
  spec.skip_analysis = true;
  ModelWorld world = initialized(spec);
  world.push("B");
  world.settle();
  EXPECT_THAT(world.texts(),
              ElementsAre("New revision detected! Scaling up podinfo.test",
                          "Copying podinfo.test template spec to podinfo-primary.test",
                          "Promotion completed! Canary analysis was skipped for podinfo.test"));
  EXPECT_EQ(world.primary.revision, "B");
}

// --- what goes wrong meanwhile

// Scenario 1 with spec.skipAnalysis.
TEST(Machine, ASkippedAnalysisDoesNotSendTrafficToABrokenPrimary) {
  Spec spec = podinfo();
  spec.skip_analysis = true;
  ModelWorld world = initialized(spec);
  world.push("broken-as-primary");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_TRUE(world.saw("not ready: no ready pods, routing all traffic to canary"));
  EXPECT_EQ(world.primary.revision, "A");
  EXPECT_EQ(world.routes, (Routes{100, 0}));
}

// Scenario 8.
TEST(Machine, ARollbackWaitsForAShrunkenPrimaryToGrow) {
  Spec spec = podinfo();
  spec.max_weight = 90;
  spec.step_weight = 45;
  ModelWorld world = initialized(spec);
  world.check = [&] {
    if (world.status.canary_weight < 90) return std::string();
    world.primary.wanted = world.primary.ready = 1;
    return std::string("Halt bad");
  };
  int ready_at_rollback = -1;
  world.before = [&](const Action& action) {
    const auto* set = std::get_if<SetRoutes>(&action);
    if (set && set->routes.canary == 0) ready_at_rollback = world.primary.ready;
  };
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(ready_at_rollback, 2);
}

// Scenario 28.
TEST(Machine, SomebodyElseWhoKeepsChangingTheRoutesIsNamedAndEndsTheRun) {
  ModelWorld world = initialized();
  world.push("B");
  world.check = [&] {
    if (world.status.canary_weight == 20) world.routes = Routes{70, 30};
    return std::string();
  };
  world.settle();
  EXPECT_TRUE(world.saw("were changed to 70/30 by somebody else, setting them back to 80/20"));
  EXPECT_TRUE(world.saw("Rolling back podinfo.test somebody else keeps changing its routes"));
  EXPECT_EQ(world.status.phase, Phase::failed);
}

/// The hashes of the status as another controller has written them.
void taken_over(ModelWorld& world) {
  world.foreign_hashes = true;
  world.status.last_applied = "55949955d8";
  world.status.last_promoted = "55949955d8";
  world.events.clear();
}

// Scenario 24.
TEST(Takeover, StartsNoRunAtRest) {
  ModelWorld world = initialized();
  taken_over(world);
  world.settle();
  EXPECT_THAT(world.events, IsEmpty());
  EXPECT_EQ(world.status.last_applied, "A");
  EXPECT_EQ(world.status.last_promoted, "A");
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.last_promoted, "B");
}

TEST(Takeover, GoesOnInTheMiddleOfARun) {
  ModelWorld world = initialized();
  world.check = [&, done = false]() mutable {
    if (world.status.canary_weight == 40 && !std::exchange(done, true)) taken_over(world);
    return std::string();
  };
  world.push("B");
  world.settle();
  EXPECT_THAT(world.texts(), testing::Not(testing::Contains(testing::HasSubstr("Restarting analysis"))));
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.status.last_promoted, "B");
}

TEST(Takeover, DoesNotTryAFailedRevisionAgain) {
  ModelWorld world = initialized();
  world.check = [] { return std::string("Halt bad"); };
  world.push("B");
  world.settle();
  ASSERT_EQ(world.status.phase, Phase::failed);
  taken_over(world);
  world.settle();
  EXPECT_THAT(world.events, IsEmpty());
}

TEST(Takeover, ARevisionThatCameMeanwhileIsAnalysed) {
  ModelWorld world = initialized();
  taken_over(world);
  world.push("B");
  world.settle();
  EXPECT_EQ(world.primary.revision, "B");
  EXPECT_TRUE(world.saw("Advance podinfo.test canary weight 60"));
}

// Scenario 32.
TEST(Machine, AStepThatCannotBeRoutedHoldsAndIsRolledBackInTime) {
  ModelWorld world = initialized();
  world.refuse = [](const Action& action) {
    const auto* set = std::get_if<SetRoutes>(&action);
    return set && set->routes.canary >= 40 ? std::string("TrafficSplit podinfo.test update error: denied")
                                           : "";
  };
  world.push("B");
  world.settle();
  EXPECT_TRUE(world.saw("W Progressing TrafficSplit podinfo.test update error: denied"));
  EXPECT_TRUE(world.saw("Rolling back podinfo.test progress deadline exceeded TrafficSplit podinfo.test"));
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(world.routes, (Routes{100, 0}));
  EXPECT_THAT(world.violations, IsEmpty());
}

// Scenario 33.
TEST(Machine, StatusAndRoutesAgreeWhileARollbackDrains) {
  ModelWorld world = initialized();
  world.check = [&] { return world.status.canary_weight >= 40 ? std::string("Halt bad") : std::string(); };
  int weight = -1;
  world.before = [&](const Action& action) {
    if (std::holds_alternative<Drain>(action)) weight = world.status.canary_weight;
  };
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(weight, 0);
}

// Scenario 35.
TEST(Machine, ACanaryThatLosesItsPodsLosesItsTrafficAtOnce) {
  ModelWorld world = initialized();
  bool lost = false;
  world.check = [&] {
    if (world.status.canary_weight == 40 && !std::exchange(lost, true)) {
      world.target.ready = 0;
      world.target.broken = true;
    }
    return std::string();
  };
  world.before = [&](const Action&) {
    if (world.saw("no ready pods")) world.target.broken = false;
  };
  world.push("B");
  world.settle();
  EXPECT_TRUE(world.saw("no ready pods, routing all traffic to primary"));
  EXPECT_EQ(world.status.phase, Phase::succeeded);
}

// Scenario 41: somebody turns the canary off in its run, and the primary at rest.
TEST(Machine, ACanaryScaledToZeroInItsRunLosesItsTrafficFirst) {
  ModelWorld world = initialized();
  bool off = false;
  std::vector<std::string> order;
  world.check = [&] {
    if (world.status.canary_weight == 40 && !std::exchange(off, true))
      world.target.wanted = world.target.ready = 0;
    return std::string();
  };
  world.before = [&](const Action& action) {
    if (!off || order.size() == 2) return;
    if (std::holds_alternative<SetRoutes>(action)) order.push_back("route");
    if (std::holds_alternative<ScaleTarget>(action)) order.push_back("scale");
  };
  world.push("B");
  world.settle();
  EXPECT_THAT(order, ElementsAre("route", "scale"));
  EXPECT_TRUE(world.saw("it is scaled to zero: no ready pods, routing all traffic to primary"));
  EXPECT_EQ(world.status.phase, Phase::succeeded) << "the run starts over and ends well";
  EXPECT_EQ(world.primary.revision, "B");
}

TEST(Machine, APrimaryThatIsTurnedOffAtRestIsLeftAlone) {
  ModelWorld world = initialized();
  world.primary.wanted = world.primary.ready = 0;
  int writes = 0;
  world.before = [&](const Action& action) {
    writes += std::holds_alternative<SetRoutes>(action) || std::holds_alternative<ScaleTarget>(action) ||
              std::holds_alternative<SaveStatus>(action) || std::holds_alternative<GrowPrimary>(action);
  };
  world.settle(10min);
  EXPECT_EQ(world.primary.wanted, 0);
  world.primary.wanted = 2;
  world.settle(10min);
  EXPECT_EQ(writes, 0);
  EXPECT_THAT(world.events, IsEmpty());
  world.before = nullptr;
  world.push("B");
  world.settle();
  EXPECT_EQ(world.primary.revision, "B");
}

// Scenario 32: the route's API is gone, or a webhook of its refuses what the next step needs.
TEST(Machine, ARouteThatCannotBeWrittenHoldsTheRunAndEndsIt) {
  ModelWorld world = initialized();
  world.refuse = [&](const Action& action) -> std::string {
    const auto* set = std::get_if<SetRoutes>(&action);
    return set && set->routes.canary > 20 ? "TrafficSplit podinfo.test update error: denied" : "";
  };
  const base::MonoTime began = world.now;
  world.push("B");
  world.settle();
  EXPECT_TRUE(world.saw("W Progressing TrafficSplit podinfo.test update error: denied"));
  EXPECT_TRUE(world.saw("progress deadline exceeded TrafficSplit podinfo.test update error: denied"));
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(world.routes, (Routes{100, 0}));
  EXPECT_EQ(world.primary.revision, "A");
  EXPECT_LE(world.now - began, world.spec.progress_deadline + 2min);
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Machine, ARunWhoseRouteApiGoesEndsInTime) {
  ModelWorld world = initialized();
  bool gone = false;
  world.before = [&](const Action& action) {
    const auto* saved = std::get_if<SaveStatus>(&action);
    gone |= saved && saved->status.canary_weight == 40;
    if (gone) world.routes.reset();
  };
  world.refuse = [&](const Action& action) -> std::string {
    const bool is_route =
        std::holds_alternative<EnsureRoute>(action) || std::holds_alternative<SetRoutes>(action);
    return gone && is_route ? "the server could not find the requested resource" : "";
  };
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(world.target.wanted, 0);
  EXPECT_EQ(world.primary.revision, "A");
}

TEST(Machine, ARouteThatCanBeWrittenAgainInTimeHasOnlyCostTime) {
  ModelWorld world = initialized();
  int refusals = 5;
  world.refuse = [&](const Action& action) -> std::string {
    const auto* set = std::get_if<SetRoutes>(&action);
    return set && set->routes.canary == 40 && refusals-- > 0 ? "denied" : "";
  };
  world.push("B");
  world.settle();
  EXPECT_LT(refusals, 0);
  EXPECT_EQ(world.status.phase, Phase::succeeded);
}

// Scenario 42: a node is drained in the run; a PodDisruptionBudget lets one pod go at a time.
TEST(Machine, ADrainedNodeDelaysARunAndEndsNone) {
  ModelWorld world = initialized();
  int drained = 0;
  world.check = [&] {
    ModelWorld::Workload& one = drained % 2 == 0 ? world.primary : world.target;
    if (drained++ < 4) one.ready = 1;
    return std::string();
  };
  world.push("B");
  world.settle();
  EXPECT_GE(drained, 3);
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.status.failed_checks, 0);
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Machine, ChecksWithoutDataAreExcusedForAsLongAsTheSettingSays) {
  ModelWorld world = initialized();
  world.settings.unknown_grace = 35s;
  world.no_data = true;
  int asked = 0;
  world.check = [&] { return ++asked <= 3 ? std::string("Halt no values found") : std::string(); };
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.status.failed_checks, 0);
}

TEST(Machine, WhatThePrimaryFailsAsWellIsExcusedForAsLongAsTheSettingSays) {
  for (const auto& [grace, phase] : {std::pair(35s, Phase::succeeded), std::pair(0s, Phase::failed)}) {
    ModelWorld world = initialized();
    world.settings.shared_grace = grace;
    world.shared = true;
    int asked = 0;
    world.check = [&] {
      return ++asked <= 3 ? std::string("Halt success rate 10.00% < 99%") : std::string();
    };
    world.push("B");
    world.settle();
    EXPECT_EQ(world.status.phase, phase) << grace.count();
  }
}

TEST(Machine, WhatWasMeasuredIsInTheStatus) {
  ModelWorld world = initialized();
  world.results = {{.name = "request-success-rate", .value = 99.5, .limit = "at least 99%", .window = "1m"}};
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.checks, world.results);
  world.push("C");
  world.before = [&](const Action& action) {
    const auto* saved = std::get_if<SaveStatus>(&action);
    if (saved && saved->status.canary_weight == 20) EXPECT_THAT(saved->status.checks, IsEmpty());
  };
  world.settle();
}

TEST(Machine, ACanaryWithoutRequestsIsToldSoOnceARun) {
  ModelWorld world = initialized();
  world.no_data = true;
  world.results = {{.name = "request-success-rate",
                    .verdict = Verdict::unknown,
                    .text = "podinfo.test received no requests in the last 1m: send traffic to it",
                    .requests = 0}};
  world.check = [] { return std::string("Halt no values found"); };
  world.push("B");
  world.settle();
  const std::vector<std::string> texts = world.texts();
  EXPECT_EQ(std::ranges::count_if(
                texts, [](const std::string& text) { return text.contains("received no requests"); }),
            1);
  EXPECT_EQ(world.status.phase, Phase::failed);
}

TEST(Machine, CookiesAreStoredBeforeAnyRouteNamesThem) {
  Spec spec = podinfo();
  spec.session_affinity.emplace();
  spec.session_affinity->cookie_name = "flagger-cookie";
  spec.session_affinity->primary_cookie_name = "primary-cookie";
  ModelWorld world = initialized(spec);
  std::vector<std::string> cookies;
  world.before = [&](const Action& action) {
    if (std::holds_alternative<SetRoutes>(action)) cookies.push_back(world.status.affinity.canary);
  };
  world.push("B");
  world.settle();
  ASSERT_EQ(cookies.size(), 4u);
  EXPECT_THAT(cookies[0], testing::MatchesRegex("flagger-cookie=[a-zA-Z]{10}"));
  EXPECT_EQ(cookies[1], cookies[0]);
  EXPECT_EQ(cookies[3], "");
  EXPECT_EQ(world.status.affinity.previous, cookies[0]);
}

TEST(Machine, CookiesOfARunThatWasTakenOverStay) {
  const SessionAffinity wanted{.cookie_name = "user", .primary_cookie_name = "user-primary"};
  const Affinity present{.canary = "user=qQqQqQqQqQ", .primary = "=useless"};
  const Affinity kept = affinity_for(wanted, "u1", "B", present, true);
  EXPECT_EQ(kept.canary, "user=qQqQqQqQqQ");
  EXPECT_THAT(kept.primary, testing::MatchesRegex("user-primary=[a-zA-Z]{10}"));
  EXPECT_EQ(affinity_for(wanted, "u1", "B", kept, false).previous, "user=qQqQqQqQqQ");
}

}  // namespace
}  // namespace serin::canary
