#include "local/controllers/controllers.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "local/controllers/cluster_for_tests.h"

namespace serin::local {
namespace {

using testing::Cluster;
using ::testing::UnorderedElementsAre;
using namespace std::chrono_literals;
namespace res = kube::resources;
using Texts = std::vector<std::string>;

Json condition(const Json& object, std::string_view type) {
  Json found = condition_of(object["status"], type);
  for (const char* time : {"lastTransitionTime", "lastUpdateTime"}) found.erase(time);
  return found;
}

Json counts(const Json& object) {
  Json status = object["status"];
  status.erase("conditions");
  return status;
}

TEST(Controllers, RollADeploymentOut) {
  Cluster cluster;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.settle();
  Json deployment = cluster.get(res::deployments, "default", "podinfo");
  const std::string first = template_hash(deployment.get("spec", "template"));
  // As the recorded objects of a real cluster have it.
  EXPECT_EQ(counts(deployment),
            *Json::parse(R"({"observedGeneration":1,"replicas":2,"updatedReplicas":2,"readyReplicas":2,
                             "availableReplicas":2,"terminatingReplicas":0})"));
  EXPECT_EQ(deployment.get("metadata", "generation"), Json(1));
  EXPECT_EQ(annotation(deployment, "deployment.kubernetes.io/revision").str(), "1");
  EXPECT_EQ(condition(deployment, "Progressing"),
            Json::object({{"type", "Progressing"},
                          {"status", "True"},
                          {"reason", "NewReplicaSetAvailable"},
                          {"message", "ReplicaSet \"podinfo-" + first + "\" has successfully progressed."}}));
  EXPECT_EQ(condition(deployment, "Available")["message"].str(), "Deployment has minimum availability.");

  std::size_t most = 0;
  int fewest_ready = 100;
  cluster.observe_pods = [&](const std::vector<Json>& pods) {
    most = std::max(most, pods.size());
    fewest_ready = std::min<int>(fewest_ready, std::ranges::count_if(pods, is_ready));
  };
  cluster.merge(res::deployments, "default", "podinfo",
                "{spec: {template: {metadata: {annotations: {v: '2'}}}}}");
  cluster.settle(10s);
  deployment = cluster.get(res::deployments, "default", "podinfo");
  const std::string second = template_hash(deployment.get("spec", "template"));
  EXPECT_EQ(counts(deployment)["updatedReplicas"], Json(2));
  EXPECT_EQ(annotation(deployment, "deployment.kubernetes.io/revision").str(), "2");
  EXPECT_EQ(deployment.get("status", "observedGeneration"), Json(2));
  EXPECT_LE(most, 4u);  // one surges, and one that was deleted may still be ending
  EXPECT_GE(fewest_ready, 1);
  EXPECT_THAT(cluster.event_messages("default", "ScalingReplicaSet"),
              UnorderedElementsAre("Scaled up replica set podinfo-" + first + " from 0 to 2",
                                   "Scaled up replica set podinfo-" + second + " from 0 to 1",
                                   "Scaled down replica set podinfo-" + first + " from 2 to 1",
                                   "Scaled up replica set podinfo-" + second + " from 1 to 2",
                                   "Scaled down replica set podinfo-" + first + " from 1 to 0"));
  EXPECT_EQ(cluster.event_messages("default", "SuccessfulCreate").size(), 4u);
  EXPECT_EQ(cluster.event_messages("default", "SuccessfulDelete").size(), 2u);
}

TEST(Controllers, WriteNothingWhileIdle) {
  Cluster cluster;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.settle();
  const auto before = cluster.revision();
  const int requests = cluster.counted->requests;
  cluster.settle(3min);
  EXPECT_EQ(cluster.revision(), before);
  EXPECT_EQ(cluster.counted->requests, requests);
}

TEST(Controllers, RollBackAndKeepTheHistoryShort) {
  Cluster cluster;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.settle();
  for (const char* v : {"'2'", "'3'", "'1'"}) {
    const std::string patch =
        fmt::format("{{spec: {{template: {{metadata: {{annotations: {{v: {}}}}}}}}}}}", v);
    cluster.merge(res::deployments, "default", "podinfo", patch.c_str());
    cluster.settle(10s);
  }
  EXPECT_EQ(cluster.list(res::replicasets, "default").size(), 2u);  // the present one and one of history
  const std::string before =
      annotation(cluster.get(res::deployments, "default", "podinfo"), "deployment.kubernetes.io/revision")
          .str();
  EXPECT_EQ(before, "4");
  cluster.merge(res::deployments, "default", "podinfo",
                "{spec: {template: {metadata: {annotations: {v: '3'}}}}}");
  cluster.settle(10s);
  const Json deployment = cluster.get(res::deployments, "default", "podinfo");
  EXPECT_EQ(annotation(deployment, "deployment.kubernetes.io/revision").str(), "5");
  EXPECT_EQ(cluster.list(res::replicasets, "default").size(), 2u);
  EXPECT_EQ(deployment.get("status", "availableReplicas"), Json(2));
}

TEST(Controllers, ReportAPassedProgressDeadline) {
  Cluster cluster;
  cluster.pods_become_ready = false;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.settle(55s);
  EXPECT_EQ(condition(cluster.get(res::deployments, "default", "podinfo"), "Progressing")["reason"].str(),
            "ReplicaSetUpdated");
  cluster.settle(10s);
  const Json late = condition(cluster.get(res::deployments, "default", "podinfo"), "Progressing");
  EXPECT_EQ(late["reason"].str(), "ProgressDeadlineExceeded");
  EXPECT_EQ(late["status"].str(), "False");
  EXPECT_TRUE(late["message"].str().ends_with("\" has timed out progressing.")) << late["message"].str();
  cluster.pods_become_ready = true;
  cluster.settle(10s);
  EXPECT_EQ(condition(cluster.get(res::deployments, "default", "podinfo"), "Progressing")["reason"].str(),
            "NewReplicaSetAvailable");
}

TEST(Controllers, ScaleToZeroAndBack) {
  Cluster cluster;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.settle();
  cluster.merge(res::deployments, "default", "podinfo", "{spec: {replicas: 0}}");
  cluster.settle();
  Json deployment = cluster.get(res::deployments, "default", "podinfo");
  EXPECT_EQ(counts(deployment), *Json::parse(R"({"observedGeneration":2,"terminatingReplicas":0})"));
  EXPECT_EQ(condition(deployment, "Available")["status"].str(), "True");
  EXPECT_TRUE(cluster.list(res::pods, "default").empty());
  cluster.merge(res::deployments, "default", "podinfo", "{spec: {replicas: 3}}");
  cluster.settle();
  deployment = cluster.get(res::deployments, "default", "podinfo");
  EXPECT_EQ(deployment.get("status", "availableReplicas"), Json(3));
}

TEST(Controllers, KeepSharesWhenScaledInTheMiddleOfARollout) {
  Cluster cluster;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.merge(res::deployments, "default", "podinfo", "{spec: {replicas: 4}}");
  cluster.settle();
  cluster.pods_become_ready = false;
  cluster.merge(res::deployments, "default", "podinfo",
                "{spec: {template: {metadata: {annotations: {v: '2'}}}}}");
  cluster.settle();
  const auto sizes = [&] {
    std::vector<std::int64_t> found;
    for (const Json& set : cluster.list(res::replicasets, "default")) {
      found.push_back(set.get("spec", "replicas").int_or(0));
    }
    return found;
  };
  EXPECT_THAT(sizes(), UnorderedElementsAre(3, 2));
  cluster.merge(res::deployments, "default", "podinfo", "{spec: {replicas: 8}}");
  cluster.settle();
  EXPECT_THAT(sizes(), UnorderedElementsAre(6, 4));
  cluster.pods_become_ready = true;
  cluster.settle(20s);
  EXPECT_THAT(sizes(), UnorderedElementsAre(0, 8));
}

TEST(Controllers, PauseHoldsARollout) {
  Cluster cluster;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.settle();
  cluster.merge(res::deployments, "default", "podinfo",
                "{spec: {paused: true, replicas: 3, template: {metadata: {annotations: {v: '2'}}}}}");
  cluster.settle();
  EXPECT_EQ(cluster.list(res::replicasets, "default").size(), 1u);
  Json deployment = cluster.get(res::deployments, "default", "podinfo");
  EXPECT_EQ(deployment.get("status", "replicas"), Json(3));  // scaling goes on
  EXPECT_EQ(condition(deployment, "Progressing")["reason"].str(), "DeploymentPaused");
  cluster.merge(res::deployments, "default", "podinfo", "{spec: {paused: false}}");
  cluster.settle(10s);
  deployment = cluster.get(res::deployments, "default", "podinfo");
  EXPECT_EQ(cluster.list(res::replicasets, "default").size(), 2u);
  EXPECT_EQ(condition(deployment, "Progressing")["reason"].str(), "NewReplicaSetAvailable");
  EXPECT_EQ(deployment.get("status", "updatedReplicas"), Json(3));
}

TEST(Controllers, SayWhyPodsCannotBeMade) {
  Cluster cluster;
  Json deployment = base::parse_yaml(testing::podinfo_yaml).value().at(0);
  cluster.counted->refused = "pods";
  cluster.create(res::deployments, "default", deployment);
  cluster.settle(1s);
  const Json failure = condition(cluster.get(res::deployments, "default", "podinfo"), "ReplicaFailure");
  EXPECT_EQ(failure["reason"].str(), "FailedCreate");
  EXPECT_EQ(failure["message"].str(), "exceeded quota");
  EXPECT_EQ(cluster.event_messages("default", "FailedCreate").size(), 1u);
  cluster.counted->refused.clear();
  cluster.settle(60s);
  deployment = cluster.get(res::deployments, "default", "podinfo");
  EXPECT_TRUE(condition_of(deployment["status"], "ReplicaFailure").is_null());
  EXPECT_EQ(deployment.get("status", "availableReplicas"), Json(2));
}

TEST(Controllers, RecreateNeverRunsTwoVersions) {
  Cluster cluster;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.merge(res::deployments, "default", "podinfo",
                "{spec: {strategy: {type: Recreate, rollingUpdate: null}}}");
  cluster.settle();
  std::size_t versions = 0;
  cluster.observe_pods = [&](const std::vector<Json>& pods) {
    std::set<std::string> seen;
    for (const Json& pod : pods) seen.insert(labels_of(pod)["pod-template-hash"].str());
    versions = std::max(versions, seen.size());
  };
  cluster.merge(res::deployments, "default", "podinfo",
                "{spec: {template: {metadata: {annotations: {v: '2'}}}}}");
  cluster.settle(10s);
  EXPECT_EQ(versions, 1u);
  EXPECT_EQ(cluster.get(res::deployments, "default", "podinfo").get("status", "updatedReplicas"), Json(2));
}

TEST(Controllers, DeletedPodsComeBackAndOwnersTakeDependentsAlong) {
  Cluster cluster;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.settle();
  cluster.remove(res::pods, "default", kube::name_of(cluster.list(res::pods, "default").at(0)));
  cluster.settle();
  EXPECT_EQ(cluster.list(res::pods, "default").size(), 2u);
  cluster.remove(res::deployments, "default", "podinfo");
  cluster.settle();
  EXPECT_TRUE(cluster.list(res::replicasets, "default").empty());
  EXPECT_TRUE(cluster.list(res::pods, "default").empty());
}

TEST(Controllers, ForegroundDeletionWaitsForDependents) {
  Cluster cluster;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.settle();
  kube::DeleteOptions foreground;
  foreground.propagation = "Foreground";
  cluster.remove(res::deployments, "default", "podinfo", foreground);
  EXPECT_TRUE(kube::is_being_deleted(cluster.get(res::deployments, "default", "podinfo")));
  cluster.settle();
  EXPECT_TRUE(cluster.get(res::deployments, "default", "podinfo").is_null());
  EXPECT_TRUE(cluster.list(res::replicasets, "default").empty());
  EXPECT_TRUE(cluster.list(res::pods, "default").empty());
}

TEST(Controllers, OrphansStayAndAreAdoptedAgain) {
  Cluster cluster;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.settle();
  kube::DeleteOptions orphan;
  orphan.propagation = "Orphan";
  cluster.remove(res::deployments, "default", "podinfo", orphan);
  cluster.settle();
  EXPECT_TRUE(cluster.get(res::deployments, "default", "podinfo").is_null());
  const auto sets = cluster.list(res::replicasets, "default");
  ASSERT_EQ(sets.size(), 1u);
  EXPECT_TRUE(sets[0].get("metadata", "ownerReferences").empty());
  EXPECT_EQ(cluster.list(res::pods, "default").size(), 2u);
  const Json again = cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.settle();
  const auto adopted = cluster.list(res::replicasets, "default");
  ASSERT_EQ(adopted.size(), 1u);
  EXPECT_EQ(kube::uid_of(adopted[0]), kube::uid_of(sets[0]));
  EXPECT_TRUE(is_controlled_by(adopted[0], again));
}

TEST(Controllers, ServicesListTheirReadyPods) {
  Cluster cluster;
  cluster.create_yaml(
      res::services, "default",
      "{apiVersion: v1, kind: Service, metadata: {name: podinfo}, spec: {selector: {app: podinfo}, "
      "ports: [{name: http, port: 80, targetPort: http}]}}");
  cluster.settle(1s);
  ASSERT_EQ(cluster.list(res::endpointslices, "default").size(), 1u);
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.settle();
  const auto slices = cluster.list(res::endpointslices, "default");
  ASSERT_EQ(slices.size(), 1u);
  EXPECT_EQ(labels_of(slices[0])["kubernetes.io/service-name"].str(), "podinfo");
  EXPECT_EQ(slices[0]["ports"].at(0)["port"], Json(9898));
  ASSERT_EQ(slices[0]["endpoints"].size(), 2u);
  EXPECT_EQ(slices[0]["endpoints"].at(0)["conditions"],
            *Json::parse(R"({"ready":true,"serving":true,"terminating":false})"));
  cluster.remove(res::services, "default", "podinfo");
  cluster.settle();
  EXPECT_TRUE(cluster.list(res::endpointslices, "default").empty());
}

TEST(Controllers, NamespacesAreFurnishedAndEmptied) {
  Cluster cluster({.ca_certificate = "PEM"});
  cluster.create_yaml(res::namespaces, "", "{apiVersion: v1, kind: Namespace, metadata: {name: test}}");
  cluster.create_yaml(res::deployments, "test", testing::podinfo_yaml);
  cluster.settle();
  EXPECT_EQ(cluster.list(res::serviceaccounts, "test").size(), 1u);
  EXPECT_EQ(cluster.get(res::configmaps, "test", "kube-root-ca.crt").get("data", "ca.crt").str(), "PEM");
  cluster.remove(res::namespaces, "", "test");
  cluster.settle();
  EXPECT_TRUE(cluster.get(res::namespaces, "", "test").is_null());
  for (const auto& resource : {res::deployments, res::replicasets, res::pods, res::configmaps, res::events}) {
    EXPECT_TRUE(cluster.list(resource, "test").empty()) << resource.plural;
  }
}

TEST(Controllers, CollectWhatCustomResourcesOwn) {
  Cluster cluster;
  cluster.create_yaml(res::crds, "", R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: canaries.flagger.app}
spec:
  group: flagger.app
  scope: Namespaced
  names: {plural: canaries, kind: Canary, singular: canary, listKind: CanaryList}
  versions:
  - name: v1beta1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
)");
  cluster.settle(1s);
  const Json canary = cluster.create_yaml(
      res::canaries, "default", "{apiVersion: flagger.app/v1beta1, kind: Canary, metadata: {name: podinfo}}");
  Json config = Json::object({{"apiVersion", "v1"}, {"kind", "ConfigMap"}});
  config.set("metadata", "name") = "podinfo-primary";
  config.set("metadata", "ownerReferences") = Json::array({controller_reference(res::canaries, canary)});
  cluster.create(res::configmaps, "default", config);
  config.set("metadata", "name") = "of-a-canary-that-never-was";
  config.set("metadata", "ownerReferences").make_array()[0].set("uid") = "no-such-uid";
  cluster.create(res::configmaps, "default", config);
  cluster.settle(1s);
  EXPECT_FALSE(cluster.get(res::configmaps, "default", "podinfo-primary").is_null());
  EXPECT_TRUE(cluster.get(res::configmaps, "default", "of-a-canary-that-never-was").is_null());
  cluster.remove(res::canaries, "default", "podinfo");
  cluster.settle(1s);
  EXPECT_TRUE(cluster.get(res::configmaps, "default", "podinfo-primary").is_null());
}

TEST(Controllers, AutoscalersFollowTheLoad) {
  Cluster cluster;
  cluster.create_yaml(res::deployments, "default", testing::podinfo_yaml);
  cluster.create_yaml(res::hpas, "default", R"(
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: podinfo}
spec:
  minReplicas: 2
  maxReplicas: 4
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 99}}}]
)");
  cluster.settle(20s);
  Json hpa = cluster.get(res::hpas, "default", "podinfo");
  EXPECT_EQ(condition(hpa, "ScalingActive")["reason"].str(), "FailedGetResourceMetric");
  cluster.metrics.everyone = PodUsage{180, 1 << 20, cluster.world.clock.wall_now() + 1h, 15s};
  cluster.settle(20s);
  hpa = cluster.get(res::hpas, "default", "podinfo");
  EXPECT_EQ(cluster.get(res::deployments, "default", "podinfo").get("spec", "replicas"), Json(4));
  EXPECT_EQ(hpa.get("status", "desiredReplicas"), Json(4));
  EXPECT_EQ(hpa.get("status", "currentMetrics").at(0).get("resource", "current"),
            *Json::parse(R"({"averageUtilization":180,"averageValue":"180m"})"));
  EXPECT_EQ(condition(hpa, "ScalingLimited")["reason"].str(), "TooManyReplicas");
  EXPECT_EQ(cluster.event_messages("default", "SuccessfulRescale"),
            (Texts{"New size: 4; reason: cpu resource utilization (percentage of request) above target"}));
  cluster.metrics.everyone->cpu_millicores = 1;
  cluster.settle(200s);
  EXPECT_EQ(cluster.get(res::deployments, "default", "podinfo").get("spec", "replicas"), Json(4));
  cluster.settle(150s);
  EXPECT_EQ(cluster.get(res::deployments, "default", "podinfo").get("spec", "replicas"), Json(2));
  cluster.merge(res::deployments, "default", "podinfo", "{spec: {replicas: 0}}");
  cluster.settle(10s);
  hpa = cluster.get(res::hpas, "default", "podinfo");
  EXPECT_EQ(condition(hpa, "ScalingActive")["reason"].str(), "ScalingDisabled");
  EXPECT_EQ(cluster.get(res::deployments, "default", "podinfo").get("spec", "replicas"), Json(0));
}

TEST(Controllers, DaemonSetsParkOnAnUnmatchedNodeSelector) {
  Cluster cluster;
  cluster.create_yaml(
      res::nodes, "",
      "{apiVersion: v1, kind: Node, metadata: {name: local, labels: {kubernetes.io/os: linux}}}");
  Json set = base::parse_yaml(testing::podinfo_yaml).value().at(0);
  set.set("kind") = "DaemonSet";
  for (const char* field : {"replicas", "strategy", "progressDeadlineSeconds"}) set.set("spec").erase(field);
  cluster.create(res::daemonsets, "default", set);
  cluster.settle();
  EXPECT_EQ(cluster.get(res::daemonsets, "default", "podinfo")["status"],
            *Json::parse(R"({"currentNumberScheduled":1,"numberMisscheduled":0,"desiredNumberScheduled":1,
                             "numberReady":1,"observedGeneration":1,"updatedNumberScheduled":1,"numberAvailable":1})"));
  cluster.merge(res::daemonsets, "default", "podinfo",
                "{spec: {template: {metadata: {annotations: {v: '2'}}}}}");
  cluster.settle(10s);
  const auto pods = cluster.list(res::pods, "default");
  ASSERT_EQ(pods.size(), 1u);
  EXPECT_EQ(annotation(pods[0], "v").str(), "2");
  cluster.merge(res::daemonsets, "default", "podinfo",
                "{spec: {template: {spec: {nodeSelector: {flagger.app/scale-to-zero: 'true'}}}}}");
  cluster.settle();
  EXPECT_TRUE(cluster.list(res::pods, "default").empty());
  EXPECT_EQ(cluster.get(res::daemonsets, "default", "podinfo").get("status", "desiredNumberScheduled"),
            Json(0));
}

}  // namespace
}  // namespace serin::local
