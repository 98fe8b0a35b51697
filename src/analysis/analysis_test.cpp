#include "analysis/analysis.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/fake_api_for_tests.h"
#include "kube/fake_http_for_tests.h"
#include "kube/virtual_time_for_tests.h"

namespace serin::analysis {
namespace {

using base::Errc;
using base::fail;
using canary::Bounds;
using canary::Metric;
using kube::Json;
using kube::Resource;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AnalysisTest : public ::testing::Test {
 protected:
  AnalysisTest() {
    spec.name = spec.target_name = "podinfo";
    spec.ns = "test";
    api.on_get = [this](const Resource& resource, const std::string&,
                        const std::string& name) -> base::Result<Json> {
      const auto found = objects.find(resource.plural + "/" + name);
      if (found == objects.end()) return fail(Errc::not_found, "not found");
      return found->second;
    };
  }
  /// What the metrics server answers next.
  void answer(const std::string& value) {
    const std::string series = value.empty() ? "" : fmt::format(R"({{"value":[1,"{}"]}})", value);
    http.answer(200, R"({"data":{"resultType":"vector","result":[)" + series + "]}}");
  }
  /// The events of the checks that did not pass, each behind its verdict, or how many passed.
  std::string evaluate() { return said(world.get(analysis.evaluate(spec))); }
  static std::string said(const std::vector<Check>& checks) {
    std::string events;
    for (const Check& check : checks) {
      if (check.passed()) continue;
      events += events.empty() ? "" : " & ";
      events += fmt::format("{}: {}", canary::name_of(check.result.verdict), check.event);
    }
    return events.empty() ? fmt::format("{} passed", checks.size()) : events;
  }
  std::string providers() {
    const auto result = world.get(analysis.check_providers(spec));
    return result ? "online" : result.error().message;
  }
  void add_template(const std::string& provider, const std::string& query = "q{{ namespace }}") {
    objects["metrictemplates/t"] = Json::object(
        {{"spec", Json::object({{"provider", Json::parse(provider).value()}, {"query", query}})}});
  }

  kube::testing::World world;
  kube::testing::FakeApi api{world.clock};
  kube::testing::FakeHttp http, insecure;
  std::map<std::string, Json> objects;
  std::vector<std::string> values;
  Analysis analysis{http,
                    insecure,
                    api,
                    base::Logger(),
                    {.mesh_provider = "linkerd",
                     .metrics_server = "http://prometheus:9090",
                     .on_value = [this](const canary::Spec&, const std::string& metric, double value) {
                       values.push_back(fmt::format("{} {}", metric, value));
                     }}};
  canary::Spec spec;
  const Metric rate{.name = "request-success-rate", .range = Bounds{.min = 99}};
  const Metric duration{.name = "request-duration", .range = Bounds{.max = 500}};
  const Metric templated{.name = "custom", .range = Bounds{.max = 5}, .template_name = "t"};
};

TEST_F(AnalysisTest, NothingToCheckPasses) {
  EXPECT_EQ(evaluate(), "0 passed");
  EXPECT_EQ(providers(), "online");
  EXPECT_TRUE(http.sent.empty());
}

TEST_F(AnalysisTest, ChecksInOrderAndExportsValues) {
  spec.metrics = {
      rate, duration, {.name = "404s", .range = Bounds{.max = 3}, .query = "up{ns=\"{{ namespace }}\"}"}};
  for (const char* value : {"99.9", "4", "1.99", "4", "2"}) answer(value);
  EXPECT_EQ(evaluate(), "3 passed");
  EXPECT_THAT(values, ElementsAre("request-success-rate 99.9", "request-duration 0.00199", "404s 2"));
  EXPECT_THAT(http.sent[4].request.url.target, HasSubstr("query=up%7Bns%3D%22test%22%7D"));
}

TEST_F(AnalysisTest, TellsEveryReasonAtOnce) {
  spec.metrics = {rate, duration};
  for (const char* value : {"69.17", "4", "1200", "4"}) answer(value);
  EXPECT_EQ(evaluate(),
            "failed: Halt podinfo.test advancement success rate 69.17% < 99% & "
            "failed: Halt podinfo.test advancement request duration 1.2s > 500ms");
}

TEST_F(AnalysisTest, TellsWhatThePrimaryFailsAsWell) {
  add_template(R"({"type":"prometheus","address":"http://p"})", "errors{app=\"{{ target }}\"}");
  const Metric whole{.name = "all", .range = Bounds{.max = 5}, .query = "errors{ns=\"{{ namespace }}\"}"};
  spec.metrics = {rate, duration, whole, templated};
  // The canary's: rate and requests, duration and requests, all, custom; then the primary's of what failed.
  for (const char* value : {"50", "4", "100", "4", "9", "7", "60.5", "4", "6"}) answer(value);
  const std::vector<Check> checks = world.get(analysis.evaluate(spec));
  EXPECT_EQ(checks.at(0).result.primary_value, 60.5);
  EXPECT_EQ(checks.at(0).result.text,
            "50.00% on 240 requests in the last 1m; limit: at least 99%. podinfo-primary.test fails it as "
            "well: 60.50% on 240 requests in the last 1m; limit: at least 99%");
  EXPECT_EQ(checks.at(0).event, "Halt podinfo.test advancement success rate 50.00% < 99%");
  EXPECT_EQ(checks.at(2).result.primary_value, std::nullopt) << "it says nothing about one workload";
  EXPECT_EQ(checks.at(3).result.primary_value, 6);
  EXPECT_EQ(http.sent.size(), 9u);
  EXPECT_THAT(http.sent[6].request.url.target, HasSubstr("podinfo-primary"));
  EXPECT_THAT(values, ElementsAre("request-success-rate 50", "request-duration 0.1", "all 9", "custom 7"));
}

TEST_F(AnalysisTest, APrimaryThatDoesWellIsNotBlamed) {
  spec.metrics = {rate};
  for (const char* value : {"50", "4", "99.9", "4"}) answer(value);
  const canary::CheckResult result = world.get(analysis.evaluate(spec)).at(0).result;
  EXPECT_EQ(result.primary_value, std::nullopt);
  EXPECT_THAT(result.text, ::testing::EndsWith("at least 99%"));
}

TEST_F(AnalysisTest, TellsOnHowManyRequestsAVerdictRests) {
  spec.metrics = {rate};
  const auto requests = [&](const std::string& per_second) {
    answer("99.9");
    answer(per_second);
    return world.get(analysis.evaluate(spec)).at(0).result.requests;
  };
  EXPECT_EQ(requests("4"), 240);
  EXPECT_EQ(requests("4.005"), 240);
  EXPECT_EQ(requests("0.001"), 1);
  EXPECT_THAT(http.sent.back().request.url.target, HasSubstr("sum%28rate%28response_total%7B"));
  answer("99.9");  // and the count is refused
  const Check check = world.get(analysis.evaluate(spec)).at(0);
  EXPECT_TRUE(check.passed());
  EXPECT_EQ(check.result.requests, std::nullopt);
}

TEST_F(AnalysisTest, OnlyFailuresIsNotNoTraffic) {
  spec.metrics = {rate};
  answer("");
  answer("3.5");  // requests there were
  EXPECT_EQ(evaluate(), "failed: Halt podinfo.test advancement success rate 0.00% < 99%");
}

TEST_F(AnalysisTest, ACanaryWithoutTrafficIsToldTheRemedy) {
  spec.metrics = {rate, duration};
  for (const char* none : {"", "0", "NaN"}) {
    for (int i = 0; i < 4; ++i) answer(i % 2 == 0 ? "NaN" : none);
    const std::vector<Check> checks = world.get(analysis.evaluate(spec));
    EXPECT_THAT(said(checks),
                HasSubstr("unknown: Halt advancement no values found for linkerd metric request-duration "
                          "probably podinfo.test is not receiving traffic"));
    for (const Check& check : checks) {
      EXPECT_EQ(check.result.requests, 0);
      EXPECT_EQ(check.result.text,
                "podinfo.test received no requests in the last 1m: send traffic to it, e.g. by a load-test "
                "webhook");
    }
  }
}

TEST_F(AnalysisTest, LinkerdIsAskedBehindAGatewayThatCountsNothing) {
  spec.metrics = {rate};
  spec.provider = "gatewayapi:v1";
  Analysis gateway(http, insecure, api, base::Logger(),
                   {.mesh_provider = "gatewayapi:v1", .metrics_server = "http://p"});
  for (const char* value : {"", "", "98.5", "2"}) answer(value);
  EXPECT_EQ(said(world.get(gateway.evaluate(spec))),
            "failed: Halt podinfo.test advancement success rate 98.50% < 99%");
  EXPECT_THAT(http.sent[0].request.url.target, HasSubstr("http_request_duration_seconds_count"));
  EXPECT_THAT(http.sent[2].request.url.target, HasSubstr("response_total"));
  for (const char* value : {"", "", "", ""}) answer(value);
  EXPECT_EQ(
      said(world.get(gateway.evaluate(spec))),
      "unknown: Halt advancement no values found for gatewayapi:v1 metric request-success-rate probably "
      "podinfo.test is not receiving traffic: no values found");
}

TEST_F(AnalysisTest, WhatAServerInTroubleSaysIsNoVerdict) {
  spec.metrics = {{.name = "x", .query = "1"}};
  const std::string behind = "unknown: Prometheus query failed for x: running query failed: ";
  http.refuse(Errc::timeout, "context deadline exceeded");
  EXPECT_EQ(evaluate(), behind + "request failed: context deadline exceeded");
  for (const int status : {429, 500, 502, 503}) {
    http.answer(status, "busy");
    EXPECT_THAT(evaluate(),
                ::testing::StartsWith(behind + "error response: Status " + std::to_string(status)));
  }
  http.answer(200, "<html>sign in</html>");
  EXPECT_THAT(evaluate(), ::testing::StartsWith(behind + "error unmarshaling result: "));
  for (const char* infinite : {"+Inf", "-Inf"}) {
    answer(infinite);
    EXPECT_EQ(evaluate(), behind + "value is not finite");
  }
  answer("NaN");
  EXPECT_EQ(evaluate(), "unknown: Halt advancement no values found for metric: x");
}

TEST_F(AnalysisTest, WhatIsWrongWithTheQuestionIsAFailure) {
  spec.metrics = {{.name = "x", .query = "1"}};
  http.answer(200, R"({"data":{"resultType":"vector","result":[{"value":[1,"1"]},{"value":[1,"1"]}]}})");
  EXPECT_EQ(evaluate(),
            "failed: Prometheus query failed for x: running query failed: query returned 2 series; aggregate "
            "them to one, for example with sum()");
  http.answer(401, "who are you");
  EXPECT_THAT(evaluate(), ::testing::StartsWith("failed: "));
}

TEST_F(AnalysisTest, QueryErrors) {
  spec.metrics = {rate};
  http.answer(400, "no");
  EXPECT_EQ(
      evaluate(),
      "failed: Prometheus query failed: running query failed: error response: Status 400 Bad Request: no");
  answer("+Inf");
  EXPECT_EQ(evaluate(), "unknown: Prometheus query failed: running query failed: value is not finite");

  spec.metrics = {{.name = "x", .query = "{{ foo }}"}};
  EXPECT_EQ(evaluate(),
            "failed: Metric x query render error: template parsing failed: template: tmpl:1: function "
            "\"foo\" not defined");
  spec.metrics = {{.name = "x", .query = "1"}};
  http.answer(400, "no");
  EXPECT_EQ(evaluate(),
            "failed: Prometheus query failed for x: running query failed: error response: Status 400 Bad "
            "Request: no");
  answer("");
  EXPECT_EQ(evaluate(), "unknown: Halt advancement no values found for metric: x");

  spec.metrics = {{.name = "x"}};
  EXPECT_EQ(evaluate(),
            "failed: Metric query failed for no usable metrics template and query were configured");
  spec.metrics = {rate};
  spec.metrics_server = "nonsense";
  EXPECT_EQ(
      evaluate(),
      "failed: Error building Prometheus client for URL prometheus address nonsense is not a valid URL");
}

TEST_F(AnalysisTest, SecondsBecomeMilliseconds) {
  spec.metrics = {duration};
  Analysis plain(http, insecure, api, base::Logger(),
                 {.mesh_provider = "kubernetes", .metrics_server = "http://p"});
  answer("1.2");
  const auto checks = world.get(plain.evaluate(spec));
  EXPECT_EQ(checks.back().event, "Halt podinfo.test advancement request duration 1.2s > 500ms");
}

TEST_F(AnalysisTest, Templates) {
  spec.metrics = {templated};
  EXPECT_EQ(evaluate(), "failed: Metric template t.test error: metrictemplate.flagger.app \"t\" not found");

  add_template(R"({"type":"prometheus","address":"http://other:9090","secretRef":{"name":"s"}})");
  EXPECT_EQ(evaluate(), "failed: Metric template t.test secret s error: secrets \"s\" not found");

  objects["secrets/s"] = Json::parse(R"({"data":{"username":"dQ=="}})").value();
  EXPECT_EQ(evaluate(),
            "failed: Metric template t.test provider prometheus error: prometheus credentials does not "
            "contain a password");

  objects["secrets/s"] = Json::parse(R"({"data":{"token":"dA=="}})").value();
  answer("4");
  EXPECT_EQ(evaluate(), "1 passed");
  EXPECT_EQ(http.sent.back().request.url.text(), "http://other:9090/api/v1/query?query=qtest");
  EXPECT_EQ(http.sent.back().request.headers.get("Authorization"), "Bearer t");
  answer("6");
  EXPECT_EQ(evaluate(), "failed: Halt podinfo.test advancement custom 6.00 > 5");
  answer("");
  EXPECT_EQ(evaluate(),
            "unknown: Halt advancement no values found for custom metric: custom: no values found");
  http.answer(500, "x");
  EXPECT_EQ(evaluate(),
            "unknown: Metric query failed for custom: error response: Status 500 Internal Server Error: x");

  add_template(R"({"type":"prometheus","address":"https://other","insecureSkipVerify":true})",
               "{{ variables.x }}");
  EXPECT_THAT(evaluate(),
              HasSubstr("failed: Metric template t.test query render error: template excution failed: "));
  add_template(R"({"type":"datadog"})");
  EXPECT_EQ(evaluate(),
            "failed: Metric template t.test provider datadog error: provider type \"datadog\" is not "
            "supported, use one of: prometheus");
}

TEST_F(AnalysisTest, SkipsVerificationOnlyWhereAsked) {
  spec.metrics = {templated};
  add_template(R"({"type":"prometheus","address":"https://other","insecureSkipVerify":true})");
  insecure.answer(200, R"({"data":{"resultType":"scalar","result":[1,"1"]}})");
  EXPECT_EQ(evaluate(), "1 passed");
  EXPECT_TRUE(http.sent.empty());
}

TEST_F(AnalysisTest, ProvidersAreCheckedOnce) {
  spec.metrics = {rate, duration};
  answer("1");
  EXPECT_EQ(providers(), "online");
  EXPECT_EQ(http.sent.size(), 1u);
  http.refuse(Errc::unavailable, "refused");
  EXPECT_EQ(providers(), "prometheus not avaiable: running query failed: request failed: refused");
  spec.metrics = {templated};
  EXPECT_EQ(providers(), "metric template t.test error: metrictemplate.flagger.app \"t\" not found");
  add_template(R"({"type":"prometheus","address":"http://other"})");
  answer("2");
  EXPECT_EQ(providers(),
            "prometheus in metric template t.test not avaiable: value is not 1 for query: vector(1)");
}

TEST_F(AnalysisTest, TemplatesThatMayNotBeRead) {
  spec.metrics = {templated};
  spec.metrics[0].template_namespace = "other";
  api.on_get = [](const Resource&, const std::string& ns, const std::string&) -> base::Result<Json> {
    EXPECT_EQ(ns, "other");
    return fail(Errc::forbidden, "metrictemplates.flagger.app \"t\" is forbidden");
  };
  EXPECT_EQ(evaluate(),
            "failed: Metric template t.other error: metrictemplates.flagger.app \"t\" is forbidden");
  api.on_get = [](const Resource&, const std::string&, const std::string&) -> base::Result<Json> {
    return fail(Errc::unavailable, "etcdserver: leader changed");
  };
  EXPECT_EQ(evaluate(), "unknown: Metric template t.other error: etcdserver: leader changed");

  Analysis strict(http, insecure, api, base::Logger(), {.no_cross_namespace_refs = true});
  const char* blocked =
      "template t.other error: can't access metric template t.other, cross-namespace references are blocked";
  EXPECT_EQ(said(world.get(strict.evaluate(spec))), fmt::format("failed: Metric {}", blocked));
  EXPECT_EQ(world.get(strict.check_providers(spec)).error().message, fmt::format("metric {}", blocked));
  spec.metrics[0].template_namespace = "test";
  EXPECT_THAT(said(world.get(strict.evaluate(spec))), HasSubstr("leader changed"));
}

TEST_F(AnalysisTest, ATemplateThatIsEditedCountsAtOnce) {
  spec.metrics = {templated};
  add_template(R"({"type":"prometheus","address":"http://a"})");
  answer("4");
  EXPECT_EQ(evaluate(), "1 passed");
  add_template(R"({"type":"prometheus","address":"http://b"})");
  answer("4");
  EXPECT_EQ(evaluate(), "1 passed");
  EXPECT_EQ(http.sent.back().request.url.host, "b");
  objects.clear();
  EXPECT_EQ(evaluate(), "failed: Metric template t.test error: metrictemplate.flagger.app \"t\" not found");
}

}  // namespace
}  // namespace serin::analysis
