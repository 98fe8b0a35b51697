#include "controller/workload_effects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/yaml.h"
#include "controller/controller_for_tests.h"

namespace serin::controller {
namespace {

namespace res = kube::resources;
using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::scaled_objects;
using testing::Stage;

constexpr std::string_view canary_template = R"(
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {{name: podinfo}}
spec:
  targetRef: {{apiVersion: apps/v1, kind: {}, name: podinfo}}
  {}
  progressDeadlineSeconds: 60
  service: {{port: 9898}}
  analysis: {{interval: 10s, threshold: 3, maxWeight: 60, stepWeight: 20}}
)";

constexpr const char* workload_template = R"(
apiVersion: apps/v1
kind: {}
metadata: {{name: podinfo}}
spec:
  selector: {{matchLabels: {{app: podinfo}}}}
  template:
    metadata: {{labels: {{app: podinfo}}}}
    spec: {{containers: [{{name: podinfod, image: "podinfo:6.0.0"}}]}}
)";

void bootstrap(Stage& stage, const std::string& kind, const std::string& scaler = "") {
  stage.create(kind == "DaemonSet" ? res::daemonsets : res::deployments,
               fmt::format(fmt::runtime(workload_template), kind));
  stage.cluster.settle(2s);
  const std::string ref =
      scaler.empty() ? "" : fmt::format("autoscalerRef: {{kind: {}, name: podinfo}}", scaler);
  stage.create(res::canaries, fmt::format(canary_template, kind, ref));
  EXPECT_TRUE(stage.reaches("Initialized"));
  stage.cluster.settle(2s);
  stage.texts.clear();
}

std::string image_of(Stage& stage, const kube::Resource& resource, const std::string& name) {
  return stage.get(resource, name).get("spec", "template", "spec", "containers").at(0)["image"].str();
}

const Json& node_selector(const Json& daemonset) {
  return daemonset.get("spec", "template", "spec", "nodeSelector");
}

// --- DaemonSets

TEST(DaemonSet, IsReleasedWithTheKnownEvents) {
  Stage stage;
  bootstrap(stage, "DaemonSet");
  EXPECT_EQ(node_selector(stage.get(res::daemonsets, "podinfo"))[canary::parking_label].str(), "true");
  EXPECT_TRUE(node_selector(stage.get(res::daemonsets, "podinfo-primary")).is_null());
  stage.set_image(res::daemonsets, "podinfo:6.0.1");
  EXPECT_TRUE(stage.reaches("Succeeded"));
  EXPECT_EQ(image_of(stage, res::daemonsets, "podinfo-primary"), "podinfo:6.0.1");
  const Json parked = stage.get(res::daemonsets, "podinfo");
  EXPECT_EQ(node_selector(parked)[canary::parking_label].str(), "true");
  std::erase_if(stage.texts, [](const std::string& text) { return text.contains("not ready"); });
  EXPECT_THAT(
      stage.texts,
      ElementsAre("New revision detected! Scaling up podinfo.default",
                  "Starting canary analysis for podinfo.default", "Advance podinfo.default canary weight 20",
                  "Advance podinfo.default canary weight 40", "Advance podinfo.default canary weight 60",
                  "Copying podinfo.default template spec to podinfo-primary.default",
                  "Routing all traffic to primary", "Promotion completed! Scaling down podinfo.default"));
}

// The reference makes it anew from the parked target, with the node selector that no node matches.
TEST(DaemonSet, ADeletedPrimaryRunsAgain) {
  Stage stage;
  bootstrap(stage, "DaemonSet");
  stage.cluster.remove(res::daemonsets, "default", "podinfo-primary");
  stage.cluster.settle(20s);
  const Json primary = stage.get(res::daemonsets, "podinfo-primary");
  EXPECT_TRUE(node_selector(primary).is_null());
  EXPECT_EQ(primary.get("status", "numberReady"), Json(1));
}

TEST(DaemonSet, AFailedPromotionGivesThePrimaryItsPreviousTemplate) {
  Stage stage;
  bootstrap(stage, "DaemonSet");
  stage.on_event = [&stage](const std::string& text) {
    if (text.starts_with("Copying")) stage.cluster.pods_become_ready = false;
    if (text.starts_with("Promotion of")) stage.cluster.pods_become_ready = true;
  };
  stage.set_image(res::daemonsets, "podinfo:6.0.1");
  EXPECT_TRUE(stage.reaches("Failed"));
  stage.cluster.settle(60s);
  EXPECT_THAT(stage.texts,
              Contains("Promotion of podinfo.default failed, primary not ready: primary daemonset "
                       "podinfo-primary.default not ready: exceeded its progressDeadlineSeconds: 60"));
  EXPECT_EQ(image_of(stage, res::daemonsets, "podinfo-primary"), "podinfo:6.0.0");
  EXPECT_EQ(stage.get(res::daemonsets, "podinfo-primary").get("status", "numberReady"), Json(1));
  EXPECT_EQ(node_selector(stage.get(res::daemonsets, "podinfo"))[canary::parking_label].str(), "true");
  EXPECT_EQ(stage.get(res::canaries, "podinfo").get("status", "canaryWeight"), Json(0));
}

TEST(DaemonSet, OneThatNoNodeMatchesIsRolledBackAtTheDeadline) {
  Stage stage;
  bootstrap(stage, "DaemonSet");
  stage.merge(res::daemonsets, "podinfo", "{spec: {template: {spec: {nodeSelector: {disk: tape}}}}}");
  EXPECT_TRUE(stage.reaches("Failed"));
  EXPECT_THAT(
      stage.texts,
      Contains("canary damonset podinfo.default not ready with retryable true: waiting for rollout to "
               "finish: no node matches its node selector, affinity and tolerations"));
  EXPECT_EQ(node_selector(stage.get(res::daemonsets, "podinfo"))["disk"].str(), "tape") << "the user's";
}

TEST(DaemonSet, DeletingTheCanaryUnparksIt) {
  Stage stage;
  bootstrap(stage, "DaemonSet");
  stage.cluster.remove(res::canaries, "default", "podinfo");
  stage.cluster.settle(30s);
  EXPECT_TRUE(stage.get(res::canaries, "podinfo").is_null());
  const Json target = stage.get(res::daemonsets, "podinfo");
  EXPECT_TRUE(node_selector(target).empty());
  EXPECT_EQ(target.get("status", "numberReady"), Json(1));
}

TEST(DaemonSet, OnDeleteIsRefused) {
  Stage stage;
  bootstrap(stage, "DaemonSet");
  stage.merge(res::daemonsets, "podinfo", "{spec: {updateStrategy: {type: OnDelete, rollingUpdate: null}}}");
  stage.cluster.settle(5s);
  EXPECT_THAT(stage.texts, ElementsAre("createPrimaryDaemonSet failed: daemonset podinfo.default must have "
                                       "RollingUpdate strategy but have OnDelete"));
}

// --- autoscalers

constexpr const char* scaled_object = R"(
metadata: {name: podinfo, annotations: {scaledobject.keda.sh/transfer-hpa-ownership: "true"}}
spec:
  scaleTargetRef: {name: podinfo}
  minReplicaCount: 2
  triggers: [{type: prometheus, name: rate, metadata: {query: 'sum(rate(requests{app="podinfo"}[1m]))'}}]
)";

constexpr std::string_view paused = "autoscaling.keda.sh/paused-replicas";

std::string paused_at(Stage& stage, const std::string& name) {
  return stage.get(scaled_objects, name).get("metadata", "annotations", paused).str();
}

TEST(Keda, TheTargetsIsPausedWhileItHasNoPods) {
  Stage stage;
  stage.create(scaled_objects, scaled_object);
  bootstrap(stage, "Deployment", "ScaledObject");
  EXPECT_EQ(paused_at(stage, "podinfo"), "0");
  const Json primary = stage.get(scaled_objects, "podinfo-primary");
  EXPECT_EQ(primary.get("spec", "scaleTargetRef", "name").str(), "podinfo-primary");
  EXPECT_EQ(primary.get("spec", "triggers").at(0).get("metadata", "query").str(),
            "sum(rate(requests{app=\"podinfo-primary\"}[1m]))");
  std::string during_run = "?";
  stage.on_event = [&](const std::string& text) {
    if (!text.starts_with("Starting")) return;
    const auto object = stage.cluster.registry->get(scaled_objects, {"default", "podinfo"});
    during_run = (*object)->get("metadata", "annotations", paused).str();
  };
  stage.set_image(res::deployments, "podinfo:6.0.1");
  EXPECT_TRUE(stage.reaches("Succeeded"));
  EXPECT_EQ(during_run, "");
  EXPECT_EQ(paused_at(stage, "podinfo"), "0");
  EXPECT_EQ(paused_at(stage, "podinfo-primary"), "");
  EXPECT_EQ(stage.get(res::deployments, "podinfo").get("spec", "replicas"), Json(0));
}

// Scenario 37: the reference copies the pause to the primary, and KEDA then ends all its pods.
TEST(Keda, APrimaryObjectMadeFromAPausedOneIsNotPaused) {
  Stage stage;
  stage.create(scaled_objects, scaled_object);
  bootstrap(stage, "Deployment", "ScaledObject");
  stage.cluster.remove(scaled_objects, "default", "podinfo-primary");
  stage.cluster.settle(5s);
  const Json primary = stage.get(scaled_objects, "podinfo-primary");
  ASSERT_FALSE(primary.is_null());
  EXPECT_EQ(primary.get("metadata", "annotations").dump(),
            R"({"scaledobject.keda.sh/transfer-hpa-ownership":"true"})");
}

TEST(Keda, DeletingTheCanaryResumesTheTargets) {
  Stage stage;
  stage.create(scaled_objects, scaled_object);
  bootstrap(stage, "Deployment", "ScaledObject");
  stage.cluster.remove(res::canaries, "default", "podinfo");
  stage.cluster.settle(30s);
  EXPECT_EQ(paused_at(stage, "podinfo"), "");
  EXPECT_EQ(stage.get(res::deployments, "podinfo").get("status", "readyReplicas"), Json(1));
}

constexpr const char* hpa = R"(
metadata: {name: podinfo}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  minReplicas: 2
  maxReplicas: 4
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 99}}}]
)";

void start_and_wait_for_traffic(Stage& stage) {
  bool moved = false;
  stage.on_event = [&moved](const std::string& text) { moved = moved || text.contains("weight 20"); };
  stage.set_image(res::deployments, "podinfo:6.0.1");
  for (int i = 0; i < 600 && !moved; ++i) stage.cluster.settle(200ms);
  ASSERT_TRUE(moved);
  stage.on_event = [](const std::string&) {};
}

// Scenario 38.
TEST(Scaler, ExchangedInARunLeavesOnlyTheNewOneOnThePrimary) {
  Stage stage;
  stage.create(res::hpas, hpa);
  stage.create(scaled_objects, scaled_object);
  bootstrap(stage, "Deployment", "HorizontalPodAutoscaler");
  start_and_wait_for_traffic(stage);
  stage.merge(res::canaries, "podinfo", "{spec: {autoscalerRef: {kind: ScaledObject}}}");
  EXPECT_TRUE(stage.reaches("Succeeded"));
  EXPECT_TRUE(stage.get(res::hpas, "podinfo-primary").is_null());
  EXPECT_FALSE(stage.get(res::hpas, "podinfo").is_null()) << "the user's";
  EXPECT_FALSE(stage.get(scaled_objects, "podinfo-primary").is_null());
}

TEST(Scaler, RemovedInARunHoldsNothingUp) {
  Stage stage;
  stage.create(res::hpas, hpa);
  bootstrap(stage, "Deployment", "HorizontalPodAutoscaler");
  start_and_wait_for_traffic(stage);
  stage.cluster.remove(res::hpas, "default", "podinfo");
  EXPECT_TRUE(stage.reaches("Succeeded"));
  EXPECT_FALSE(stage.get(res::hpas, "podinfo-primary").is_null()) << "the primary keeps what it has";
  EXPECT_THAT(stage.notes,
              Contains(HasSubstr("HorizontalPodAutoscaler podinfo.default get query error: "
                                 "horizontalpodautoscalers.autoscaling \"podinfo\" not found; ")));
  stage.merge(res::canaries, "podinfo", "{spec: {autoscalerRef: null}}");
  stage.set_image(res::deployments, "podinfo:6.0.2");
  EXPECT_TRUE(stage.reaches("Progressing"));
  EXPECT_TRUE(stage.reaches("Succeeded"));
  EXPECT_TRUE(stage.get(res::hpas, "podinfo-primary").is_null()) << "no longer named";
}

TEST(Scaler, ChangedBetweenRunsReachesThePrimaryWithTheNextPromotion) {
  Stage stage;
  stage.create(res::hpas, hpa);
  bootstrap(stage, "Deployment", "HorizontalPodAutoscaler");
  stage.merge(res::hpas, "podinfo", "{spec: {maxReplicas: 9}}");
  stage.cluster.settle(10s);
  EXPECT_EQ(stage.get(res::hpas, "podinfo-primary").get("spec", "maxReplicas"), Json(4));
  stage.set_image(res::deployments, "podinfo:6.0.1");
  EXPECT_TRUE(stage.reaches("Succeeded"));
  EXPECT_EQ(stage.get(res::hpas, "podinfo-primary").get("spec", "maxReplicas"), Json(9));
}

// --- labels

// Scenario 49: a target made anew with another selector. The primary's cannot change.
TEST(Labels, ARenamedLabelLeavesThePrimaryServing) {
  Stage stage;
  bootstrap(stage, "Deployment");
  stage.cluster.remove(res::deployments, "default", "podinfo");
  stage.cluster.settle(2s);
  stage.create(res::deployments, R"(
metadata: {name: podinfo}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: podinfod, image: "podinfo:6.0.1"}]}
)");
  EXPECT_TRUE(stage.reaches("Progressing"));
  EXPECT_EQ(stage.get(res::services, "podinfo-canary").get("spec", "selector", "app").str(), "web");
  EXPECT_EQ(stage.get(res::services, "podinfo").get("spec", "selector", "app").str(), "podinfo-primary");
  EXPECT_TRUE(stage.reaches("Succeeded"));
  EXPECT_EQ(image_of(stage, res::deployments, "podinfo-primary"), "podinfo:6.0.1");
  EXPECT_EQ(stage.get(res::services, "podinfo").get("spec", "selector", "app").str(), "podinfo-primary");
  EXPECT_EQ(stage.get(res::deployments, "podinfo-primary").get("status", "readyReplicas"), Json(1));
}

TEST(Labels, ATargetWithoutThePrimarysLabelIsNamedAndHarmsNothing) {
  Stage stage;
  bootstrap(stage, "Deployment");
  stage.cluster.remove(res::deployments, "default", "podinfo");
  stage.cluster.settle(2s);
  stage.texts.clear();
  stage.create(res::deployments, R"(
metadata: {name: podinfo}
spec:
  selector: {matchLabels: {name: podinfo}}
  template:
    metadata: {labels: {name: podinfo}}
    spec: {containers: [{name: podinfod, image: "podinfo:6.0.1"}]}
)");
  stage.cluster.settle(10s);
  EXPECT_THAT(stage.texts,
              ElementsAre("deployment podinfo.default spec.selector.matchLabels must contain app, by which "
                          "podinfo-primary.default was made: add it again"));
  EXPECT_EQ(stage.get(res::services, "podinfo").get("spec", "selector", "app").str(), "podinfo-primary");
}

// --- configs

/// A canary at rest whose pods use the Secret token and the ConfigMap colors.
void bootstrap_with_configs(Stage& stage) {
  stage.create(res::secrets, "{metadata: {name: token}, type: Opaque, data: {t: YQ==}}");
  stage.create(res::configmaps, "{metadata: {name: colors}, data: {color: blue}}");
  bootstrap(stage, "Deployment");
  stage.merge(res::deployments, "podinfo",
              "{spec: {template: {spec: {volumes: [{name: s, secret: {secretName: token}}, "
              "{name: c, configMap: {name: colors}}]}}}}");
  EXPECT_TRUE(stage.reaches("Succeeded"));
}

TEST(Configs, ACopyThatCannotBeChangedIsMadeAnew) {
  Stage stage;
  bootstrap_with_configs(stage);
  stage.cluster.settle(2s);
  stage.merge(res::configmaps, "colors-primary", "{immutable: true}");
  stage.cluster.remove(res::secrets, "default", "token");
  stage.create(res::secrets,
               "{metadata: {name: token}, type: kubernetes.io/basic-auth, data: {username: Yg==, password: "
               "Yg==}}");
  stage.merge(res::configmaps, "colors", "{data: {color: green}}");
  EXPECT_TRUE(stage.reaches("Progressing"));
  EXPECT_TRUE(stage.reaches("Succeeded"));
  EXPECT_EQ(stage.get(res::secrets, "token-primary")["type"].str(), "kubernetes.io/basic-auth");
  EXPECT_EQ(stage.get(res::configmaps, "colors-primary").get("data", "color").str(), "green");
}

/// A release whose only change is the contents of a ConfigMap and a Secret, with which the primary cannot
/// start.
void release_unusable_configs(Stage& stage) {
  bootstrap_with_configs(stage);
  stage.on_event = [&stage](const std::string& text) {
    if (text.starts_with("Copying")) stage.cluster.pods_become_ready = false;
    if (text.starts_with("Promotion of")) stage.cluster.pods_become_ready = true;
  };
  stage.merge(res::secrets, "token", "{data: {t: Yg==}}");
  stage.merge(res::configmaps, "colors", "{data: {color: none, extra: x}}");
}

TEST(Configs, AFailedPromotionGivesTheCopiesTheirPreviousContents) {
  Stage stage;
  release_unusable_configs(stage);
  EXPECT_TRUE(stage.reaches("Promoting"));
  stage.cluster.settle(5s);
  EXPECT_EQ(stage.get(res::configmaps, "colors-primary").get("data", "color").str(), "none");
  const Json kept = stage.get(res::secrets, "token-primary-previous");
  EXPECT_EQ(kept.get("data", "t").str(), "YQ==");
  EXPECT_EQ(kube::controller_owner(kept)["name"].str(), "podinfo") << "or it would outlive the Canary";

  EXPECT_TRUE(stage.reaches("Failed"));
  stage.cluster.settle(60s);
  EXPECT_EQ(stage.get(res::configmaps, "colors-primary")["data"],
            base::parse_yaml("color: blue").value().at(0));
  EXPECT_EQ(stage.get(res::secrets, "token-primary").get("data", "t").str(), "YQ==");
  EXPECT_EQ(stage.get(res::canaries, "podinfo").get("status", "canaryWeight"), Json(0)) << "it serves again";
  for (const char* name : {"colors-primary-previous", "token-primary-previous"})
    EXPECT_TRUE(stage.get(res::configmaps, name).is_null() && stage.get(res::secrets, name).is_null());
}

TEST(Configs, WhatWasKeptForAPromotionGoesWhenItSucceeds) {
  Stage stage;
  release_unusable_configs(stage);
  stage.on_event = [](const std::string&) {};
  EXPECT_TRUE(stage.reaches("Promoting"));
  EXPECT_TRUE(stage.reaches("Succeeded"));
  stage.cluster.settle(1s);
  EXPECT_EQ(stage.get(res::configmaps, "colors-primary").get("data", "color").str(), "none");
  EXPECT_TRUE(stage.get(res::configmaps, "colors-primary-previous").is_null());
  EXPECT_TRUE(stage.get(res::secrets, "token-primary-previous").is_null());
}

// A promotion that was cut off, and then another one: the contents to go back to are those of the revision
// that the primary still carries, not of the one that never came to run.
TEST(Configs, WhatIsKeptIsForTheRevisionThatThePrimaryCarries) {
  Stage stage;
  release_unusable_configs(stage);
  const std::string id = stage.get(res::deployments, "podinfo-primary")
                             .get("spec", "template", "metadata", "annotations", "flagger-id")
                             .str();
  stage.create(
      res::configmaps,
      fmt::format("{{metadata: {{name: colors-primary-previous, annotations: {{serin.dev/primary-id: "
                  "{}}}}}, data: {{color: green}}}}",
                  id));
  stage.create(res::secrets,
               "{metadata: {name: token-primary-previous, annotations: {serin.dev/primary-id: other}}, data: "
               "{t: Yw==}}");
  EXPECT_TRUE(stage.reaches("Failed"));
  stage.cluster.settle(60s);
  EXPECT_EQ(stage.get(res::configmaps, "colors-primary").get("data", "color").str(), "green");
  EXPECT_EQ(stage.get(res::secrets, "token-primary").get("data", "t").str(), "YQ==");
}

TEST(Configs, SomebodyElsesObjectIsNamedAndNotWrittenOver) {
  Stage stage;
  release_unusable_configs(stage);
  stage.create(res::configmaps, "{metadata: {name: colors-primary-previous}, data: {mine: x}}");
  EXPECT_TRUE(stage.reaches("Promoting"));
  stage.cluster.settle(10s);
  EXPECT_THAT(stage.texts, Contains(HasSubstr("configmap colors-primary-previous.default is somebody else's: "
                                              "delete it")));
  EXPECT_EQ(stage.get(res::configmaps, "colors-primary-previous").get("data", "mine").str(), "x");
  EXPECT_EQ(stage.get(res::configmaps, "colors-primary").get("data", "color").str(), "blue");
  stage.on_event = [](const std::string&) {};
  stage.cluster.pods_become_ready = true;
  stage.cluster.remove(res::configmaps, "default", "colors-primary-previous");
  EXPECT_TRUE(stage.reaches("Succeeded"));
}

TEST(Configs, SomebodyElsesObjectIsNotDeletedWithWhatIsKept) {
  Stage stage;
  bootstrap_with_configs(stage);
  stage.create(res::configmaps, "{metadata: {name: colors-primary-previous}, data: {mine: x}}");
  stage.set_image(res::deployments, "podinfo:6.0.1");
  EXPECT_TRUE(stage.reaches("Progressing"));
  EXPECT_TRUE(stage.reaches("Succeeded"));
  stage.cluster.settle(1s);
  EXPECT_EQ(stage.get(res::configmaps, "colors-primary-previous").get("data", "mine").str(), "x");
}

TEST(Configs, WithoutTrackingTheyAreSharedAndNoRevision) {
  Stage stage({.config_tracking = false});
  stage.create(res::configmaps, "{metadata: {name: colors}, data: {color: blue}}");
  bootstrap(stage, "Deployment");
  stage.merge(res::deployments, "podinfo",
              "{spec: {template: {spec: {volumes: [{name: c, configMap: {name: colors}}]}}}}");
  EXPECT_TRUE(stage.reaches("Succeeded"));
  EXPECT_TRUE(stage.get(res::configmaps, "colors-primary").is_null());
  const Json primary = stage.get(res::deployments, "podinfo-primary");
  EXPECT_EQ(primary.get("spec", "template", "spec", "volumes").at(0).get("configMap", "name").str(),
            "colors");
  stage.merge(res::configmaps, "colors", "{data: {color: green}}");
  EXPECT_FALSE(stage.reaches("Progressing", 1min));
  EXPECT_TRUE(stage.get(res::canaries, "podinfo").get("status", "trackedConfigs").is_null());
}

// --- Services

TEST(Services, OneCanaryDoesNotTakeAnothersAway) {
  Stage stage;
  bootstrap(stage, "Deployment");
  const Json apex = stage.get(res::services, "podinfo");
  stage.create(res::deployments, R"(
metadata: {name: other}
spec:
  selector: {matchLabels: {app: other}}
  template: {metadata: {labels: {app: other}}, spec: {containers: [{name: c, image: other}]}}
)");
  stage.create(res::canaries, R"(
metadata: {name: other}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: other}
  service: {name: podinfo, port: 9898}
  analysis: {interval: 10s, threshold: 3, maxWeight: 60, stepWeight: 20}
)");
  stage.cluster.settle(30s);
  EXPECT_THAT(stage.texts, Contains(HasSubstr("belongs to canary podinfo.default: give spec.service.name "
                                              "another value")));
  EXPECT_EQ(stage.get(res::services, "podinfo")["spec"], apex["spec"]);
  stage.texts.clear();
  stage.set_image(res::deployments, "podinfo:6.0.1");
  EXPECT_TRUE(stage.reaches("Succeeded")) << "undisturbed";
}

TEST(ServiceTarget, IsReleasedWithoutAnyPods) {
  Stage stage;
  stage.create(res::services, "{metadata: {name: podinfo}, spec: {selector: {v: a}, ports: [{port: 80}]}}");
  stage.create(res::canaries, fmt::format(canary_template, "Service", ""));
  EXPECT_TRUE(stage.reaches("Initialized"));
  const Json primary = stage.get(res::services, "podinfo-primary");
  EXPECT_EQ(primary.get("spec", "selector", "v").str(), "a");
  stage.merge(res::services, "podinfo", "{spec: {selector: {v: b}}}");
  EXPECT_TRUE(stage.reaches("Progressing"));
  EXPECT_EQ(stage.get(res::services, "podinfo-primary").get("spec", "selector", "v").str(), "a");
  EXPECT_EQ(stage.get(res::services, "podinfo-canary").get("spec", "selector", "v").str(), "b");
  EXPECT_TRUE(stage.reaches("Succeeded"));
  const Json promoted = stage.get(res::services, "podinfo-primary");
  EXPECT_EQ(promoted.get("spec", "selector", "v").str(), "b");
  EXPECT_EQ(promoted.get("spec", "clusterIP"), primary.get("spec", "clusterIP"));
  EXPECT_EQ(promoted.get("metadata", "ownerReferences"), primary.get("metadata", "ownerReferences"));
}

TEST(ServiceTarget, CopiesAreWrittenOnlyWhenTheyDiffer) {
  Stage stage;
  stage.create(res::services, "{metadata: {name: podinfo}, spec: {selector: {v: a}, ports: [{port: 80}]}}");
  stage.create(res::canaries, fmt::format(canary_template, "Service", ""));
  EXPECT_TRUE(stage.reaches("Initialized"));
  stage.cluster.settle(5s);
  const Json canary = stage.get(res::services, "podinfo-canary");
  const Json primary = stage.get(res::services, "podinfo-primary");
  stage.merge(res::services, "podinfo",
              "{metadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: x}}}");
  stage.cluster.settle(60s);
  EXPECT_EQ(stage.get(res::services, "podinfo-canary"), canary);
  EXPECT_EQ(stage.get(res::services, "podinfo-primary"), primary);
  EXPECT_NE(canary.get("spec", "clusterIP"), primary.get("spec", "clusterIP"));
}

}  // namespace
}  // namespace serin::controller
