#include "routing/services.h"

#include "routing/cluster_for_tests.h"

namespace serin::routing {
namespace {

TEST(Services, AreMadeForEachRole) {
  const Json apex = new_service(podinfo(), Role::apex, label, Json());
  EXPECT_EQ(apex, yaml(R"(
apiVersion: v1
kind: Service
metadata:
  name: podinfo
  namespace: test
  labels: {app: podinfo}
  annotations: {helm.toolkit.fluxcd.io/driftDetection: disabled, kustomize.toolkit.fluxcd.io/reconcile: disabled}
  ownerReferences: [{apiVersion: flagger.app/v1beta1, blockOwnerDeletion: true, controller: true, kind: Canary, name: podinfo, uid: u1}]
spec:
  type: ClusterIP
  ports: [{name: http, port: 9898, protocol: TCP, targetPort: 9898}]
  selector: {app: podinfo-primary}
)"));
  EXPECT_EQ(new_service(podinfo(), Role::canary, label, Json()).get("spec", "selector", "app").str(),
            "podinfo");
  EXPECT_EQ(new_service(podinfo(), Role::canary, label, Json()).get("metadata", "labels", "app").str(),
            "podinfo-canary");
}

TEST(Services, AreLeftAloneWhenTheyAreRight) {
  Json live = new_service(podinfo(), Role::apex, label, Json());
  live.set("spec", "clusterIP") = "10.96.0.7";
  live.set("spec", "ports").make_array()[0].set("nodePort") = 30000;
  EXPECT_EQ(reconciled_service(live, podinfo(), Role::apex, label, Json()), live);
}

TEST(Services, AreBroughtBackFromDrift) {
  const Json right = new_service(podinfo(), Role::primary, label, Json());
  Json live = right;
  live.set("spec", "selector", "app") = "elsewhere";
  live.set("metadata", "labels", "foreign") = "x";
  live.set("spec", "ports").push_back(yaml("{port: 1, protocol: TCP}"));
  EXPECT_EQ(reconciled_service(live, podinfo(), Role::primary, label, Json()), right);
}

TEST(Services, TakingOneOverKeepsItsPortsAndLabels) {
  const Json live = yaml(R"(
metadata: {name: podinfo, labels: {mine: x}}
spec: {selector: {app: podinfo}, ports: [{name: web, port: 9898, protocol: TCP, targetPort: http}, {name: admin, port: 81, protocol: TCP}]}
)");
  const Json taken = reconciled_service(live, podinfo(), Role::apex, label, Json());
  EXPECT_EQ(taken.get("spec", "selector"), yaml("{app: podinfo-primary}"));
  EXPECT_EQ(taken.get("spec", "ports").size(), 2u);
  EXPECT_EQ(taken.get("metadata", "labels"), yaml("{mine: x}"));
  EXPECT_TRUE(taken.get("metadata", "ownerReferences").is_null());
  EXPECT_EQ(taken.get("metadata", "annotations", "kustomize.toolkit.fluxcd.io/reconcile").str(), "disabled");
}

TEST(Services, DiscoverPorts) {
  canary::Spec spec = podinfo();
  spec.service.port_discovery = true;
  const Json target = yaml(R"(
spec: {template: {spec: {containers: [
  {name: podinfod, ports: [{name: http, containerPort: 9898}, {name: grpc, containerPort: 9999}, {containerPort: 9797}]},
  {name: linkerd-proxy, ports: [{containerPort: 4191}]}]}}}
)");
  EXPECT_EQ(service_ports(spec, target), yaml(R"([
    {name: http, port: 9898, protocol: TCP, targetPort: 9898},
    {name: tcp-podinfod-2, port: 9797, protocol: TCP, targetPort: 9797},
    {name: grpc, port: 9999, protocol: TCP, targetPort: 9999}])"));
}

TEST(Services, AreReleasedToTheTarget) {
  const Json live = new_service(podinfo(), Role::apex, label, Json());
  const Json released = released_service(live, podinfo(), label);
  EXPECT_TRUE(released.get("metadata", "ownerReferences").is_null());
  EXPECT_EQ(released.get("spec", "selector", "app").str(), "podinfo");
}

}  // namespace
}  // namespace serin::routing
