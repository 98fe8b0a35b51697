#include "canary/readiness.h"

#include <gtest/gtest.h>

#include "base/yaml.h"

namespace serin::canary {
namespace {

using namespace std::chrono_literals;

Json daemonset(std::string_view status, std::string_view node_selector = "{}") {
  const std::string text =
      "{metadata: {generation: 2}, spec: {template: {spec: {containers: [{image: a}], "
      "nodeSelector: " +
      std::string(node_selector) + "}}}, status: " + std::string(status) + "}";
  return base::parse_yaml(text).value().at(0);
}

constexpr const char* parked = "{flagger.app/scale-to-zero: \"true\"}";

struct Case {
  const char* status;
  int percent;
  base::Duration waited;
  Readiness expected;
};

TEST(DaemonSetReadiness, IsToldAsTheReferenceTellsIt) {
  const Case cases[] = {
      {"{}",
       100,
       0s,
       {false, false,
        "waiting for rollout to finish: observed daemonset generation less than desired "
        "generation"}},
      {"{observedGeneration: 1, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 3}",
       100,
       0s,
       {false, false,
        "waiting for rollout to finish: observed daemonset generation less than desired "
        "generation"}},
      {"{observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 1, numberAvailable: 3}",
       100,
       0s,
       {false, false, "waiting for rollout to finish: 1 out of 3 new pods have been updated"}},
      {"{observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 1}",
       70,
       0s,
       {false, false,
        "waiting for rollout to finish: 1 of 2 (readyThreshold 70%) updated pods are "
        "available"}},
      {"{observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 2}",
       70,
       0s,
       {true, false, ""}},
      {"{observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 3}",
       100,
       900s,
       {true, false, ""}},
      {"{observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 1}",
       100,
       600s,
       {false, true, "exceeded its progressDeadlineSeconds: 600"}},
  };
  for (const Case& c : cases) {
    const Readiness state =
        readiness(view_daemonset(daemonset(c.status)), "podinfo", c.percent, c.waited, 600s);
    EXPECT_EQ(state.ready, c.expected.ready) << c.status;
    EXPECT_EQ(state.for_good, c.expected.for_good) << c.status;
    EXPECT_EQ(state.text, c.expected.text) << c.status;
  }
}

// Neither ready with nobody to serve, nor "scaled to zero", which would wait for ever.
TEST(DaemonSetReadiness, ADaemonSetWithoutANodeWaitsForOneUntilTheDeadline) {
  const WorkloadView view = view_daemonset(daemonset("{observedGeneration: 2, desiredNumberScheduled: 0}"));
  EXPECT_EQ(view.replicas, 1);
  const Readiness early = readiness(view, "podinfo", 100, 0s, 60s);
  EXPECT_FALSE(early.for_good);
  EXPECT_EQ(early.text,
            "waiting for rollout to finish: no node matches its node selector, affinity and tolerations");
  EXPECT_TRUE(readiness(view, "podinfo", 100, 60s, 60s).for_good);
}

TEST(DaemonSetReadiness, AParkedDaemonSetHasNoReplicasAndTheSameRevision) {
  const char* status = "{observedGeneration: 2, desiredNumberScheduled: 0}";
  const WorkloadView there = view_daemonset(daemonset(status, parked));
  EXPECT_EQ(there.replicas, 0);
  EXPECT_FALSE(there.nowhere);
  EXPECT_TRUE(readiness(there, "podinfo", 100, 0s, 60s).ready);
  EXPECT_EQ(there.revision, view_daemonset(daemonset(status)).revision);
  EXPECT_NE(there.revision, view_daemonset(daemonset(status, "{disk: ssd}")).revision);
}

// Just unparked: the status still tells of the time before.
TEST(DaemonSetReadiness, AStatusOfBeforeSaysNothingAboutNodes) {
  const WorkloadView view = view_daemonset(daemonset("{observedGeneration: 1, desiredNumberScheduled: 0}"));
  EXPECT_EQ(view.replicas, 1);
  EXPECT_FALSE(view.nowhere);
}

TEST(Placement, AClusterWithoutNodesWaitsForNothing) {
  const auto nowhere = [] {
    WorkloadView view{.kind = WorkloadView::Kind::daemonset, .exists = true, .nowhere = true};
    view.generation = view.observed_generation = 1;
    return view;
  };
  WorkloadView target = nowhere(), primary = nowhere();
  settle_placement(target, primary);
  EXPECT_TRUE(readiness(target, "podinfo", 100, {}, std::chrono::minutes(1)).ready);
  EXPECT_EQ(primary.ready, 1);

  WorkloadView serving{.kind = WorkloadView::Kind::daemonset, .exists = true};
  serving.replicas = serving.updated = serving.ready = serving.available = 3;
  WorkloadView misplaced = nowhere();
  settle_placement(misplaced, serving);
  EXPECT_FALSE(readiness(misplaced, "podinfo", 100, {}, std::chrono::minutes(1)).ready);
}

}  // namespace
}  // namespace serin::canary
