#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "canary/model_world.h"

namespace serin::canary {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// --- strategies by iterations (spec 01 §6.2, §6.3)

/// Every route that was set in a story, as "primary/canary", with "+" while mirrored.
std::vector<std::string> record_routes(ModelWorld& world, std::vector<std::string>& routes) {
  world.before = [&routes](const Action& action) {
    if (const auto* set = std::get_if<SetRoutes>(&action)) {
      routes.push_back(std::to_string(set->routes.primary) + "/" + std::to_string(set->routes.canary) +
                       (set->routes.mirrored ? "+" : ""));
    }
  };
  return routes;
}

TEST(Strategies, ABTestingSendsTheMatchingRequestsToTheCanary) {
  Spec spec = iterated(3);
  spec.match = Json::array({Json::object({{"headers", Json::object()}})});
  ModelWorld world(spec);
  world.capabilities.matches = true;
  world.settle();
  world.events.clear();
  std::vector<std::string> routes;
  record_routes(world, routes);
  world.push("B");
  world.settle();
  EXPECT_THAT(
      world.texts(),
      ElementsAre("New revision detected! Scaling up podinfo.test",
                  "Starting canary analysis for podinfo.test", "Pre-rollout check acceptance-test passed",
                  "Advance podinfo.test canary iteration 1/3", "Advance podinfo.test canary iteration 2/3",
                  "Advance podinfo.test canary iteration 3/3",
                  "Copying podinfo.test template spec to podinfo-primary.test",
                  "Routing all traffic to primary", "Promotion completed! Scaling down podinfo.test"));
  EXPECT_THAT(routes, ElementsAre("0/100", "100/0"));
  EXPECT_THAT(world.alerts, ElementsAre("info New Deployment detected, initialization completed.",
                                        "info New revision detected, progressing canary analysis.",
                                        "info Canary analysis completed successfully, promotion finished."));
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Strategies, BlueGreenRoutesEverythingToTheCanaryBeforeItIsPromoted) {
  ModelWorld world = initialized(iterated(2));
  std::vector<std::string> routes;
  record_routes(world, routes);
  world.push("B");
  world.settle();
  EXPECT_THAT(
      world.texts(),
      ElementsAre("New revision detected! Scaling up podinfo.test",
                  "Starting canary analysis for podinfo.test", "Pre-rollout check acceptance-test passed",
                  "Advance podinfo.test canary iteration 1/2", "Advance podinfo.test canary iteration 2/2",
                  "Routing all traffic to canary",
                  "Copying podinfo.test template spec to podinfo-primary.test",
                  "Routing all traffic to primary", "Promotion completed! Scaling down podinfo.test"));
  EXPECT_THAT(routes, ElementsAre("0/100", "100/0"));
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Strategies, BlueGreenMirrorsWhereTheProviderCan) {
  Spec spec = iterated(2);
  spec.mirror = true;
  ModelWorld world(spec);
  world.capabilities.mirrors = true;
  world.settle();
  std::vector<std::string> routes;
  record_routes(world, routes);
  world.push("B");
  world.settle();
  EXPECT_TRUE(world.saw("Stop traffic mirroring and route all traffic to canary"));
  EXPECT_THAT(routes, ElementsAre("100/0+", "0/100", "100/0"));
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Strategies, AWeightedRunMirrorsFirst) {
  Spec spec = podinfo();
  spec.mirror = true;
  ModelWorld world(spec);
  world.capabilities.mirrors = true;
  world.settle();
  std::vector<std::string> routes;
  record_routes(world, routes);
  world.push("B");
  world.settle();
  EXPECT_TRUE(world.saw("Advance podinfo.test canary weight 0"));
  EXPECT_THAT(routes, ElementsAre("100/0+", "80/20", "60/40", "40/60", "100/0"));
  EXPECT_EQ(world.status.phase, Phase::succeeded);
}

TEST(Strategies, WithoutMirroringARunGoesOnAndSaysSo) {
  Spec spec = podinfo();
  spec.mirror = true;
  ModelWorld world = initialized(spec);
  world.push("B");
  world.settle();
  EXPECT_TRUE(world.saw("traffic mirroring is not supported by the provider, continuing without it"));
  EXPECT_EQ(world.status.last_promoted, "B");
}

TEST(Strategies, PlainKubernetesIsBlueGreenWithoutRoutes) {
  Spec spec = podinfo();
  spec.match = Json::array({Json::object()});
  ModelWorld world(spec);
  world.capabilities.shifts = false;
  world.settle();
  world.events.clear();
  std::vector<std::string> routes;
  record_routes(world, routes);
  world.push("B");
  world.settle();
  std::vector<std::string> expected = {
      "New revision detected! Scaling up podinfo.test",
      "Starting canary analysis for podinfo.test",
      "Pre-rollout check acceptance-test passed",
      "A/B testing is not supported when using the kubernetes provider",
      "Progressive traffic is not supported when using the kubernetes provider",
      "Setting canaryAnalysis.iterations: 10"};
  for (int i = 1; i <= 10; ++i)
    expected.push_back("Advance podinfo.test canary iteration " + std::to_string(i) + "/10");
  expected.push_back("Copying podinfo.test template spec to podinfo-primary.test");
  expected.push_back("Promotion completed! Scaling down podinfo.test");
  EXPECT_EQ(world.texts(), expected);
  EXPECT_THAT(routes, IsEmpty());
}

TEST(Strategies, AFailedIterationRollsBack) {
  ModelWorld world = initialized(iterated(5));
  world.check = [] { return "Halt podinfo.test advancement success rate 1.00% < 99%"; };
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(world.status.iterations, 0);
  EXPECT_EQ(world.routes, (Routes{100, 0}));
  EXPECT_THAT(world.alerts, testing::Contains("error Failed checks threshold reached 3"));
}

/// Somebody sets them to 2 when 4 have passed.
void lower_iterations_in_the_run(ModelWorld& world) {
  world.check = [&world] {
    if (world.status.iterations == 4) world.spec.iterations = 2;
    return std::string();
  };
}

TEST(Strategies, LoweredIterationsAreDone) {
  ModelWorld world = initialized(iterated(5));
  lower_iterations_in_the_run(world);
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
}

TEST(Strategies, LoweredIterationsOpenNoGate) {
  Spec spec = iterated(5);
  spec.webhooks.push_back({.name = "gate", .url = "http://gate", .type = HookType::confirm_promotion});
  ModelWorld world = initialized(spec);
  bool open = false;
  world.answer = [&](const Webhook& hook) {
    if (hook.type != HookType::confirm_promotion) return std::string();
    EXPECT_EQ(world.routes, Routes{}) << "everything goes to the canary when the gate has opened";
    return std::exchange(open, true) ? std::string() : std::string("closed");
  };
  lower_iterations_in_the_run(world);
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_TRUE(open);
  EXPECT_FALSE(world.saw("by somebody else"));
  EXPECT_THAT(world.violations, testing::IsEmpty());
}

// --- gates (spec 09 §2)

// Scenario 31.
TEST(Gates, ARolloutWaitsWithoutPodsAndWithoutTraffic) {
  ModelWorld world = initialized(gated(HookType::confirm_rollout));
  open_after(world, 4000);
  world.push("B");
  world.settle(std::chrono::hours(10));
  EXPECT_EQ(world.status.phase, Phase::waiting);
  EXPECT_EQ(world.routes, (Routes{100, 0}));
  EXPECT_EQ(world.target.wanted, 0);
  EXPECT_THAT(world.events,
              ElementsAre("W Initialized Halt podinfo.test advancement waiting for approval gate"));
  EXPECT_THAT(world.alerts, testing::Contains("warn Canary is waiting for approval."));
  world.settle(std::chrono::hours(2));
  EXPECT_EQ(world.status.phase, Phase::succeeded);
}

TEST(Gates, TrafficIncreaseIsAskedBeforeEveryWeight) {
  ModelWorld world = initialized(gated(HookType::confirm_traffic_increase));
  open_after(world, 2);
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  const std::vector<std::string> texts = world.texts();
  EXPECT_EQ(
      std::ranges::count(texts, "Halt podinfo.test advancement waiting for traffic increase approval gate"),
      1)
      << "once, however long it stays closed";
  EXPECT_EQ(std::ranges::count(world.alerts, "warn Canary traffic increase is waiting for approval."), 1);
  EXPECT_EQ(std::ranges::count(texts, "Confirm-traffic-increase check gate passed"), 4);
}

TEST(Gates, RolloutHooksAreAlwaysToldThatTheRunProgresses) {
  Spec spec = gated(HookType::confirm_promotion);
  spec.webhooks.push_back({.name = "load", .url = "http://load", .type = HookType::rollout});
  ModelWorld world = initialized(spec);
  open_after(world, 3);
  int asked = 0;
  world.before = [&](const Action& action) {
    const auto* call = std::get_if<CallHook>(&action);
    if (!call || call->hook.type != HookType::rollout) return;
    EXPECT_EQ(call->phase, Phase::progressing);
    asked += world.status.phase == Phase::waiting_promotion ? 1 : 0;
  };
  world.push("B");
  world.settle();
  EXPECT_GT(asked, 0) << "also while the gate is closed";
}

TEST(Gates, PromotionWaitsAtTheLastWeight) {
  ModelWorld world = initialized(gated(HookType::confirm_promotion));
  open_after(world, 3);
  std::vector<int> weights;
  world.before = [&](const Action& action) {
    if (std::holds_alternative<CallHook>(action) && world.status.phase == Phase::waiting_promotion)
      weights.push_back(world.status.canary_weight);
  };
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_THAT(weights, testing::Each(60));
  EXPECT_THAT(
      world.events,
      testing::Contains("W Progressing Halt podinfo.test advancement waiting for promotion approval gate"));
}

// Scenario 59.
TEST(Gates, TheThresholdCountsWhileAGateIsClosed) {
  ModelWorld world = initialized(gated(HookType::confirm_promotion));
  open_after(world, 1000);
  world.check = [&] {
    return world.status.phase == Phase::waiting_promotion ? std::string("Halt bad") : std::string();
  };
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_EQ(world.routes, (Routes{100, 0}));
  EXPECT_THAT(world.violations, IsEmpty());
}

TEST(Gates, BlueGreenIsAskedOnce) {
  Spec spec = gated(HookType::confirm_promotion);
  spec.step_weight = 0;
  spec.iterations = 2;
  ModelWorld world = initialized(spec);
  world.push("B");
  world.settle();
  const std::vector<std::string> texts = world.texts();
  EXPECT_EQ(std::ranges::count(texts, "Confirm-promotion check gate passed"), 1);
  EXPECT_EQ(world.status.phase, Phase::succeeded);
}

}  // namespace
}  // namespace serin::canary
