// Tables for the decisions that the cluster tests reach only in part.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/yaml.h"
#include "local/controllers/endpointslices.h"
#include "local/controllers/objects.h"
#include "local/controllers/replicasets.h"

namespace serin::local {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

Json yaml(std::string_view text) {
  return base::parse_yaml(text).value().at(0);
}

TEST(IntOrPercent, RoundsAsAsked) {
  EXPECT_EQ(resolve_int_or_percent("25%", 2, true), 1);
  EXPECT_EQ(resolve_int_or_percent("25%", 2, false), 0);
  EXPECT_EQ(resolve_int_or_percent("50%", 4, true), 2);
  EXPECT_EQ(resolve_int_or_percent(Json(3), 4, true), 3);
  EXPECT_EQ(resolve_int_or_percent("100%", 7, false), 7);
}

TEST(Selector, MatchesLabels) {
  const Json labels = yaml("{app: web, tier: front}");
  EXPECT_TRUE(selects(yaml("{matchLabels: {app: web}}"), labels));
  EXPECT_FALSE(selects(yaml("{matchLabels: {app: web, tier: back}}"), labels));
  EXPECT_TRUE(
      selects(yaml("{matchExpressions: [{key: tier, operator: In, values: [front, back]}]}"), labels));
  EXPECT_FALSE(selects(yaml("{matchExpressions: [{key: tier, operator: NotIn, values: [front]}]}"), labels));
  EXPECT_TRUE(selects(yaml("{matchExpressions: [{key: gone, operator: DoesNotExist}]}"), labels));
  EXPECT_FALSE(selects(yaml("{matchExpressions: [{key: gone, operator: Exists}]}"), labels));
  EXPECT_FALSE(selects(yaml("{}"), labels));
}

TEST(TemplateHash, DependsOnTheDataOnly) {
  const std::string hash = template_hash(yaml("{spec: {a: 1, b: [x]}}"));
  EXPECT_EQ(hash.size(), 10u);
  EXPECT_EQ(hash, template_hash(yaml("{spec: {b: [x], a: 1}}")));
  EXPECT_NE(hash, template_hash(yaml("{spec: {b: [x], a: 2}}")));
}

Json pod(std::string_view name, std::string_view rest) {
  Json object = yaml(rest);
  object.set("apiVersion") = "v1";
  object.set("kind") = "Pod";
  object.set("metadata", "name") = name;
  object.set("metadata", "namespace") = "test";
  object.set("metadata", "uid") = "uid-" + std::string(name);
  return object;
}

std::string ready(std::string_view since, int restarts = 0) {
  return "{spec: {nodeName: n}, status: {phase: Running, conditions: [{type: Ready, status: 'True', "
         "lastTransitionTime: '2026-11-23T" +
         std::string(since) + "Z'}], containerStatuses: [{restartCount: " + std::to_string(restarts) + "}]}}";
}

TEST(ReplicaSets, DeleteTheLeastUsefulPodsFirst) {
  Json cheap = pod("cheap", ready("01:00:00"));
  cheap.set("metadata", "annotations", "controller.kubernetes.io/pod-deletion-cost") = "-1";
  const std::vector<Json> pods{
      pod("long-ready", ready("01:00:00")),
      pod("restarted", ready("01:00:00", 3)),
      pod("just-ready", ready("02:00:00")),
      cheap,
      pod("unready", "{spec: {nodeName: n}, status: {phase: Running}}"),
      pod("pending", "{spec: {nodeName: n}, status: {phase: Pending}}"),
      pod("unscheduled", "{status: {phase: Pending}}"),
  };
  Objects all;
  for (const Json& one : pods) all.push_back(&one);
  std::vector<std::string> names;
  for (const Json* one : in_deletion_order(all)) names.push_back(kube::name_of(*one));
  EXPECT_THAT(names, ElementsAre("unscheduled", "pending", "unready", "cheap", "just-ready", "restarted",
                                 "long-ready"));
}

TEST(ReplicaSets, AdoptReleaseAndCount) {
  base::Random random(1);
  const Json set = yaml(
      "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web, namespace: test, uid: u, generation: "
      "3}, spec: "
      "{replicas: 2, minReadySeconds: 10, selector: {matchLabels: {app: web}}, template: {metadata: {labels: "
      "{app: web}}, spec: {containers: [{name: c}]}}}}");
  Json orphan = pod("orphan", ready("01:00:00"));
  orphan.set("metadata", "labels", "app") = "web";
  Json strayed = pod("strayed", ready("01:00:00"));
  strayed.set("metadata", "ownerReferences") =
      Json::array({controller_reference(kube::resources::replicasets, set)});
  const base::WallTime now = base::parse_rfc3339("2026-11-23T01:00:04Z").value();
  const Plan first = reconcile_replicaset(set, {&orphan, &strayed}, "", now, random);
  ASSERT_EQ(first.writes.size(), 2u);  // nothing else until both are seen
  EXPECT_TRUE(is_controlled_by(first.writes[0].object, set));
  EXPECT_TRUE(kube::controller_owner(first.writes[1].object).is_null());

  const Json adopted = first.writes[0].object;
  const Plan second = reconcile_replicaset(set, {&adopted}, "", now, random);
  ASSERT_EQ(second.writes.size(), 2u);
  EXPECT_EQ(second.writes[0].object["status"],
            yaml("{replicas: 1, fullyLabeledReplicas: 1, readyReplicas: 1, terminatingReplicas: 0, "
                 "observedGeneration: 3}"));
  EXPECT_EQ(second.wake, now + 6s);  // when the pod has been ready for ten seconds
  const Json& created = second.writes[1].object;
  EXPECT_EQ(created.get("metadata", "generateName").str(), "web-");
  EXPECT_TRUE(kube::name_of(created).starts_with("web-"));
  EXPECT_EQ(second.writes[1].notice->message, "Created pod: " + kube::name_of(created));
}

TEST(EndpointSlices, ResolveNamedPortsForEachPod) {
  base::Random random(1);
  const Json service = yaml(
      "{metadata: {name: web, namespace: test, uid: s}, spec: {selector: {app: web}, ports: [{name: http, "
      "port: "
      "80, targetPort: http}]}}");
  const auto with_port = [](const char* name, int port) {
    Json object = pod(name, ready("01:00:00"));
    object.set("metadata", "labels", "app") = "web";
    object.set("status", "podIP") = "10.244.0.2";
    object.set("spec", "containers") = Json::array({Json::object(
        {{"ports", Json::array({Json::object({{"name", "http"}, {"containerPort", port}})})}})});
    return object;
  };
  const Json a = with_port("a", 8080);
  Json b = with_port("b", 9090);
  b.set("metadata", "deletionTimestamp") = "2026-11-23T02:00:00Z";
  Json ended = with_port("ended", 9090);
  ended.set("status", "phase") = "Succeeded";
  const Plan plan = reconcile_endpointslices(service, {&a, &b, &ended}, {}, random);
  ASSERT_EQ(plan.writes.size(), 2u);
  EXPECT_EQ(plan.writes[0].object["ports"], yaml("[{name: http, port: 8080, protocol: TCP}]"));
  EXPECT_EQ(plan.writes[1].object["ports"], yaml("[{name: http, port: 9090, protocol: TCP}]"));
  ASSERT_EQ(plan.writes[1].object["endpoints"].size(), 1u);
  EXPECT_EQ(plan.writes[1].object["endpoints"].at(0)["conditions"],
            yaml("{ready: false, serving: true, terminating: true}"));

  const Json first = plan.writes[0].object, second = plan.writes[1].object;
  EXPECT_TRUE(reconcile_endpointslices(service, {&a, &b}, {&first, &second}, random).writes.empty());
  const Plan shrunk = reconcile_endpointslices(service, {&a}, {&first, &second}, random);
  ASSERT_EQ(shrunk.writes.size(), 1u);
  EXPECT_EQ(shrunk.writes[0].verb, Write::Verb::remove);
}

}  // namespace
}  // namespace serin::local
