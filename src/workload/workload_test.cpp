#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/yaml.h"
#include "workload/configs.h"
#include "workload/deployment.h"
#include "workload/labels.h"
#include "workload/scaler.h"

namespace serin::workload {
namespace {

using testing::ElementsAre;

Json yaml(std::string_view text) {
  return base::parse_yaml(text).value().at(0);
}

canary::Spec podinfo() {
  canary::Spec spec;
  spec.name = spec.target_name = "podinfo";
  spec.ns = "test";
  spec.uid = "u1";
  spec.target_kind = "Deployment";
  return spec;
}

Json target() {
  return yaml(R"(
apiVersion: apps/v1
kind: Deployment
metadata:
  name: podinfo
  namespace: test
  labels: {app: podinfo, team: web}
  annotations: {note: x, kustomize.toolkit.fluxcd.io/checksum: abc}
spec:
  replicas: 3
  minReadySeconds: 1
  revisionHistoryLimit: 5
  progressDeadlineSeconds: 60
  paused: true
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1}}
  selector: {matchLabels: {app: podinfo, tier: front}}
  template:
    metadata:
      labels: {app: podinfo, tier: front}
      annotations: {prometheus.io/scrape: "true"}
    spec:
      containers:
      - name: podinfod
        image: podinfo:6.0.0
        env:
        - {name: COLOR, valueFrom: {configMapKeyRef: {name: colors, key: c}}}
        envFrom: [{secretRef: {name: token, optional: true}}]
      initContainers: [{name: init, envFrom: [{configMapRef: {name: boot}}]}]
      volumes:
      - {name: a, configMap: {name: colors}}
      - {name: b, secret: {secretName: tls}}
      - {name: c, projected: {sources: [{secret: {name: more}}]}}
      topologySpreadConstraints:
      - {maxSkew: 1, labelSelector: {matchLabels: {app: podinfo}}}
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - {weight: 1, podAffinityTerm: {labelSelector: {matchExpressions: [{key: app, operator: In, values: [podinfo]}]}}}
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - {labelSelector: {matchLabels: {app: podinfo}}}
)");
}

TEST(Labels, FindsTheSelectorLabel) {
  EXPECT_EQ(selector_label(target(), {}), (SelectorLabel{"app", "podinfo"}));
  Json other = target();
  other.set("spec", "selector", "matchLabels") = Json::object({{"role", "x"}});
  EXPECT_EQ(selector_label(other, {}).error().message,
            "getSelectorLabel failed: deployment podinfo.test spec.selector.matchLabels must contain one of "
            "[app name "
            "app.kubernetes.io/name]");
}

TEST(Labels, APrimaryKeepsTheLabelItWasMadeWith) {
  const Json primary = yaml("{spec: {selector: {matchLabels: {app: podinfo-primary}}}}");
  EXPECT_EQ(established_label(target(), primary), (SelectorLabel{"app", "podinfo", ""}));
  Json renamed = target();
  renamed.set("spec", "selector", "matchLabels") = yaml("{name: podinfo, app: web}");
  const auto label = established_label(renamed, primary);
  EXPECT_EQ(label, (SelectorLabel{"app", "web", "podinfo-primary"}));
  EXPECT_EQ(label->primary_value(), "podinfo-primary");
  renamed.set("spec", "selector", "matchLabels") = yaml("{name: podinfo}");
  EXPECT_EQ(established_label(renamed, primary), std::nullopt);
}

TEST(Primary, SpreadsByTheLabelItIsSelectedBy) {
  Json made = target();
  made.set("spec", "template", "spec", "topologySpreadConstraints") = yaml(
      "[{labelSelector: {matchLabels: {app: web}}}, {labelSelector: {matchLabels: {tier: front, name: "
      "podinfo}}}]");
  const Json primary = new_primary({made, {"app", "web", ""}, {}, "id-1"}, podinfo(), {});
  const Json& spread = primary.get("spec", "template", "spec", "topologySpreadConstraints");
  EXPECT_EQ(spread.at(0).get("labelSelector", "matchLabels"), yaml("{app: web-primary}"));
  EXPECT_EQ(spread.at(1).get("labelSelector", "matchLabels"), yaml("{tier: front, name: podinfo}"));
}

TEST(Configs, FindsEveryReference) {
  std::vector<std::string> keys;
  for (const ConfigRef& ref : config_refs(target().get("spec", "template"))) keys.push_back(ref.key());
  EXPECT_THAT(keys,
              ElementsAre("configmap/boot", "configmap/colors", "secret/more", "secret/tls", "secret/token"));
}

TEST(Configs, ChecksumsAreTheKnownOnes) {
  const auto checksum = [](const char* data) {
    Json config = Json::object();
    if (*data) config.set("data") = *Json::parse(data);
    return config_checksum(config);
  };
  EXPECT_EQ(checksum(R"({"color":"blue"})"), "f234cb93c08ad64e");
  EXPECT_EQ(checksum(R"({"color":"green"})"), "b1c0d2a81c6839b3");
  EXPECT_EQ(checksum(R"({"token":"YQ=="})"), "0fd53b105077a205");
  EXPECT_EQ(checksum(R"({"tls.key":"","tls.crt":""})"), "be22754424d8353f");
  EXPECT_EQ(checksum(""), "74234e98afe7498f");
  EXPECT_EQ(checksum("{\"a\":\"<b>&\xe2\x80\xa8\xc3\xa9\"}"), "6cb53ef1891b0297");
}

TEST(Configs, BinaryDataCountsWhereThereIsSome) {
  const Json plain = yaml("{data: {color: blue}}"),
             binary = yaml("{data: {color: blue}, binaryData: {b: YQ==}}");
  EXPECT_EQ(config_checksum(plain), "f234cb93c08ad64e");
  EXPECT_NE(config_checksum(binary), config_checksum(plain));
}

TEST(Configs, KnowsCopiesThatTheApiWouldNotChange) {
  const Json opaque = yaml("{type: Opaque}"), tls = yaml("{type: kubernetes.io/tls}"),
             map = yaml("{data: {}}");
  EXPECT_TRUE(must_be_replaced(opaque, tls));
  EXPECT_TRUE(must_be_replaced(yaml("{immutable: true}"), map));
  EXPECT_FALSE(must_be_replaced(map, map));
  EXPECT_FALSE(must_be_replaced(tls, tls));
}

TEST(Configs, TracksWhatIsNotOptedOut) {
  EXPECT_TRUE(is_tracked(yaml("{kind: ConfigMap}")));
  EXPECT_FALSE(is_tracked(
      yaml("{kind: ConfigMap, metadata: {annotations: {flagger.app/config-tracking: disabled}}}")));
  EXPECT_TRUE(is_tracked(yaml("{kind: Secret, type: kubernetes.io/tls}")));
  EXPECT_FALSE(is_tracked(yaml("{kind: Secret, type: kubernetes.io/dockerconfigjson}")));
}

TEST(Configs, CopiesForThePrimary) {
  const Json source =
      yaml("{kind: Secret, metadata: {name: token, labels: {a: b}}, type: Opaque, data: {t: YQ==}}");
  const Json existing = yaml(
      "{metadata: {ownerReferences: [{kind: Canary, name: podinfo, controller: true}, {kind: Canary, name: "
      "other, controller: true}]}}");
  const Json copy = primary_config(source, existing, podinfo(), {});
  EXPECT_EQ(copy.get("metadata", "name").str(), "token-primary");
  EXPECT_TRUE(copy.get("metadata", "labels").is_null());
  EXPECT_EQ(copy["data"], source["data"]);
  EXPECT_EQ(copy["type"].str(), "Opaque");
  ASSERT_EQ(copy.get("metadata", "ownerReferences").size(), 2u);
  EXPECT_EQ(copy.get("metadata", "ownerReferences").at(1)["controller"], Json(false));
}

TEST(Primary, IsMadeFromTheTarget) {
  const Json made = target();
  const PrimarySource source{made, {"app", "podinfo"}, {"configmap/colors", "secret/tls"}, "id-1"};
  const Json primary = new_primary(source, podinfo(), {});
  EXPECT_EQ(primary.get("metadata", "labels").dump(), R"({"app":"podinfo-primary"})");
  EXPECT_EQ(primary.get("metadata", "annotations").dump(), R"({"note":"x"})");
  EXPECT_EQ(primary.get("spec", "selector", "matchLabels").dump(), R"({"app":"podinfo-primary"})");
  EXPECT_EQ(primary.get("spec", "replicas"), Json(3));
  EXPECT_TRUE(primary.get("spec", "paused").is_null());
  EXPECT_EQ(primary.get("spec", "strategy"), made.get("spec", "strategy"));
  const Json& pod = primary.get("spec", "template");
  EXPECT_EQ(pod.get("metadata", "labels"), yaml("{app: podinfo-primary, tier: front}"));
  EXPECT_EQ(pod.get("metadata", "annotations"), yaml("{prometheus.io/scrape: \"true\", flagger-id: id-1}"));
  EXPECT_EQ(primary_id(primary), "id-1");
  const Json& spec = pod["spec"];
  EXPECT_EQ(spec["volumes"].at(0).get("configMap", "name").str(), "colors-primary");
  EXPECT_EQ(spec["volumes"].at(1).get("secret", "secretName").str(), "tls-primary");
  EXPECT_EQ(spec["initContainers"].at(0)["envFrom"].at(0).get("configMapRef", "name").str(), "boot")
      << "not tracked";
  EXPECT_EQ(spec["topologySpreadConstraints"].at(0).get("labelSelector", "matchLabels", "app").str(),
            "podinfo-primary");
  const Json& affinity = spec["affinity"];
  EXPECT_EQ(affinity.get("podAntiAffinity", "preferredDuringSchedulingIgnoredDuringExecution")
                .at(0)
                .get("podAffinityTerm", "labelSelector", "matchExpressions")
                .at(0)["values"]
                .dump(),
            R"(["podinfo-primary"])");
  EXPECT_EQ(affinity.get("podAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
                .at(0)
                .get("labelSelector", "matchLabels", "app")
                .str(),
            "podinfo");
}

TEST(Primary, IsPromotedWithoutShrinking) {
  const Json first = target();
  Json primary = new_primary({first, {"app", "podinfo"}, {}, "id-1"}, podinfo(), {});
  primary.set("metadata", "resourceVersion") = "7";
  primary.set("spec", "replicas") = 5;
  Json next = target();
  next.set("spec", "replicas") = 2;
  next.set("spec", "template", "spec", "containers").make_array()[0].set("image") = "podinfo:6.0.1";
  const Json promoted = promoted_primary(primary, {next, {"app", "podinfo"}, {}, "id-2"}, podinfo(), {});
  EXPECT_EQ(promoted.get("metadata", "resourceVersion").str(), "7");
  EXPECT_EQ(promoted.get("spec", "replicas"), Json(5));
  EXPECT_EQ(promoted.get("spec", "template", "spec", "containers").at(0)["image"].str(), "podinfo:6.0.1");
  EXPECT_EQ(primary_id(promoted), "id-2");
  EXPECT_TRUE(promoted.get("metadata", "annotations").is_null());
}

TEST(Target, IsScaledUpToWhatItNeeds) {
  Json at_zero = target();
  at_zero.set("spec", "replicas") = 0;
  const Json primary = yaml("{spec: {replicas: 4}}"), hpa = yaml("{spec: {minReplicas: 2}}"), none;
  canary::Spec spec = podinfo();
  EXPECT_EQ(replicas_from_zero(target(), primary, spec, none), 3);
  EXPECT_EQ(replicas_from_zero(at_zero, primary, spec, none), 4);
  spec.autoscaler = canary::Autoscaler{"HorizontalPodAutoscaler", "podinfo", {}, {}};
  EXPECT_EQ(replicas_from_zero(at_zero, primary, spec, hpa), 2);
  EXPECT_EQ(replicas_from_zero(at_zero, primary, spec, none), 1);
}

TEST(Hpa, FollowsTheTargets) {
  const Json hpa = yaml(R"(
metadata: {name: podinfo, labels: {a: b}, annotations: {c: d}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  minReplicas: 2
  maxReplicas: 4
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 99}}}]
)");
  canary::Spec spec = podinfo();
  const Json made = make_hpa()->new_primary(hpa, spec);
  EXPECT_EQ(made.get("metadata", "name").str(), "podinfo-primary");
  EXPECT_EQ(made.get("metadata", "labels"), yaml("{a: b}"));
  EXPECT_TRUE(made.get("metadata", "annotations").is_null());
  EXPECT_EQ(made.get("spec", "scaleTargetRef", "name").str(), "podinfo-primary");
  EXPECT_EQ(made.get("spec", "metrics"), hpa.get("spec", "metrics"));
  EXPECT_EQ(make_hpa()->updated_primary(made, hpa, spec), made);
  spec.autoscaler = canary::Autoscaler{"HorizontalPodAutoscaler", "podinfo", 3, 9};
  EXPECT_EQ(make_hpa()->updated_primary(made, hpa, spec).get("spec", "maxReplicas"), Json(9));
}

}  // namespace
}  // namespace serin::workload
