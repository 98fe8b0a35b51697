#include "local/mesh/snapshot_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/yaml.h"

namespace serin::local {
namespace {

using base::Json;

/// Sorts the documents of a stream by their kind.
MeshObjects objects(const char* yaml) {
  MeshObjects sorted;
  const auto documents = base::parse_yaml(yaml);
  EXPECT_TRUE(documents) << documents.error().message;
  for (const Json& each : *documents) {
    const std::string& kind = each["kind"].str();
    auto object = std::make_shared<const Json>(each);
    if (kind == "Service") sorted.services.push_back(object);
    if (kind == "EndpointSlice") sorted.endpoint_slices.push_back(object);
    if (kind == "Pod") sorted.pods.push_back(object);
    if (kind == "ReplicaSet") sorted.replica_sets.push_back(object);
    if (kind == "TrafficSplit") sorted.traffic_splits.push_back(object);
    if (kind == "Ingress") sorted.ingresses.push_back(object);
  }
  return sorted;
}

constexpr const char* podinfo = R"(
kind: Service
metadata: {name: podinfo, namespace: test}
spec: {clusterIP: 10.96.0.5, ports: [{name: http, port: 9898, targetPort: http}, {name: dns, port: 53, protocol: UDP}]}
---
kind: Service
metadata: {name: podinfo-canary, namespace: test}
spec: {clusterIP: None, ports: [{name: http, port: 9898}]}
---
kind: EndpointSlice
metadata: {name: podinfo-1, namespace: test, labels: {kubernetes.io/service-name: podinfo}}
addressType: IPv4
ports: [{name: http, port: 9899}]
endpoints:
- {addresses: [10.244.0.7], conditions: {ready: true}, targetRef: {kind: Pod, name: podinfo-a}}
- {addresses: [10.244.0.8], conditions: {ready: true}, targetRef: {kind: Pod, name: podinfo-b}}
- {addresses: [10.244.0.200], conditions: {ready: false}}
---
kind: ReplicaSet
metadata: {name: podinfo-5d, namespace: test, ownerReferences: [{kind: Deployment, name: podinfo, controller: true}]}
---
kind: Pod
metadata: {name: podinfo-a, namespace: test, labels: {app: podinfo}, ownerReferences: [{kind: ReplicaSet, name: podinfo-5d, controller: true}]}
spec: {serviceAccountName: robot}
status: {phase: Running, podIP: 10.244.0.7, conditions: [{type: Ready, status: "True"}]}
---
kind: Pod
metadata: {name: podinfo-b, namespace: test}
status: {phase: Running, podIP: 10.244.0.8, conditions: [{type: Ready, status: "False"}]}
---
kind: Pod
metadata: {name: done, namespace: test}
status: {phase: Succeeded, podIP: 10.244.0.9}
---
kind: Pod
metadata: {name: waiting, namespace: test}
status: {phase: Pending}
)";

TEST(BuildSnapshot, JoinsServicesSlicesAndPods) {
  const MeshSnapshot snapshot = build_snapshot(objects(podinfo));
  ASSERT_EQ(snapshot.services.size(), 2u);
  const MeshService& service = snapshot.services[0];
  EXPECT_EQ(service.name, "podinfo");
  EXPECT_EQ(service.cluster_ip, "10.96.0.5");
  ASSERT_EQ(service.ports.size(), 1u) << "UDP is not carried";
  const std::vector<MeshEndpoint> expected = {
      {"10.244.0.200", 9899, {}, false},
      {"10.244.0.7", 9899, {"test", "podinfo-a"}, true},
      {"10.244.0.8", 9899, {"test", "podinfo-b"}, false},  // the pod knows before its slice does
  };
  EXPECT_EQ(service.ports[0].endpoints, expected);
  EXPECT_EQ(snapshot.services[1].cluster_ip, "") << "headless";
  ASSERT_EQ(snapshot.pods.size(), 2u);
  EXPECT_EQ(snapshot.pods[0].deployment, "podinfo");
  EXPECT_EQ(snapshot.pods[0].service_account, "robot");
  EXPECT_EQ(snapshot.pods[1].deployment, "");
  EXPECT_TRUE(snapshot_from_json(to_json(snapshot)));
}

TEST(BuildSnapshot, KnowsTheHostsOfPublishedIngresses) {
  const MeshSnapshot snapshot = build_snapshot(objects(R"(
kind: Ingress
metadata: {name: a, namespace: test, creationTimestamp: "2026-11-23T09:00:00Z"}
spec: {rules: [{host: app.example.com}, {host: "*.example.com"}, {http: {paths: []}}]}
status: {loadBalancer: {ingress: [{ip: 10.96.0.9}]}}
---
kind: Ingress
metadata: {name: later, namespace: test, creationTimestamp: "2026-11-23T09:00:01Z"}
spec: {rules: [{host: app.example.com}]}
status: {loadBalancer: {ingress: [{ip: 10.96.0.10}]}}
---
kind: Ingress
metadata: {name: unpublished, namespace: test}
spec: {rules: [{host: other.example.com}]}
)"));
  EXPECT_EQ(snapshot.hosts, (std::map<std::string, std::string>{{"app.example.com", "10.96.0.9"}}));
}

TEST(BuildSnapshot, SplitsAsTheTrafficSplitSays) {
  const std::string split = R"(
---
kind: TrafficSplit
metadata: {name: podinfo, namespace: test, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  service: podinfo
  backends: [{service: podinfo-canary, weight: "10"}, {service: podinfo-primary, weight: 90}]
)";
  MeshSnapshot snapshot = build_snapshot(objects((podinfo + split).c_str()));
  const std::vector<MeshBackend> expected = {{"podinfo-canary", 10000}, {"podinfo-primary", 90000}};
  EXPECT_EQ(snapshot.services[0].split, expected);

  const std::string none = R"(
---
kind: TrafficSplit
metadata: {name: later, namespace: test, creationTimestamp: "2026-01-02T00:00:00Z"}
spec: {service: podinfo, backends: [{service: podinfo-canary, weight: 0}]}
---
kind: TrafficSplit
metadata: {name: elsewhere, namespace: other, creationTimestamp: "2026-01-03T00:00:00Z"}
spec: {service: podinfo, backends: [{service: podinfo-canary, weight: 1}]}
)";
  snapshot = build_snapshot(objects((podinfo + split + none).c_str()));
  EXPECT_TRUE(snapshot.services[0].split.empty()) << "the newer one rules, and has no weight at all";
}

TEST(BuildSnapshot, LeavesOutWhatWouldMakeItInvalid) {
  const MeshSnapshot snapshot = build_snapshot(objects(R"(
kind: Service
metadata: {name: old, namespace: test, creationTimestamp: "2026-01-01T00:00:00Z"}
spec: {clusterIP: 10.96.0.5, ports: [{port: 80}]}
---
kind: Service
metadata: {name: copy, namespace: test, creationTimestamp: "2026-01-02T00:00:00Z"}
spec: {clusterIP: 10.96.0.5, ports: [{port: 80}, {port: 5432}, {port: 0}]}
---
kind: Service
metadata: {name: elsewhere, namespace: test}
spec: {type: ExternalName, externalName: example.com}
---
kind: Pod
metadata: {name: old, namespace: test, creationTimestamp: "2026-01-01T00:00:00Z"}
status: {phase: Running, podIP: 10.244.0.7}
---
kind: Pod
metadata: {name: new, namespace: test, creationTimestamp: "2026-01-02T00:00:00Z"}
status: {phase: Running, podIP: 10.244.0.7}
)"));
  ASSERT_EQ(snapshot.services.size(), 2u);
  EXPECT_EQ(snapshot.services[0].name, "copy");
  ASSERT_EQ(snapshot.services[0].ports.size(), 1u);
  EXPECT_TRUE(snapshot.services[0].ports[0].opaque) << "PostgreSQL's port";
  ASSERT_EQ(snapshot.pods.size(), 1u);
  EXPECT_EQ(snapshot.pods[0].name, "new");
  EXPECT_TRUE(snapshot_from_json(to_json(snapshot)));
}

TEST(ParseWeight, ReadsNumbersAndQuantities) {
  EXPECT_EQ(parse_weight(10), 10000u);
  EXPECT_EQ(parse_weight("10"), 10000u);
  EXPECT_EQ(parse_weight("500m"), 500u);
  EXPECT_EQ(parse_weight(0.07), 70u);
  EXPECT_EQ(parse_weight("0.0001"), 1u) << "rounded up";
  EXPECT_EQ(parse_weight("1e1"), 10000u);
  EXPECT_EQ(parse_weight(0), 0u);
  for (const Json& bad : {Json(-1), Json("x"), Json(""), Json(), Json("10%"), Json("nan")}) {
    EXPECT_EQ(parse_weight(bad), std::nullopt) << bad.dump();
  }
}

}  // namespace
}  // namespace serin::local
