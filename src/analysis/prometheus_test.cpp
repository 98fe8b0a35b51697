#include "analysis/prometheus.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/fake_http_for_tests.h"
#include "kube/virtual_time_for_tests.h"

namespace serin::analysis {
namespace {

using base::Errc;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string vector_of(const std::string& series) {
  return R"({"status":"success","data":{"resultType":"vector","result":[)" + series + "]}}";
}

/// "value 1.5", "no value", or the error's text.
std::string said(const base::Result<Measurement>& result) {
  if (!result) return result.error().message;
  return result->value ? fmt::format("value {}", *result->value) : "no value";
}

TEST(QueryResult, AnyShape) {
  const std::pair<std::string, const char*> cases[] = {
      {vector_of(R"({"metric":{},"value":[1,"98.686"]})"), "value 98.686"},
      {vector_of(R"({"metric":{},"value":[1,"1e3"]})"), "value 1000"},
      {vector_of(R"({"metric":{},"value":[1,"NaN"]})"), "no value"},
      {vector_of(""), "no value"},
      {vector_of(R"({"metric":{},"value":[1,"+Inf"]})"), "value is not finite"},
      {vector_of(R"({"metric":{},"value":[1,"-Inf"]})"), "value is not finite"},
      {vector_of(R"({"value":[1,"1"]},{"value":[1,"2"]},{"value":[1,"3"]})"),
       "query returned 3 series; aggregate them to one, for example with sum()"},
      {R"({"data":{"resultType":"scalar","result":[1,"5"]}})", "value 5"},
      {R"({"data":{"resultType":"string","result":[1,"a"]}})", "query returned a string; a number is needed"},
      {R"({"data":{"resultType":"matrix","result":[{"values":[[1,"1"]]}]}})",
       "query returned multiple values"},
      {vector_of(R"({"values":[[1,"1"]]})"), "query returned multiple values"},
      {vector_of(R"({"metric":{},"histogram":[1,{}]})"), "query returned a histogram; a number is needed"},
  };
  for (const auto& [body, expected] : cases) EXPECT_EQ(said(read_query_result(body)), expected) << body;
  for (const char* odd :
       {"", "null", "[]", "{}", "<html>", R"({"data":5})", R"({"data":{"result":{}}})",
        R"({"data":{"result":[5]}})", R"({"data":{"result":[{"value":5}]}})",
        R"({"data":{"result":[{"value":[1,2]}]}})", R"({"data":{"result":[{"value":[1,"x"]}]}})",
        R"({"data":{"result":[{"value":[1,""]}]}})"}) {
    EXPECT_THAT(said(read_query_result(odd)), StartsWith("error unmarshaling result: ")) << odd;
  }
}

class PrometheusTest : public ::testing::Test {
 protected:
  std::string ask(PrometheusOptions options, std::string query) {
    const auto server = Prometheus::make(http, std::move(options));
    return server ? said(world.get(server->query(std::move(query)))) : server.error().message;
  }
  const kube::testing::FakeHttp::Sent& last() { return http.sent.back(); }

  kube::testing::World world;
  kube::testing::FakeHttp http;
};

TEST_F(PrometheusTest, SendsTheQueryUnchanged) {
  http.answer(200, vector_of(R"({"value":[1,"1"]})"));
  EXPECT_EQ(ask({.address = "http://prom:9090/base/?x=y"}, "sum(a{b=\"c\"}) # why\n + 1"), "value 1");
  EXPECT_EQ(last().request.method, "GET");
  EXPECT_EQ(last().request.url.text(),
            "http://prom:9090/base/api/v1/query?query="
            "sum%28a%7Bb%3D%22c%22%7D%29%20%23%20why%0A%20%2B%201");
  EXPECT_FALSE(last().request.headers.contains("Authorization"));
  EXPECT_EQ(last().options.timeout, std::chrono::seconds(5));

  http.answer(200, vector_of(""));
  EXPECT_EQ(ask({.address = "http://prom:9090"}, std::string(3000, 'a')), "no value");
  EXPECT_EQ(last().request.method, "POST");
  EXPECT_EQ(last().request.url.target, "/api/v1/query");
  EXPECT_EQ(last().request.headers.get("Content-Type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(last().request.body, "query=" + std::string(3000, 'a'));
}

TEST_F(PrometheusTest, SendsCredentialsAndHeaders) {
  http.answer(200, vector_of(""));
  ask({.address = "http://p", .token = "t", .headers = {{"X-Scope", {"a", "b"}}}}, "1");
  EXPECT_EQ(last().request.headers.get("Authorization"), "Bearer t");
  EXPECT_EQ(last().request.headers.all("X-Scope").size(), 2u);
  http.answer(200, vector_of(""));
  ask({.address = "http://p", .username = "u", .password = "p"}, "1");
  EXPECT_EQ(last().request.headers.get("Authorization"), "Basic dTpw");
}

TEST_F(PrometheusTest, TakesCredentialsFromTheSecret) {
  using Secret = std::map<std::string, std::string>;
  const auto authorization = [&](std::optional<Secret> secret) {
    ProviderSettings settings{.type = "prometheus", .address = "http://p", .secret = std::move(secret)};
    settings.headers["Authorization"] = {"own"};
    const auto provider = make_provider(http, std::move(settings));
    if (!provider) return provider.error().message;
    http.answer(200, vector_of(""));
    (void)world.get((*provider)->query("1"));
    const auto sent = last().request.headers.all("Authorization");
    return sent.size() == 1 ? std::string(sent[0]) : fmt::format("{} values", sent.size());
  };
  EXPECT_EQ(authorization({}), "own");
  EXPECT_EQ(authorization(Secret{{"token", "t"}, {"username", "u"}}), "Bearer t");
  EXPECT_EQ(authorization(Secret{{"username", "u"}, {"password", "p\n"}}), "Basic dTpwCg==");
  EXPECT_EQ(authorization(Secret{}), "prometheus credentials does not contain a username");
  EXPECT_EQ(authorization(Secret{{"username", "u"}}), "prometheus credentials does not contain a password");
  EXPECT_EQ(
      authorization(Secret{{"token", "t\r\nX: y"}}),
      "prometheus credentials: the token holds a line break or control character, store it in the secret "
      "without");
}

TEST_F(PrometheusTest, NamesTheTypesThatThereAre) {
  EXPECT_EQ(make_provider(http, {.type = "abacus"}).error().message,
            "provider type \"abacus\" is not supported, use one of: prometheus");
}

TEST_F(PrometheusTest, PartialAnswersAreNoMeasurement) {
  const auto with = [&](const std::string& warnings) {
    return said(read_query_result(R"({"status":"success","warnings":[)" + warnings +
                                  R"(],"data":{"resultType":"vector","result":[{"value":[1,"1"]}]}})"));
  };
  EXPECT_EQ(with(R"("remote read: store-1 is down")"), "the answer is partial: remote read: store-1 is down");
  EXPECT_EQ(with(R"("PromQL info: metric might not be a counter")"), "value 1");
  EXPECT_EQ(said(read_query_result(R"({"status":"error","errorType":"bad_data","error":"parse error"})")),
            "error response: bad_data: parse error");
}

TEST_F(PrometheusTest, WordsFailures) {
  EXPECT_EQ(ask({.address = "htp://me:secret@p"}, "1"), "prometheus address xxxxx@p is not a valid URL");
  http.answer(400, "<b>\x1b[31m\xff" + std::string(5000, 'x'));
  EXPECT_EQ(ask({.address = "http://p:1"}, "1").size(), 40 + 512 + 2u);
  EXPECT_EQ(ask({.address = ""}, "1"), "prometheus address  is not a valid URL");
  http.answer(400, "bad query");
  EXPECT_EQ(ask({.address = "http://p:1"}, "1"), "error response: Status 400 Bad Request: bad query");
  http.refuse(Errc::unavailable, "Get \"http://p:1/\": dial tcp 127.0.0.1:1: connect: connection refused");
  EXPECT_EQ(ask({.address = "http://p:1"}, "1"),
            "request failed: Get \"http://p:1/\": dial tcp 127.0.0.1:1: connect: connection refused");
}

TEST_F(PrometheusTest, OnlineCheck) {
  const auto server = Prometheus::make(http, {.address = "http://p"}).value();
  const auto online = [&] {
    const auto result = world.get(server.check_online());
    return result ? std::string("online") : result.error().message;
  };
  http.answer(200, vector_of(R"({"value":[1,"1"]})"));
  EXPECT_EQ(online(), "online");
  http.answer(200, vector_of(R"({"value":[1,"2"]})"));
  EXPECT_EQ(online(), "value is not 1 for query: vector(1)");
  http.answer(500, "");
  EXPECT_EQ(online(), "running query failed: error response: Status 500 Internal Server Error: ");
}

}  // namespace
}  // namespace serin::analysis
