#include "local/apiserver/discovery.h"
#include "local/apiserver/registry_for_tests.h"

namespace serin::local {
namespace {

using testing::canary_yaml;
using testing::outcome;
using testing::World;
using testing::yaml;
namespace res = kube::resources;

struct CrdTest : ::testing::Test {
  CrdTest() { world.install_crds(); }
  World world;
};

TEST_F(CrdTest, AreServedAtOnce) {
  const Json crd = world.get(res::crds, "canaries.flagger.app");
  EXPECT_EQ(crd.get("status", "conditions").at(0)["type"].str(), "NamesAccepted");
  EXPECT_EQ(crd.get("status", "conditions").at(1)["type"].str(), "Established");
  EXPECT_EQ(crd.get("status", "conditions").at(1)["status"].str(), "True");
  EXPECT_EQ(crd.get("status", "storedVersions"), Json::array({"v1beta1"}));
  EXPECT_EQ(outcome(world.create(res::canaries, canary_yaml)), "ok");
  const Json list = discovery_document(world.registry->catalog(), "/apis/flagger.app/v1beta1");
  EXPECT_EQ(list["resources"].size(), 6u) << "three resources and their status";
}

TEST_F(CrdTest, SurviveARestart) {
  ASSERT_EQ(outcome(world.create(res::canaries, canary_yaml)), "ok");
  world.open();
  EXPECT_EQ(kube::name_of(world.get(res::canaries, "podinfo")), "podinfo");
}

TEST_F(CrdTest, ValidateDefaultAndPrune) {
  Json object = yaml(canary_yaml);
  object.set("spec", "analysis", "iterations") = 3;
  EXPECT_EQ(outcome(world.registry->create(res::canaries, "default", object, {})),
            "422 Invalid: Canary.flagger.app \"podinfo\" is invalid: <nil>: Invalid value: \"\": "
            "\"spec.analysis\" must "
            "validate one and only one schema (oneOf). Found 2 valid alternatives");
  object = yaml(canary_yaml);
  object.set("spec", "canaryAnalysis", "interval") = "1m";
  object.set("spec", "analysis", "sessionAffinity", "cookieName") = "c";
  EXPECT_EQ(outcome(world.registry->create(res::canaries, "default", object,
                                           {.validation = FieldValidation::strict})),
            "400 BadRequest: Canary in version \"v1beta1\" cannot be handled as a Canary: strict decoding "
            "error: unknown "
            "field \"spec.canaryAnalysis\"");
  auto written =
      world.registry->create(res::canaries, "default", object, {.validation = FieldValidation::warn});
  ASSERT_EQ(outcome(written), "ok");
  EXPECT_EQ(written->warnings, std::vector<std::string>{"unknown field \"spec.canaryAnalysis\""});
  EXPECT_TRUE(written->object->get("spec", "canaryAnalysis").is_null());
  EXPECT_EQ(written->object->get("spec", "analysis", "sessionAffinity", "maxAge"), Json(86400));
}

TEST_F(CrdTest, KeepStatusApart) {
  ASSERT_EQ(outcome(world.create(res::canaries, canary_yaml)), "ok");
  ASSERT_EQ(outcome(world.merge(res::canaries, "podinfo", "{status: {phase: Failed}, spec: {suspend: true}}",
                                "status")),
            "ok");
  Json object = world.get(res::canaries, "podinfo");
  EXPECT_EQ(object.get("status", "phase").str(), "Failed");
  EXPECT_TRUE(object.get("spec", "suspend").is_null());
  EXPECT_EQ(object.get("metadata", "generation"), Json(1));
  ASSERT_EQ(
      outcome(world.merge(res::canaries, "podinfo", "{status: {phase: Succeeded}, spec: {suspend: true}}")),
      "ok");
  object = world.get(res::canaries, "podinfo");
  EXPECT_EQ(object.get("status", "phase").str(), "Failed");
  EXPECT_EQ(object.get("metadata", "generation"), Json(2));
}

TEST_F(CrdTest, NeedAVersionToBeReplaced) {
  ASSERT_EQ(outcome(world.create(res::canaries, canary_yaml)), "ok");
  EXPECT_EQ(
      outcome(world.registry->replace(res::canaries, {"default", "podinfo"}, "", yaml(canary_yaml), {})),
      "422 Invalid: Canary.flagger.app \"podinfo\" is invalid: metadata.resourceVersion: Invalid value: 0x0: "
      "must be "
      "specified for an update");
}

TEST_F(CrdTest, ShowOneObjectInEveryVersion) {
  const char* split =
      "{metadata: {name: p}, spec: {service: p, backends: [{service: a, weight: '10'}, {service: b, weight: "
      "90}]}}";
  ASSERT_EQ(outcome(world.create(res::trafficsplits_v1alpha1, split)), "ok");
  kube::Resource newer = res::trafficsplits_v1alpha1;
  newer.version = "v1alpha2";
  const Json seen = world.get(newer, "p");
  EXPECT_EQ(seen["apiVersion"].str(), "split.smi-spec.io/v1alpha2");
  EXPECT_EQ(seen.get("spec", "backends").at(0)["weight"], Json("10")) << "no conversion: the JSON type stays";
  ASSERT_EQ(outcome(world.merge(newer, "p", "{spec: {backends: [{service: a, weight: 5}]}}")), "ok");
  EXPECT_EQ(world.get(res::trafficsplits_v1alpha1, "p")["apiVersion"].str(), "split.smi-spec.io/v1alpha1");
  EXPECT_EQ(outcome(world.merge(newer, "p", "{spec: {backends: [{service: a, weight: 'x'}]}}")).substr(0, 11),
            "422 Invalid");
  newer.version = "v1alpha3";
  ASSERT_EQ(outcome(world.merge(newer, "p", "{spec: {matches: [{kind: HTTPRouteGroup, name: a}]}}")), "ok");
}

TEST_F(CrdTest, HttpRoutesGetTheDefaultsOfTheGatewayApi) {
  kube::Resource v1beta1{"gateway.networking.k8s.io", "v1beta1", "httproutes", "HTTPRoute"};
  ASSERT_EQ(outcome(world.create(v1beta1, R"(
metadata: {name: podinfo}
spec:
  parentRefs: [{kind: Service, group: core, name: podinfo, port: 9898}, {name: a}]
  rules:
  - backendRefs: [{name: podinfo-primary, port: 9898, weight: 90}, {name: podinfo-canary, port: 9898}]
    filters: [{type: RequestRedirect, requestRedirect: {port: 80}}]
  - matches: [{headers: [{name: x-canary, value: insider}]}]
)")),
            "ok");
  kube::Resource v1 = v1beta1;
  v1.version = "v1";
  const Json spec = world.get(v1, "podinfo")["spec"];
  const Json root = yaml("{path: {type: PathPrefix, value: /}}");
  EXPECT_EQ(spec.get("rules").at(0)["matches"], Json::array({root}));
  EXPECT_EQ(spec.get("rules").at(1)["matches"].at(0)["path"], root["path"]);
  EXPECT_EQ(spec.get("rules").at(1)["matches"].at(0)["headers"].at(0)["type"], Json("Exact"));
  EXPECT_EQ(spec.get("rules").at(0)["backendRefs"].at(1),
            yaml("{group: '', kind: Service, name: podinfo-canary, port: 9898, weight: 1}"));
  EXPECT_EQ(spec.get("rules").at(0)["filters"].at(0).get("requestRedirect", "statusCode"), Json(302));
  EXPECT_EQ(spec["parentRefs"].at(1), yaml("{group: gateway.networking.k8s.io, kind: Gateway, name: a}"));
  EXPECT_EQ(outcome(world.create(v1, "{metadata: {name: x}, spec: {rules: [{backendRefs: [{name: a}]}]}}")),
            "422 Invalid: HTTPRoute.gateway.networking.k8s.io \"x\" is invalid: "
            "spec.rules[0].backendRefs[0]: Invalid value: Must have port for Service reference");
}

TEST_F(CrdTest, LinkerdsHttpRoutesAreServedInEveryVersion) {
  kube::Resource resource{"policy.linkerd.io", "v1alpha1", "httproutes", "HTTPRoute"};
  ASSERT_EQ(outcome(world.create(resource, "{metadata: {name: a}, spec: {parentRefs: [{name: b}]}}")), "ok");
  for (const char* version : {"v1alpha1", "v1beta1", "v1beta2", "v1beta3"}) {
    resource.version = version;
    EXPECT_EQ(world.get(resource, "a").get("spec", "parentRefs").at(0)["group"], Json("policy.linkerd.io"))
        << version;
  }
}

TEST_F(CrdTest, TakeTheirObjectsAlong) {
  Json object = yaml(canary_yaml);
  object.set("metadata", "finalizers") = Json::array({"finalizer.flagger.app"});
  ASSERT_EQ(outcome(world.registry->create(res::canaries, "default", object, {})), "ok");
  auto subscription = world.registry->watch(res::canaries, "", {});
  ASSERT_EQ(outcome(world.remove(res::crds, "canaries.flagger.app")), "ok");
  EXPECT_TRUE(kube::is_being_deleted(world.get(res::canaries, "podinfo")));
  EXPECT_TRUE(kube::is_being_deleted(world.get(res::crds, "canaries.flagger.app")));
  EXPECT_FALSE((*subscription)->ended());
  ASSERT_EQ(outcome(world.merge(res::canaries, "podinfo", "{metadata: {finalizers: null}}")), "ok");
  EXPECT_TRUE(world.get(res::crds, "canaries.flagger.app").is_null());
  EXPECT_TRUE((*subscription)->ended());
  EXPECT_EQ(outcome(world.registry->list(res::canaries, "", {})),
            "404 NotFound: the server could not find the requested resource");
}

TEST(Crd, MustBeWhole) {
  World world;
  EXPECT_EQ(outcome(world.create(
                        res::crds,
                        "{metadata: {name: wrong.a.b}, spec: {group: a.b, scope: Namespaced, names: {plural: "
                        "xs, kind: X}, versions: [{name: v1, served: true, storage: true, schema: "
                        "{openAPIV3Schema: {type: object}}}]}}"))
                .substr(0, 11),
            "422 Invalid");
}

}  // namespace
}  // namespace serin::local
