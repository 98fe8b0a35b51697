#include <gtest/gtest.h>

#include "base/yaml.h"
#include "workload/kind.h"
#include "workload/scaler.h"
#include "workload/service.h"

namespace serin::workload {
namespace {

using To = canary::ScaleTarget::To;

Json yaml(std::string_view text) {
  return base::parse_yaml(text).value().at(0);
}

canary::Spec podinfo(const std::string& kind) {
  canary::Spec spec;
  spec.name = spec.target_name = "podinfo";
  spec.ns = "test";
  spec.uid = "u1";
  spec.target_kind = kind;
  return spec;
}

TEST(Kinds, AreThoseThatCanBeReleased) {
  for (const char* name : {"Deployment", "DaemonSet", "Service"}) {
    EXPECT_EQ(kind_of(name).value()->resource().kind, name);
  }
  EXPECT_EQ(kind_of("StatefulSet").error().message,
            "spec.targetRef.kind: StatefulSet is not supported, use Deployment, DaemonSet or Service");
}

// --- DaemonSet

constexpr const char* daemonset = R"(
metadata: {name: podinfo, namespace: test}
spec:
  updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1}}
  minReadySeconds: 3
  selector: {matchLabels: {app: podinfo}}
  template:
    metadata: {labels: {app: podinfo}}
    spec:
      nodeSelector: {disk: ssd, flagger.app/scale-to-zero: "true"}
      containers: [{name: podinfod, image: "podinfo:6.0.0"}]
)";

TEST(DaemonSetKind, APrimaryIsNeverParked) {
  const auto kind = kind_of("DaemonSet").value();
  const Json target = yaml(daemonset);
  const canary::Spec spec = podinfo("DaemonSet");
  const PrimarySource source{target, {"app", "podinfo"}, {}, "id-1"};
  const Json primary = kind->new_primary(source, spec, {});
  EXPECT_EQ(primary.get("spec", "template", "spec", "nodeSelector"), yaml("{disk: ssd}"));
  EXPECT_EQ(primary.get("spec", "updateStrategy"), target.get("spec", "updateStrategy"));
  EXPECT_EQ(primary.get("spec", "minReadySeconds"), Json(3));
  EXPECT_FALSE(primary["spec"].contains("replicas"));
  EXPECT_EQ(kind->primary_id(primary), "id-1");
  const PrimarySource next{target, {"app", "podinfo"}, {}, "id-2"};
  const Json promoted = kind->promoted_primary(primary, next, spec, {});
  EXPECT_EQ(promoted.get("spec", "template", "spec", "nodeSelector"), yaml("{disk: ssd}"));
  EXPECT_EQ(kind->primary_id(promoted), "id-2");
  const Json restored = kind->restored_primary(promoted, kind->kept_revision(promoted));
  EXPECT_EQ(restored["spec"], primary["spec"]);
}

TEST(DaemonSetKind, IsRestoredFromAControllerRevisionToo) {
  const auto kind = kind_of("DaemonSet").value();
  const Json primary = yaml("{spec: {template: {metadata: {annotations: {flagger-id: id-2}}}}}");
  const Json earlier = yaml(
      "{kind: ControllerRevision, revision: 1, data: {spec: {template: {$patch: replace, metadata: "
      "{annotations: {flagger-id: id-1}}}}}}");
  EXPECT_TRUE(kind->kept_revision(primary).is_null());
  EXPECT_EQ(kind->primary_id(earlier), "id-1");
  EXPECT_EQ(kind->restored_primary(primary, earlier),
            yaml("{spec: {template: {metadata: {annotations: {flagger-id: id-1}}}}}"));
}

TEST(DaemonSetKind, IsParkedAndUnparkedByItsNodeSelector) {
  const auto kind = kind_of("DaemonSet").value();
  const canary::Spec spec = podinfo("DaemonSet");
  const Json parked = yaml(daemonset), none;
  Json running = parked;
  running.set("spec", "template", "spec", "nodeSelector") = yaml("{disk: ssd}");
  const std::string key = R"({"spec":{"template":{"spec":{"nodeSelector":{"flagger.app/scale-to-zero":)";
  EXPECT_EQ(kind->scaled(running, none, spec, none, To::zero).dump(), key + R"("true"}}}}})");
  EXPECT_EQ(kind->scaled(parked, none, spec, none, To::from_zero).dump(), key + "null}}}}}");
  EXPECT_EQ(kind->scaled(parked, none, spec, none, To::primary).dump(), key + "null}}}}}");
  EXPECT_TRUE(kind->scaled(parked, none, spec, none, To::zero).is_null());
  EXPECT_TRUE(kind->scaled(running, none, spec, none, To::from_zero).is_null());
  EXPECT_TRUE(kind->grown(running, 5).is_null()) << "nodes decide how many there are";
}

TEST(DaemonSetKind, SaysWhatFailedAsTheReferenceDoes) {
  const auto kind = kind_of("DaemonSet").value();
  const canary::Spec spec = podinfo("DaemonSet");
  EXPECT_EQ(kind->scaling(spec, {}, To::zero), "updating daemonset podinfo.test failed");
  EXPECT_EQ(kind->scaling(spec, {}, To::from_zero), "scaling up daemonset podinfo.test failed");
  EXPECT_EQ(kind->creating(spec),
            "createPrimaryDaemonSet failed: creating daemonset podinfo-primary.test failed");
  Json nameless = yaml(daemonset);
  nameless.set("kind") = "DaemonSet";
  nameless.set("spec", "selector", "matchLabels") = yaml("{role: x}");
  EXPECT_TRUE(
      kind->label(nameless, {})
          .error()
          .message.ends_with("daemonset podinfo.test spec.selector.matchLabels must contain one of [app name "
                             "app.kubernetes.io/name]'"));
}

// --- Service

constexpr const char* service = R"(
metadata:
  name: podinfo
  namespace: test
  labels: {team: web}
  annotations: {note: x, kubectl.kubernetes.io/last-applied-configuration: "{}"}
spec:
  type: LoadBalancer
  clusterIP: 10.96.77.103
  clusterIPs: [10.96.77.103]
  ipFamilies: [IPv4]
  ipFamilyPolicy: SingleStack
  externalTrafficPolicy: Local
  healthCheckNodePort: 30001
  allocateLoadBalancerNodePorts: true
  sessionAffinity: None
  selector: {app: podinfo}
  ports: [{name: http, port: 80, targetPort: 9898, nodePort: 30000}]
)";

TEST(ServiceKind, CopiesCarryNothingThatTheClusterAssigns) {
  const Json made = canary_service(yaml(service), {}, podinfo("Service"));
  EXPECT_EQ(made["spec"], yaml("{type: ClusterIP, sessionAffinity: None, selector: {app: podinfo}, ports: "
                               "[{name: http, port: 80, targetPort: 9898}]}"));
  EXPECT_EQ(made.get("metadata", "name").str(), "podinfo-canary");
  EXPECT_EQ(made.get("metadata", "annotations"), yaml("{note: x}"));
  EXPECT_EQ(made.get("metadata", "ownerReferences").at(0)["uid"].str(), "u1");
  Json headless = yaml(service);
  headless.set("spec", "type") = "ClusterIP";
  headless.set("spec", "clusterIP") = "None";
  EXPECT_EQ(canary_service(headless, {}, podinfo("Service")).get("spec", "clusterIP").str(), "None");
}

TEST(ServiceKind, CopiesKeepTheirOwnAddressAndForeignMetadata) {
  const canary::Spec spec = podinfo("Service");
  Json live = canary_service(yaml(service), {}, spec);
  live.set("metadata", "resourceVersion") = "7";
  live.set("metadata", "annotations", "theirs") = "y";
  live.set("spec", "clusterIP") = "10.96.0.9";
  live.set("spec", "clusterIPs") = yaml("[10.96.0.9]");
  EXPECT_EQ(canary_service(yaml(service), live, spec), live) << "nothing to write";
  Json next = yaml(service);
  next.set("spec", "selector") = yaml("{app: podinfo, version: b}");
  const Json updated = canary_service(next, live, spec);
  EXPECT_EQ(updated.get("spec", "selector", "version").str(), "b");
  EXPECT_EQ(updated.get("spec", "clusterIP").str(), "10.96.0.9");
  EXPECT_EQ(updated.get("metadata", "annotations", "theirs").str(), "y");
}

TEST(ServiceKind, ARevisionIsWhatCopiesTakeOver) {
  const auto kind = kind_of("Service").value();
  const canary::WorkloadView view = kind->view(yaml(service));
  EXPECT_EQ(view.replicas, 1);
  EXPECT_EQ(view.ready, 1);
  EXPECT_TRUE(canary::readiness(view, "podinfo", 100, {}, std::chrono::seconds(60)).ready);
  Json moved = yaml(service);
  moved.set("spec", "clusterIP") = "10.96.0.1";
  moved.set("spec", "ports").make_array()[0].set("nodePort") = 31000;
  EXPECT_EQ(kind->view(moved).revision, view.revision);
  moved.set("spec", "selector", "version") = "b";
  EXPECT_NE(kind->view(moved).revision, view.revision);
}

TEST(ServiceKind, APromotionKeepsAddressAndOwner) {
  const auto kind = kind_of("Service").value();
  const canary::Spec spec = podinfo("Service");
  const Json target = yaml(service);
  Json primary = kind->new_primary({target, {}, {}, "id-1"}, spec, {});
  EXPECT_EQ(kind->primary_id(primary), "id-1");
  primary.set("spec", "clusterIP") = "10.96.0.8";
  Json next = target;
  next.set("spec", "selector", "version") = "b";
  const Json promoted = kind->promoted_primary(primary, {next, {}, {}, "id-2"}, spec, {});
  EXPECT_EQ(promoted.get("spec", "selector", "version").str(), "b");
  EXPECT_EQ(promoted.get("spec", "clusterIP").str(), "10.96.0.8");
  EXPECT_EQ(promoted.get("metadata", "ownerReferences"), primary.get("metadata", "ownerReferences"));
  EXPECT_EQ(promoted.get("metadata", "annotations"), yaml("{flagger-id: id-2}"));
  EXPECT_FALSE(promoted["metadata"].contains("labels"));
}

// --- ScaledObject

TEST(ScaledObject, QueriesNameThePrimary) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(rate(r{app="podinfo"}[1m]))", R"(rate(r{app="podinfo-primary"}[1m]))"},
      {R"(rate(r{svc="podinfo-canary"}[1m]))", R"(rate(r{svc="podinfo-primary"}[1m]))"},
      {R"(rate(r{svc="podinfo-primary"}[1m]))", R"(rate(r{svc="podinfo-primary"}[1m]))"},
      {R"(rate(r{db="my-podinfo-db"}[1m]))", R"(rate(r{db="my-podinfo-db"}[1m]))"},
      {R"(rate(podinfo_requests{host="podinfo.test"}[1m]))",
       R"(rate(podinfo_requests{host="podinfo-primary.test"}[1m]))"},
      {R"(r{pod=~"podinfo-.*"})", R"(r{pod=~"podinfo-primary-.*"})"},
      {R"(r{pod=~"podinfo-canary-[0-9]+"})", R"(r{pod=~"podinfo-primary-[0-9]+"})"},
      {"podinfo", "podinfo-primary"},
      {"", ""},
  };
  for (const auto& [query, expected] : cases) EXPECT_EQ(primary_query(query, "podinfo"), expected);
}

Json scaled_object() {
  return yaml(R"(
metadata:
  name: podinfo
  labels: {team: web}
  annotations:
    autoscaling.keda.sh/paused-replicas: "0"
    autoscaling.keda.sh/paused: "true"
    scaledobject.keda.sh/transfer-hpa-ownership: "true"
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo, envSourceContainerName: podinfod}
  pollingInterval: 5
  minReplicaCount: 1
  maxReplicaCount: 3
  fallback: {failureThreshold: 3, replicas: 2}
  somethingNew: {a: 1}
  advanced: {horizontalPodAutoscalerConfig: {name: podinfo-hpa}}
  triggers:
  - {type: prometheus, name: one, metadata: {metricName: podinfo, query: 'a{app="podinfo"}'}}
  - {type: prometheus, name: two, metadata: {query: 'b{app="podinfo"}'}}
)");
}

TEST(ScaledObject, IsCopiedForThePrimaryWithoutItsPause) {
  canary::Spec spec = podinfo("Deployment");
  spec.autoscaler =
      canary::Autoscaler{.kind = "ScaledObject", .name = "podinfo", .primary_min = 2, .primary_max = 9};
  const auto scaler = scaler_of(spec);
  const Json primary = scaler->new_primary(scaled_object(), spec);
  EXPECT_EQ(primary["apiVersion"].str(), "keda.sh/v1alpha1");
  EXPECT_EQ(primary.get("metadata", "annotations"),
            yaml("{scaledobject.keda.sh/transfer-hpa-ownership: \"true\"}"));
  EXPECT_EQ(primary["spec"], yaml(R"(
scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo-primary, envSourceContainerName: podinfod}
pollingInterval: 5
minReplicaCount: 2
maxReplicaCount: 9
fallback: {failureThreshold: 3, replicas: 2}
somethingNew: {a: 1}
advanced: {horizontalPodAutoscalerConfig: {name: podinfo-hpa-primary}}
triggers:
- {type: prometheus, name: one, metadata: {metricName: podinfo, query: 'a{app="podinfo-primary"}'}}
- {type: prometheus, name: two, metadata: {query: 'b{app="podinfo-primary"}'}}
)"));
  Json live = primary;
  live.set("metadata", "annotations", "theirs") = "x";
  EXPECT_EQ(scaler->updated_primary(live, scaled_object(), spec), live);
}

TEST(ScaledObject, QueriesCanBeGivenByTrigger) {
  canary::Spec spec = podinfo("Deployment");
  spec.autoscaler = canary::Autoscaler{
      .kind = "ScaledObject", .name = "podinfo", .primary_queries = {{"two", "mine"}, {"tow", "typo"}}};
  const auto scaler = scaler_of(spec);
  const Json primary = scaler->new_primary(scaled_object(), spec);
  const Json& triggers = primary.get("spec", "triggers");
  EXPECT_EQ(triggers.at(0).get("metadata", "query").str(), R"(a{app="podinfo"})");
  EXPECT_EQ(triggers.at(1).get("metadata", "query").str(), "mine");
  const std::vector<std::string> remarks = scaler->remarks(scaled_object(), spec);
  ASSERT_EQ(remarks.size(), 1u);
  EXPECT_EQ(remarks[0],
            "spec.autoscalerRef.primaryScalerQueries.tow: ScaledObject podinfo.test has no trigger of this "
            "name with a query, check spec.triggers[].name");
}

TEST(ScaledObject, IsPausedByAnAnnotation) {
  const auto scaler = make_scaled_object();
  EXPECT_TRUE(scaler->paused(scaled_object(), true).is_null());
  EXPECT_EQ(scaler->paused(scaled_object(), false).dump(),
            R"({"metadata":{"annotations":{"autoscaling.keda.sh/paused-replicas":null}}})");
  EXPECT_EQ(scaler->paused(yaml("{metadata: {}}"), true).dump(),
            R"({"metadata":{"annotations":{"autoscaling.keda.sh/paused-replicas":"0"}}})");
  EXPECT_TRUE(scaler->paused(yaml("{metadata: {}}"), false).is_null());
  EXPECT_TRUE(make_hpa()->paused(scaled_object(), true).is_null());
}

TEST(ScaledObject, ItsLeastReplicasAreTheTargets) {
  EXPECT_EQ(min_replicas(yaml("{spec: {minReplicaCount: 3}}")), 3);
  EXPECT_EQ(min_replicas(yaml("{spec: {minReplicaCount: 0}}")), 1);
  EXPECT_EQ(min_replicas(yaml("{spec: {minReplicas: 2}}")), 2);
}

}  // namespace
}  // namespace serin::workload
