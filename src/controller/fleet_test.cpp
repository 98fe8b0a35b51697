#include "controller/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "controller/controller_for_tests.h"

namespace serin::controller {
namespace {

using testing::Stage;
namespace res = kube::resources;
using namespace std::chrono_literals;

constexpr int canaries = 6, limit = 2;

std::string named(std::string_view yaml, int i) {
  return fmt::format(fmt::runtime(yaml), fmt::arg("name", fmt::format("app-{}", i)));
}

constexpr std::string_view deployment = R"(
metadata: {{name: {name}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: app, image: "app:1", envFrom: [{{configMapRef: {{name: shared}}}}]}}]}}
)";

constexpr std::string_view canary = R"(
metadata: {{name: {name}}}
spec:
  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}
  service: {{port: 80}}
  analysis: {{interval: 10s, threshold: 3, maxWeight: 20, stepWeight: 10}}
)";

std::vector<std::string> phases(Stage& stage) {
  std::vector<std::string> all;
  for (const Json& each : stage.cluster.list(res::canaries, "default"))
    all.push_back(each.get("status", "phase").str());
  return all;
}

auto count_of(const std::vector<std::string>& all, const std::string& phase) {
  return std::ranges::count(all, phase);
}

// Scenario 21.
TEST(Fleet, AChangeThatConcernsAllIsRolledOutAFewAtATime) {
  Stage stage({.rollouts_max = limit});
  stage.create(res::configmaps, "{metadata: {name: shared}, data: {key: one}}");
  for (int i = 0; i < canaries; ++i) {
    stage.create(res::deployments, named(deployment, i));
    stage.create(res::canaries, named(canary, i));
  }
  const base::MonoTime deadline = stage.cluster.world.clock.now() + 10min;
  while (count_of(phases(stage), "Initialized") < canaries && stage.cluster.world.clock.now() < deadline)
    stage.cluster.settle(200ms);
  ASSERT_EQ(count_of(phases(stage), "Initialized"), canaries);
  stage.texts.clear();
  stage.merge(res::configmaps, "shared", "{data: {key: two}}");
  int most = 0;
  std::vector<std::string> now;
  do {
    stage.cluster.settle(100ms);
    now = phases(stage);
    const auto rest = count_of(now, "Initialized") + count_of(now, "Succeeded");
    most = std::max(most, canaries - static_cast<int>(rest));
  } while (count_of(now, "Succeeded") < canaries && stage.cluster.world.clock.now() < deadline);
  EXPECT_EQ(count_of(now, "Succeeded"), canaries);
  EXPECT_EQ(most, limit);
  const auto said = std::ranges::count_if(stage.texts, [](const std::string& text) {
    return text.contains("other rollouts are under way, at most 2 at once (-max-rollouts)");
  });
  EXPECT_EQ(said, canaries - limit) << "each that waits says so once";
}

}  // namespace
}  // namespace serin::controller
