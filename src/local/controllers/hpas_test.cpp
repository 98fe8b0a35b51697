#include "local/controllers/hpas.h"

#include <gtest/gtest.h>

#include <map>

#include "base/yaml.h"
#include "local/controllers/hpa_metrics.h"

namespace serin::local {
namespace {

using namespace std::chrono_literals;

const base::WallTime start = base::parse_rfc3339("2026-11-23T04:00:00Z").value();

Json yaml(std::string_view text) {
  return base::parse_yaml(text).value().at(0);
}

struct Usage final : PodMetrics {
  std::map<std::string, PodUsage> pods;
  std::optional<PodUsage> usage(const kube::ObjectRef& pod) const override {
    const auto found = pods.find(pod.name);
    if (found == pods.end()) return std::nullopt;
    return found->second;
  }
};

/// Pods that requested 100m and 64Mi each: CPU in millicores, -1 for no measurement, -2 for not ready yet.
struct Case {
  const char* name;
  std::vector<int> cpu;
  int target_percent;
  int expected;
};

TEST(HpaMetrics, ProposeByUtilization) {
  const std::vector<Case> cases{
      {"twice the target", {200, 200}, 100, 4},
      {"within tolerance", {109, 109}, 100, 2},
      {"just outside", {111, 111}, 100, 3},
      {"half the target", {50, 50, 50, 50}, 100, 2},
      {"one hot pod", {300, 0}, 100, 3},
      {"unready pods don't help shrinking", {50, -2}, 100, 1},
      {"unready pods dampen growth", {300, -2}, 100, 3},
      {"unready pods cancel growth", {108, -2}, 50, 2},
      {"a missing pod counts as on target when shrinking", {20, -1}, 100, 2},
      {"a missing pod counts as idle when growing", {300, -1}, 100, 3},
      {"nothing used", {0, 0, 0}, 100, 0},
  };
  for (const Case& c : cases) {
    Usage usage;
    std::vector<Json> pods;
    for (std::size_t i = 0; i < c.cpu.size(); ++i) {
      const std::string name = "p" + std::to_string(i);
      const bool unready = c.cpu[i] == -2;
      Json pod = yaml(
          "{spec: {containers: [{name: c, resources: {requests: {cpu: 100m, memory: 64Mi}}}]}, status: "
          "{phase: Running, startTime: '2026-11-23T03:00:00Z', conditions: [{type: Ready, "
          "lastTransitionTime: '2026-11-23T03:00:05Z'}]}}");
      pod.set("metadata", "name") = name;
      pod.set("status", "conditions").make_array()[0].set("status") = unready ? "False" : "True";
      pods.push_back(std::move(pod));
      if (c.cpu[i] != -1) usage.pods[name] = {std::max(c.cpu[i], 0), 0, start, 15s};
    }
    Objects all;
    for (const Json& pod : pods) all.push_back(&pod);
    Json metric = yaml("{type: Resource, resource: {name: cpu, target: {type: Utilization}}}");
    metric.set("resource", "target", "averageUtilization") = c.target_percent;
    const auto proposal = propose(metric, static_cast<int>(pods.size()), all, usage, start);
    ASSERT_TRUE(proposal) << c.name;
    EXPECT_EQ(proposal->replicas, c.expected) << c.name;
  }
}

TEST(HpaMetrics, SayWhatIsMissing) {
  Usage usage;
  usage.pods["p"] = {100, 1 << 20, start, 15s};
  const Json pod = yaml("{metadata: {name: p}, spec: {containers: [{name: c}]}, status: {phase: Running}}");
  const Json cpu =
      yaml("{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}");
  const auto no_request = propose(cpu, 1, {&pod}, usage, start);
  ASSERT_FALSE(no_request);
  EXPECT_EQ(no_request.error().reason, "FailedGetResourceMetric");
  EXPECT_EQ(no_request.error().message,
            "failed to get cpu utilization: missing request for cpu in container c of Pod p");
  const auto external = propose(yaml("{type: External}"), 1, {&pod}, usage, start);
  ASSERT_FALSE(external);
  EXPECT_EQ(external.error().reason, "FailedGetExternalMetric");
  const Json memory =
      yaml("{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 512Ki}}}");
  const auto twice = propose(memory, 1, {&pod}, usage, start);
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->replicas, 2);
  EXPECT_EQ(twice->current.get("resource", "current"), yaml("{averageValue: 1Mi}"));
}

TEST(HpaBehavior, DownOnlyAfterTheWindow) {
  HpaHistory history;
  EXPECT_EQ(limit({}, 4, 2, 1, 10, start, history).replicas, 4);
  const Limited held = limit({}, 4, 2, 1, 10, start + 299s, history);
  EXPECT_EQ(held.replicas, 4);
  EXPECT_EQ(held.able_reason, "ScaleDownStabilized");
  EXPECT_EQ(limit({}, 4, 3, 1, 10, start + 300s, history).replicas, 3);
}

TEST(HpaBehavior, PoliciesLimitTheRate) {
  HpaHistory history;
  const Json slow = yaml(
      "{scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}, scaleDown: "
      "{stabilizationWindowSeconds: 0, "
      "policies: [{type: Percent, value: 10, periodSeconds: 60}]}}");
  const Limited up = limit(slow, 2, 9, 1, 10, start, history);
  EXPECT_EQ(up.replicas, 3);
  EXPECT_EQ(up.limit_reason, "ScaleUpLimit");
  history.changes.push_back({start, 1});
  EXPECT_EQ(limit(slow, 3, 9, 1, 10, start + 30s, history).replicas, 3);
  EXPECT_EQ(limit(slow, 3, 9, 1, 10, start + 60s, history).replicas, 4);
  EXPECT_EQ(limit(slow, 10, 1, 1, 10, start + 200s, history).replicas, 9);
  const Json never = yaml("{scaleDown: {stabilizationWindowSeconds: 0, selectPolicy: Disabled}}");
  HpaHistory fresh;
  EXPECT_EQ(limit(never, 5, 1, 1, 10, start, fresh).replicas, 5);
  EXPECT_EQ(limit({}, 2, 40, 1, 10, start + 400s, fresh).replicas, 6);  // by default four, or twice as many
}

}  // namespace
}  // namespace serin::local
