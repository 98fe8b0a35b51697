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
  /// The text of the check that did not pass, or how many passed.
  std::string evaluate() {
    const std::vector<Check> checks = world.get(analysis.evaluate(spec));
    if (!checks.empty() && !checks.back().passed()) return checks.back().text;
    return fmt::format("{} passed", checks.size());
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
  answer("99.9");
  answer("1.99");
  answer("2");
  EXPECT_EQ(evaluate(), "3 passed");
  EXPECT_THAT(values, ElementsAre("request-success-rate 99.9", "request-duration 0.00199", "404s 2"));
  EXPECT_THAT(http.sent[2].request.url.target, HasSubstr("query=up%7Bns%3D%22test%22%7D"));
}

TEST_F(AnalysisTest, EndsAtTheFirstFailure) {
  spec.metrics = {rate, duration};
  answer("69.17");
  EXPECT_EQ(evaluate(), "Halt podinfo.test advancement success rate 69.17% < 99%");
  EXPECT_EQ(http.sent.size(), 1u);
}

TEST_F(AnalysisTest, OnlyFailuresIsNotNoTraffic) {
  spec.metrics = {rate};
  answer("");
  answer("3.5");  // requests there were
  EXPECT_EQ(evaluate(), "Halt podinfo.test advancement success rate 0.00% < 99%");
  answer("");
  answer("");
  EXPECT_THAT(evaluate(), HasSubstr("probably podinfo.test is not receiving traffic"));
  answer("");
  answer("0");
  EXPECT_THAT(evaluate(), HasSubstr("probably podinfo.test is not receiving traffic"));
}

TEST_F(AnalysisTest, QueryErrors) {
  spec.metrics = {rate};
  http.answer(400, "no");
  EXPECT_EQ(evaluate(),
            "Prometheus query failed: running query failed: error response: Status 400 Bad Request: no");
  answer("+Inf");
  EXPECT_EQ(evaluate(), "Prometheus query failed: running query failed: value is not finite");

  spec.metrics = {{.name = "x", .query = "{{ foo }}"}};
  EXPECT_EQ(
      evaluate(),
      "Metric x query render error: template parsing failed: template: tmpl:1: function \"foo\" not defined");
  spec.metrics = {{.name = "x", .query = "1"}};
  http.answer(400, "no");
  EXPECT_EQ(
      evaluate(),
      "Prometheus query failed for x: running query failed: error response: Status 400 Bad Request: no");
  answer("");
  EXPECT_EQ(evaluate(), "Halt advancement no values found for metric: x");

  spec.metrics = {{.name = "x"}};
  EXPECT_EQ(evaluate(), "Metric query failed for no usable metrics template and query were configured");
  spec.metrics = {rate};
  spec.metrics_server = "nonsense";
  EXPECT_EQ(evaluate(),
            "Error building Prometheus client for URL prometheus address nonsense is not a valid URL");
}

TEST_F(AnalysisTest, SecondsBecomeMilliseconds) {
  spec.metrics = {duration};
  Analysis plain(http, insecure, api, base::Logger(),
                 {.mesh_provider = "kubernetes", .metrics_server = "http://p"});
  answer("1.2");
  const auto checks = world.get(plain.evaluate(spec));
  EXPECT_EQ(checks.back().text, "Halt podinfo.test advancement request duration 1.2s > 500ms");
}

TEST_F(AnalysisTest, Templates) {
  spec.metrics = {templated};
  EXPECT_EQ(evaluate(), "Metric template t.test error: metrictemplate.flagger.app \"t\" not found");

  add_template(R"({"type":"prometheus","address":"http://other:9090","secretRef":{"name":"s"}})");
  EXPECT_EQ(evaluate(), "Metric template t.test secret s error: secrets \"s\" not found");

  objects["secrets/s"] = Json::parse(R"({"data":{"username":"dQ=="}})").value();
  EXPECT_EQ(evaluate(),
            "Metric template t.test provider prometheus error: prometheus credentials does not "
            "contain a password");

  objects["secrets/s"] = Json::parse(R"({"data":{"token":"dA=="}})").value();
  answer("4");
  EXPECT_EQ(evaluate(), "1 passed");
  EXPECT_EQ(http.sent.back().request.url.text(), "http://other:9090/api/v1/query?query=qtest");
  EXPECT_EQ(http.sent.back().request.headers.get("Authorization"), "Bearer t");
  answer("6");
  EXPECT_EQ(evaluate(), "Halt podinfo.test advancement custom 6.00 > 5");
  answer("");
  EXPECT_EQ(evaluate(), "Halt advancement no values found for custom metric: custom: no values found");
  http.answer(500, "x");
  EXPECT_EQ(evaluate(),
            "Metric query failed for custom: error response: Status 500 Internal Server Error: x");

  add_template(R"({"type":"prometheus","address":"https://other","insecureSkipVerify":true})",
               "{{ variables.x }}");
  EXPECT_THAT(evaluate(), HasSubstr("Metric template t.test query render error: template excution failed: "));
  add_template(R"({"type":"datadog"})");
  EXPECT_EQ(evaluate(),
            "Metric template t.test provider datadog error: this provider is not supported, use prometheus");
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

}  // namespace
}  // namespace serin::analysis
