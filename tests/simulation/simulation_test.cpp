#include "tests/simulation/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin::simulation {
namespace {

namespace res = kube::resources;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

/// The image that a Deployment's pods run.
std::string image_of(Simulation& sim, const std::string& name) {
  return sim.get(res::deployments, name).get("spec", "template", "spec", "containers").at(0)["image"].str();
}

int weight_of_canary(Simulation& sim) {
  return std::atoi(
      sim.get(res::trafficsplits_v1alpha1, "podinfo").get("spec", "backends").at(0)["weight"].str().c_str());
}

/// What must hold at the end of every story: all traffic on a primary that serves, no pods of the target.
void expect_at_rest(Simulation& sim, const std::string& image) {
  sim.cluster.settle(30s);
  EXPECT_EQ(weight_of_canary(sim), 0);
  EXPECT_EQ(sim.get(res::deployments, "podinfo").get("spec", "replicas"), Json(0));
  EXPECT_EQ(sim.get(res::deployments, "podinfo-primary").get("status", "readyReplicas"), Json(2));
  EXPECT_EQ(image_of(sim, "podinfo-primary"), image);
  EXPECT_THAT(sim.violations, IsEmpty());
  EXPECT_TRUE(sim.get(res::canaries, "podinfo").get("status", "announcing").is_null());
}

/// What people were told of steps taken, in order: not what is said while something is asked for.
std::vector<std::string> announced(const Simulation& sim) {
  std::vector<std::string> told = sim.texts();
  std::erase_if(told, [](const std::string& text) {
    return text.contains("Starting canary analysis") || text.contains(" passed");
  });
  std::ranges::copy(sim.alerts, std::back_inserter(told));
  return told;
}

void promotion(Simulation& sim) {
  sim.bootstrap();
  sim.set_image("6.0.1");
  EXPECT_TRUE(sim.reaches("Succeeded"));
  expect_at_rest(sim, "podinfo:6.0.1");
  // One rolling update and no more: the primary's ReplicaSets are the two revisions'.
  EXPECT_EQ(sim.get(res::deployments, "podinfo-primary")
                .get("metadata", "annotations", "deployment.kubernetes.io/revision"),
            Json("2"));
}

void rollback(Simulation& sim) {
  sim.check = [] { return "Halt podinfo.default advancement success rate 69.17% < 99%"; };
  sim.bootstrap();
  sim.set_image("6.0.2");
  EXPECT_TRUE(sim.reaches("Failed"));
  expect_at_rest(sim, "podinfo:6.0.0");
}

void bluegreen(Simulation& sim) {
  sim.bootstrap([](Json& canary) {
    canary.set("spec", "provider") = "kubernetes";
    Json& analysis = canary.set("spec", "analysis");
    analysis.erase("stepWeight");
    analysis.erase("maxWeight");
    analysis.set("iterations") = 2;
  });
  sim.set_image("6.0.1");
  EXPECT_TRUE(sim.reaches("Succeeded"));
  expect_at_rest(sim, "podinfo:6.0.1");
  EXPECT_EQ(sim.get(res::services, "podinfo").get("spec", "selector", "app").str(), "podinfo-primary");
}

void restart(Simulation& sim) {
  sim.bootstrap();
  sim.set_image("6.0.1");
  EXPECT_TRUE(sim.reaches("Progressing"));
  while (weight_of_canary(sim) < 40) sim.cluster.settle(500ms);
  sim.set_image("6.0.2");
  EXPECT_TRUE(sim.reaches("Succeeded"));
  expect_at_rest(sim, "podinfo:6.0.2");
}

TEST(Simulation, PromotesWithTheKnownEvents) {
  Simulation sim({});
  promotion(sim);
  EXPECT_THAT(
      sim.texts(),
      ElementsAre("New revision detected! Scaling up podinfo.default",
                  "Starting canary analysis for podinfo.default", "Pre-rollout check acceptance-test passed",
                  "Advance podinfo.default canary weight 20", "Advance podinfo.default canary weight 40",
                  "Advance podinfo.default canary weight 60",
                  "Copying podinfo.default template spec to podinfo-primary.default",
                  "Routing all traffic to primary", "Promotion completed! Scaling down podinfo.default"));
}

TEST(Simulation, RollsBackWithTheKnownEvents) {
  Simulation sim({});
  rollback(sim);
  const std::string halt = "Halt podinfo.default advancement success rate 69.17% < 99%";
  EXPECT_THAT(sim.texts(), ElementsAre("New revision detected! Scaling up podinfo.default",
                                       "Starting canary analysis for podinfo.default",
                                       "Pre-rollout check acceptance-test passed",
                                       "Advance podinfo.default canary weight 20", halt, halt, halt,
                                       "Rolling back podinfo.default failed checks threshold reached 3",
                                       "Canary failed! Scaling down podinfo.default"));
}

TEST(Simulation, TheSameRunLeavesTheSameTrace) {
  std::string traces[2];
  for (std::string& trace : traces) {
    Simulation sim({});
    restart(sim);
    trace = sim.trace();
  }
  EXPECT_EQ(traces[0], traces[1]);
}

/// Under a sanitizer a run takes many times as long: then every so many points stand for all.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr int stride = 9;
#else
constexpr int stride = 1;
#endif
#endif

/// Plays a story once to count the points where the controller waits, then once for each with its death
/// there, and wants the same told.
template <class Story>
void survives_a_death_anywhere(Story story) {
  int points = 0;
  std::vector<std::string> told;
  {
    Simulation calm({});
    story(calm);
    points = calm.points();
    told = announced(calm);
  }
  ASSERT_GT(points, 10);
  for (int n = 0; n < points && !testing::Test::HasFailure(); n += stride) {
    Simulation sim({.dies_at = n});
    story(sim);
    EXPECT_EQ(announced(sim), told) << "each is told once (scenario 60)";
    if (testing::Test::HasFailure())
      ADD_FAILURE() << "killed at point " << n << " of " << points << ": " << sim.last_words();
  }
}

TEST(Simulation, APromotionSurvivesADeathAnywhere) {
  survives_a_death_anywhere(promotion);
}
TEST(Simulation, ARollbackSurvivesADeathAnywhere) {
  survives_a_death_anywhere(rollback);
}
TEST(Simulation, ARestartSurvivesADeathAnywhere) {
  survives_a_death_anywhere(restart);
}

TEST(Simulation, ABlueGreenPromotionSurvivesADeathAnywhere) {
  survives_a_death_anywhere(bluegreen);
}

TEST(Simulation, CatchesAControllerThatScalesDownBeforeItReroutes) {
  Simulation sim({.reroutes_late = true});
  sim.bootstrap();
  sim.set_image("6.0.1");
  EXPECT_TRUE(sim.reaches("Succeeded"));
  EXPECT_THAT(sim.violations, testing::Contains(testing::HasSubstr("the target has no replicas")));
}

/// A change of this object, as a user makes it.
void merge(Simulation& sim, const kube::Resource& resource, const std::string& name, const char* yaml) {
  sim.cluster.merge(resource, "default", name, yaml);
}

// Scenario 43: also without revertOnDeletion the workload goes on serving.
TEST(Simulation, DeletingACanaryLeavesTheWorkloadServing) {
  Simulation sim({});
  sim.bootstrap();
  sim.cluster.remove(res::canaries, "default", "podinfo");
  sim.cluster.settle(30s);
  EXPECT_TRUE(sim.get(res::canaries, "podinfo").is_null());
  EXPECT_EQ(sim.get(res::deployments, "podinfo").get("status", "readyReplicas"), Json(2));
  EXPECT_TRUE(sim.get(res::deployments, "podinfo-primary").is_null()) << "collected with its owner";
  EXPECT_TRUE(sim.get(res::trafficsplits_v1alpha1, "podinfo").is_null());
  const Json apex = sim.get(res::services, "podinfo");
  EXPECT_EQ(apex.get("spec", "selector", "app").str(), "podinfo") << apex.dump();
  EXPECT_THAT(sim.texts(),
              ElementsAre("Terminating canary podinfo.default", "Terminated canary podinfo.default"));
}

TEST(Simulation, ACanaryWithoutItsTargetCanBeDeleted) {
  Simulation sim({});
  sim.bootstrap();
  sim.cluster.remove(res::deployments, "default", "podinfo");
  sim.cluster.settle(5s);
  sim.cluster.remove(res::canaries, "default", "podinfo");
  sim.cluster.settle(30s);
  EXPECT_TRUE(sim.get(res::canaries, "podinfo").is_null());
}

// Scenario 48: the older of two canaries has the target, the other one says so and does nothing.
TEST(Simulation, TwoCanariesOnOneTarget) {
  Simulation sim({});
  sim.bootstrap();
  Json second = sim.get(res::canaries, "podinfo");
  second.set("metadata") = Json::object({{"name", "twin"}});
  second.erase("status");
  second.set("spec", "service", "name") = "twin";
  sim.cluster.create(res::canaries, "default", second);
  sim.cluster.settle(30s);
  EXPECT_TRUE(sim.get(res::services, "twin-canary").is_null());
  ASSERT_EQ(sim.texts().size(), 1u);
  EXPECT_EQ(sim.texts()[0],
            "invalid canary spec: spec.targetRef: Deployment/podinfo is already the target of canary "
            "podinfo.default, "
            "which is older: delete one of the two");
  sim.set_image("6.0.1");
  EXPECT_TRUE(sim.reaches("Succeeded"));
}

TEST(Simulation, AnInvalidSpecIsNamedAndHarmsNothing) {
  Simulation sim({});
  sim.bootstrap();
  merge(sim, res::canaries, "podinfo", "{spec: {analysis: {stepWeight: 0}}}");
  sim.set_image("6.0.1");
  sim.cluster.settle(60s);
  EXPECT_THAT(sim.texts(),
              ElementsAre("invalid canary spec: spec.analysis.stepWeight: 0 would never end the analysis, "
                          "use 1 to 100"));
  EXPECT_EQ(weight_of_canary(sim), 0);
  EXPECT_EQ(image_of(sim, "podinfo-primary"), "podinfo:6.0.0");
  merge(sim, res::canaries, "podinfo", "{spec: {analysis: {stepWeight: 20}}}");
  EXPECT_TRUE(sim.reaches("Succeeded"));
}

// Scenario 20.
TEST(Simulation, AChangedConfigMapIsCopiedAndPromoted) {
  Simulation sim({});
  sim.cluster.create_yaml(res::configmaps, "default", "{metadata: {name: colors}, data: {color: blue}}");
  sim.bootstrap();
  merge(sim, res::deployments, "podinfo",
        "{spec: {template: {spec: {volumes: [{name: c, configMap: {name: colors}}]}}}}");
  EXPECT_TRUE(sim.reaches("Succeeded"));
  EXPECT_EQ(sim.get(res::configmaps, "colors-primary").get("data", "color").str(), "blue");
  sim.cluster.settle(5s);
  merge(sim, res::configmaps, "colors", "{data: {color: green}}");
  EXPECT_TRUE(sim.reaches("Progressing"));
  EXPECT_EQ(sim.get(res::configmaps, "colors-primary").get("data", "color").str(), "blue")
      << "not before it is judged";
  EXPECT_TRUE(sim.reaches("Succeeded"));
  EXPECT_EQ(sim.get(res::configmaps, "colors-primary").get("data", "color").str(), "green");
  const Json volumes =
      sim.get(res::deployments, "podinfo-primary").get("spec", "template", "spec", "volumes");
  EXPECT_EQ(volumes.at(0).get("configMap", "name").str(), "colors-primary");
}

// Scenario 22: what cannot be read has not changed.
TEST(Simulation, AConfigMapThatCannotBeReadStartsNothing) {
  Simulation sim({});
  sim.cluster.create_yaml(res::configmaps, "default", "{metadata: {name: colors}, data: {color: blue}}");
  sim.bootstrap();
  merge(sim, res::deployments, "podinfo",
        "{spec: {template: {spec: {volumes: [{name: c, configMap: {name: colors}}]}}}}");
  EXPECT_TRUE(sim.reaches("Succeeded"));
  sim.cluster.settle(30s);
  sim.events.clear();
  sim.make_unreadable("configmaps");
  merge(sim, res::configmaps, "colors", "{data: {color: green}}");
  sim.cluster.settle(2min);
  EXPECT_EQ(sim.get(res::canaries, "podinfo").get("status", "phase").str(), "Succeeded");
  EXPECT_EQ(sim.get(res::deployments, "podinfo").get("spec", "replicas"), Json(0));
  for (const std::string& text : sim.texts()) EXPECT_THAT(text, testing::HasSubstr("leader changed"));
  sim.make_unreadable("");
  EXPECT_TRUE(sim.reaches("Progressing"));
  EXPECT_TRUE(sim.reaches("Succeeded"));
}

// Scenario 19: a restart of the pods is a revision; what is written about the Deployment itself is none.
TEST(Simulation, ARolloutRestartIsARevisionAndALabelIsNone) {
  Simulation sim({});
  sim.bootstrap();
  merge(sim, res::deployments, "podinfo", "{metadata: {labels: {team: web}, annotations: {note: x}}}");
  sim.cluster.settle(60s);
  EXPECT_THAT(sim.texts(), IsEmpty());
  merge(sim, res::deployments, "podinfo",
        "{spec: {template: {metadata: {annotations: {kubectl.kubernetes.io/restartedAt: now}}}}}");
  EXPECT_TRUE(sim.reaches("Succeeded"));
  EXPECT_THAT(sim.violations, IsEmpty());
}

// Scenario 44: a Canary that was deleted comes back under its name.
TEST(Simulation, ACanaryCanBeCreatedAnew) {
  Simulation sim({});
  sim.bootstrap();
  Json again = sim.get(res::canaries, "podinfo");
  sim.cluster.remove(res::canaries, "default", "podinfo");
  sim.cluster.settle(30s);
  again.set("metadata") = Json::object({{"name", "podinfo"}});
  again.erase("status");
  sim.cluster.create(res::canaries, "default", again);
  EXPECT_TRUE(sim.reaches("Initialized"));
  sim.set_image("6.0.1");
  EXPECT_TRUE(sim.reaches("Succeeded"));
  expect_at_rest(sim, "podinfo:6.0.1");
}

// Scenario 45: a Service that was there before is taken over, and given back.
TEST(Simulation, AnExistingServiceIsTakenOverAndGivenBack) {
  Simulation sim({});
  sim.cluster.create_yaml(res::services, "default", R"(
metadata: {name: podinfo}
spec: {selector: {app: podinfo}, ports: [{name: web, port: 9898}, {name: admin, port: 81}]}
)");
  sim.bootstrap();
  const Json taken = sim.get(res::services, "podinfo");
  EXPECT_EQ(taken.get("spec", "selector", "app").str(), "podinfo-primary");
  EXPECT_EQ(taken.get("spec", "ports").size(), 2u);
  sim.cluster.remove(res::canaries, "default", "podinfo");
  sim.cluster.settle(30s);
  EXPECT_EQ(sim.get(res::services, "podinfo").get("spec", "selector", "app").str(), "podinfo");
}

// Scenario 39 and 41: replicas changed from outside.
TEST(Simulation, ScalingFromOutsideDoesNotConfuseARun) {
  Simulation sim({});
  sim.bootstrap();
  sim.set_image("6.0.1");
  EXPECT_TRUE(sim.reaches("Progressing"));
  while (weight_of_canary(sim) < 20) sim.cluster.settle(500ms);
  merge(sim, res::deployments, "podinfo", "{spec: {replicas: 4}}");
  merge(sim, res::deployments, "podinfo-primary", "{spec: {replicas: 3}}");
  EXPECT_TRUE(sim.reaches("Succeeded"));
  sim.cluster.settle(10s);
  EXPECT_EQ(sim.get(res::deployments, "podinfo").get("spec", "replicas"), Json(0));
  EXPECT_THAT(sim.violations, IsEmpty());
}

TEST(Simulation, AnIdleCanaryCostsNoRequests) {
  Simulation sim({});
  sim.bootstrap();
  sim.cluster.settle(20s);
  const int before = sim.points();
  sim.cluster.settle(10min);
  EXPECT_EQ(sim.points(), before);
}

}  // namespace
}  // namespace serin::simulation
