#include "canary/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/yaml.h"
#include "canary/hash.h"
#include "canary/status.h"

namespace serin::canary {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

Json guide_canary() {
  return base::parse_yaml(R"(
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: test, uid: u1}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  autoscalerRef: {apiVersion: autoscaling/v2beta2, kind: HorizontalPodAutoscaler, name: podinfo}
  progressDeadlineSeconds: 60
  service: {port: 9898, targetPort: 9898}
  analysis:
    interval: 30s
    threshold: 5
    maxWeight: 50
    stepWeight: 5
    metrics:
    - {name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}
    - {name: request-duration, thresholdRange: {max: 500}, interval: 30s}
    webhooks:
    - name: acceptance-test
      type: pre-rollout
      url: http://flagger-loadtester.test/
      timeout: 30s
      metadata: {type: bash, cmd: "curl -sd 'test' http://podinfo-canary.test:9898/token | grep token"}
    - name: load-test
      type: rollout
      url: http://flagger-loadtester.test/
      metadata: {cmd: "hey -z 2m -q 10 -c 2 http://podinfo-canary.test:9898/"}
)")
      .value()
      .at(0);
}

TEST(Spec, ReadsTheGuidesCanary) {
  const ReadSpec read = read_spec(guide_canary(), {});
  EXPECT_THAT(read.problems, IsEmpty());
  const Spec& spec = read.spec;
  EXPECT_EQ(spec.dotted(), "podinfo.test");
  EXPECT_EQ(spec.primary_dotted(), "podinfo-primary.test");
  EXPECT_EQ(spec.interval, 30s);
  EXPECT_EQ(spec.threshold, 5);
  EXPECT_EQ(spec.final_weight(), 50);
  EXPECT_EQ(spec.progress_deadline, 60s);
  EXPECT_EQ(spec.service.name, "podinfo");
  EXPECT_EQ(spec.service.target_port, Json(9898));
  ASSERT_TRUE(spec.autoscaler);
  EXPECT_EQ(spec.autoscaler->name, "podinfo");
  ASSERT_EQ(spec.metrics.size(), 2u);
  EXPECT_EQ(spec.metrics[0].range, (Bounds{99, std::nullopt}));
  EXPECT_EQ(spec.metrics[1].interval, "30s");
  ASSERT_EQ(spec.hooks(HookType::pre_rollout).size(), 1u);
  EXPECT_EQ(spec.hooks(HookType::pre_rollout)[0].timeout, 30s);
  EXPECT_EQ(spec.hooks(HookType::rollout)[0].timeout, 10s);
  EXPECT_EQ(spec.strategy(), Strategy::canary);
}

TEST(Spec, RaisesShortIntervals) {
  Json canary = guide_canary();
  canary.set("spec", "analysis", "interval") = "1s";
  EXPECT_EQ(read_spec(canary, {}).spec.interval, 10s);
  EXPECT_EQ(read_spec(canary, {1s}).spec.interval, 1s);
}

TEST(Spec, NamesEveryProblemByItsPath) {
  struct Case {
    std::vector<std::string> path;
    Json value;
    std::string problem;
  };
  const Case cases[] = {
      {{"analysis", "stepWeight"},
       0,
       "spec.analysis.stepWeight: 0 would never end the analysis, use 1 to 100"},
      {{"analysis", "stepWeight"},
       -5,
       "spec.analysis.stepWeight: -5 would never end the analysis, use 1 to 100"},
      {{"analysis", "stepWeight"}, 1.5, "spec.analysis.stepWeight: 1.5 is not a whole number"},
      {{"analysis", "maxWeight"}, 200, "spec.analysis.maxWeight: 200 is out of range, use 1 to 100"},
      {{"analysis", "interval"}, "soon", "spec.analysis.interval: time: invalid duration \"soon\""},
      {{"service", "port"}, 98.5, "spec.service.port: 98.5 is not a whole number"},
      {{"service", "port"}, 70000, "spec.service.port: 70000 is out of range, use 1 to 65535"},
      {{"service", "name"}, std::string(60, 'x'), "longer than the 63 characters"},
      {{"targetRef", "name"}, nullptr, "spec.targetRef.name: is required"},
      {{"autoscalerRef", "kind"}, "Replicator", "spec.autoscalerRef.kind: \"Replicator\" is not supported"},
      {{"targetRef", "apiVersion"},
       "serving.knative.dev/v1",
       "spec.targetRef.apiVersion: Knative Services are not supported"},
  };
  for (const Case& c : cases) {
    Json canary = guide_canary();
    canary.set("spec", c.path[0], c.path[1]) = c.value;
    EXPECT_THAT(read_spec(canary, {}).problems, Contains(HasSubstr(c.problem)));
  }
}

TEST(Spec, RefusesHooksAndMetricsThatCannotWork) {
  Json canary = guide_canary();
  Json& analysis = canary.set("spec", "analysis");
  analysis.set("webhooks").make_array()[0].set("url") = "flagger-loadtester.test";
  analysis.set("metrics").make_array()[0].set("name") = "my-metric";
  EXPECT_THAT(read_spec(canary, {}).problems,
              testing::ElementsAre(
                  "spec.analysis.metrics[0].name: \"my-metric\" is no built-in check and has neither query "
                  "nor templateRef",
                  "spec.analysis.webhooks[0].url: \"flagger-loadtester.test\" is not an http or https URL"));
}

TEST(Spec, ReadsAlerts) {
  Json canary = guide_canary();
  canary.set("spec", "analysis", "alerts") = base::parse_yaml(R"(
- {name: on-call, severity: error, providerRef: {name: pager, namespace: ops}}
- {name: dev, providerRef: {name: chat}}
- {name: typo, severity: loud, providerRef: {}}
)")
                                                 .value()
                                                 .at(0);
  const ReadSpec read = read_spec(canary, {});
  ASSERT_EQ(read.spec.alerts.size(), 3u);
  EXPECT_EQ(read.spec.alerts[0], (AlertRef{"on-call", Severity::error, "pager", "ops"}));
  EXPECT_EQ(read.spec.alerts[1], (AlertRef{"dev", Severity::info, "chat", "test"}));
  EXPECT_THAT(read.problems,
              testing::ElementsAre(
                  "spec.analysis.alerts[2].severity: \"loud\" is not a severity, use info, warn or error",
                  "spec.analysis.alerts[2].providerRef.name: is required: the AlertProvider to tell"));
}

TEST(Spec, ReferencesToOtherNamespacesCanBeForbidden) {
  Json canary = guide_canary();
  const Json elsewhere = Json::object({{"name", "x"}, {"namespace", "shared"}});
  canary.set("spec", "analysis", "metrics") =
      Json::array({Json::object({{"name", "errors"}, {"templateRef", elsewhere}})});
  canary.set("spec", "analysis", "alerts") =
      Json::array({Json::object({{"name", "chat"}, {"providerRef", elsewhere}})});
  EXPECT_THAT(read_spec(canary, {}).problems, IsEmpty());
  EXPECT_THAT(read_spec(canary, {.no_cross_namespace_refs = true}).problems,
              testing::ElementsAre(
                  "spec.analysis.metrics[0].templateRef.namespace: can't access metric template x.shared, "
                  "cross-namespace references are blocked",
                  "spec.analysis.alerts[0].providerRef.namespace: can't access alert provider x.shared, "
                  "cross-namespace references are blocked"));
}

TEST(Spec, WantsAscendingSteps) {
  Json canary = guide_canary();
  canary.set("spec", "analysis").erase("stepWeight");
  canary.set("spec", "analysis", "stepWeights") = Json::array({1, 5, 10, 80});
  EXPECT_THAT(read_spec(canary, {}).problems, IsEmpty());
  EXPECT_EQ(read_spec(canary, {}).spec.final_weight(), 80);
  canary.set("spec", "analysis", "maxWeight") = 500;
  EXPECT_THAT(read_spec(canary, {}).problems, IsEmpty()) << "it does not count beside a list";
  canary.set("spec", "analysis", "stepWeights") = Json::array({10, 5, 101});
  EXPECT_THAT(read_spec(canary, {}).problems,
              testing::ElementsAre(
                  "spec.analysis.stepWeights: 5 comes after 10: each step must be larger than the one before",
                  "spec.analysis.stepWeights: 101 is not a weight, use 1 to 100"));
}

TEST(Status, KeepsWhatItDoesNotKnow) {
  Json canary = guide_canary();
  canary.set("status", "phase") = "Progressing";
  canary.set("status", "sessionAffinityCookie") = "flagger-cookie=x";
  canary.set("status", "trackedConfigs", "configmap/a") = "1";
  const Status status = read_status(canary).value();
  EXPECT_EQ(status.phase, Phase::progressing);
  EXPECT_EQ(status.tracked_configs, (std::map<std::string, std::string>{{"configmap/a", "1"}}));
  const Json written =
      write_status(canary, status, "Deployment", base::parse_rfc3339("2026-11-23T04:00:06Z").value());
  EXPECT_EQ(written["sessionAffinityCookie"].str(), "flagger-cookie=x");
  EXPECT_EQ(written["failedChecks"], Json(0));
  EXPECT_EQ(written["lastTransitionTime"].str(), "2026-11-23T04:00:06Z");
  EXPECT_EQ(written["conditions"].at(0)["message"].str(),
            "New revision detected, progressing canary analysis.");
  EXPECT_EQ(written["conditions"].at(0)["status"].str(), "Unknown");
}

TEST(Status, TheConditionMovesOnlyWithPhaseAndStatus) {
  Json canary = guide_canary();
  Status status;
  status.phase = Phase::initialized;
  const auto at = [](const char* time) { return base::parse_rfc3339(time).value(); };
  canary.set("status") = write_status(canary, status, "Deployment", at("2026-11-23T04:00:00Z"));
  status.phase = Phase::progressing;
  canary.set("status") = write_status(canary, status, "Deployment", at("2026-11-23T04:01:00Z"));
  status.phase = Phase::promoting;
  const Json written = write_status(canary, status, "Deployment", at("2026-11-23T04:02:00Z"));
  const Json& condition = written["conditions"].at(0);
  EXPECT_EQ(condition["lastUpdateTime"].str(), "2026-11-23T04:02:00Z");
  EXPECT_EQ(condition["lastTransitionTime"].str(), "2026-11-23T04:01:00Z") << "Unknown before and after";
  EXPECT_FALSE(read_status(Json::object({{"status", Json::object({{"phase", "Nonsense"}})}})));
}

TEST(Hash, DependsOnDataAlone) {
  const auto hash = [](const char* text) { return template_hash(*Json::parse(text)); };
  const std::string one = hash(R"({"metadata":{"labels":{"a":"1","b":"2"}},"spec":{"x":1}})");
  EXPECT_EQ(
      hash(R"({"spec":{"x":1,"y":null,"z":{}},"metadata":{"annotations":{},"labels":{"b":"2","a":"1"}}})"),
      one);
  EXPECT_NE(hash(R"({"metadata":{"labels":{"a":"1","b":"3"}},"spec":{"x":1}})"), one);
  EXPECT_TRUE(is_own_hash(one));
  EXPECT_FALSE(is_own_hash("55949955d8"));
  EXPECT_EQ(one, "s" + one.substr(1));
  EXPECT_EQ(stable_uuid("a", "b").size(), 36u);
  EXPECT_EQ(stable_uuid("a", "b")[14], '4');
  EXPECT_NE(stable_uuid("a", "b"), stable_uuid("a", "c"));
}

}  // namespace
}  // namespace serin::canary
