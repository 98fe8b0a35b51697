#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>

#include "podinfo/config.h"
#include "podinfo/run.h"
#include "podinfo/service.h"
#include "podinfo/token.h"

namespace serin::podinfo {
namespace {

namespace asio = boost::asio;
using base::Json;
using base::Result;
using base::Task;
using testing::ElementsAre;
using testing::HasSubstr;

Task<void> send_into(http::Client& client, http::Request request, Result<http::Response>& into, bool& done) {
  into = co_await client.send(std::move(request), {.timeout = std::chrono::seconds(20)});
  done = true;
}

Task<void> join(base::TaskGroup& group) {
  co_await group.join();
}

/// podinfo on a loopback port, with a client for it.
class PodinfoTest : public testing::Test {
 protected:
  void SetUp() override {
    data_ = std::filesystem::temp_directory_path() / ("serin-podinfo-test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(data_);
    start({});
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(data_);
  }
  void start(Config config) {
    config.data_path = data_;
    service_ = std::make_unique<Service>(
        std::move(config), Identity{"6.0.1", "podinfo-0", {"A=1", "B=2"}}, clock_, random_, *client_,
        [this](int code) { exit_code_ = code; }, base::Logger());
    server_ = http::make_server(
                  io_.get_executor(), {},
                  [this](http::Request request, http::Responder& responder) {
                    return service_->handle(std::move(request), responder);
                  },
                  base::Logger())
                  .value();
    group_ = std::make_unique<base::TaskGroup>(io_.get_executor());
    group_->spawn(server_->run());
  }
  void stop() {
    group_->cancel();
    bool ended = false;
    asio::co_spawn(io_, join(*group_), [&ended](std::exception_ptr) { ended = true; });
    while (!ended) io_.run_one();
  }
  void restart(Config config) {
    stop();
    start(std::move(config));
  }
  Result<http::Response> try_call(std::string method, std::string target, std::string body = "",
                                  http::Headers headers = {}) {
    http::Request request{std::move(method), url(target), std::move(headers), std::move(body)};
    Result<http::Response> response;
    bool done = false;
    asio::co_spawn(io_, send_into(*client_, std::move(request), response, done), [](std::exception_ptr) {});
    while (!done) io_.run_one();
    return response;
  }
  http::Response call(std::string method, std::string target, std::string body = "",
                      http::Headers headers = {}) {
    return try_call(std::move(method), std::move(target), std::move(body), std::move(headers))
        .value_or(http::Response{.status = 0});
  }
  http::Url url(const std::string& target) const {
    return {"http", "127.0.0.1", std::to_string(server_->port()), target, ""};
  }

  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  base::SystemClock clock_;
  base::Random random_{1};
  std::unique_ptr<http::Client> client_ = http::make_client(io_.get_executor(), {}).value();
  std::filesystem::path data_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<base::TaskGroup> group_;
  int exit_code_ = 0;
};

TEST_F(PodinfoTest, FixedAnswers) {
  struct {
    const char* method;
    const char* target;
    int status;
    const char* body;
  } cases[] = {
      {"GET", "/healthz", 200, "{\n  \"status\": \"OK\"\n}"},
      {"GET", "/readyz", 200, "{\n  \"status\": \"OK\"\n}"},
      {"GET", "/version", 200, "{\n  \"commit\": \"unknown\",\n  \"version\": \"6.0.1\"\n}"},
      {"GET", "/status/500", 500, "{\n  \"status\": 500\n}"},
      {"PUT", "/status/404?x=1", 404, "{\n  \"status\": 404\n}"},
      {"GET", "/status/204", 204, ""},
      {"GET", "/status/abc", 404, "404 page not found\n"},
      {"GET", "/status/", 404, "404 page not found\n"},
      {"DELETE", "/status/500", 405, ""},
      {"GET", "/delay/0", 200, "{\n  \"delay\": 0\n}"},
      {"GET", "/env", 200, "[\n  \"A=1\",\n  \"B=2\"\n]"},
      {"GET", "/configs", 200, "{}"},
      {"GET", "/cache/a", 200, "{\n  \"code\": 400,\n  \"message\": \"cache server is offline\"\n}"},
      {"GET", "/store/xyz", 200, "{\n  \"code\": 400,\n  \"message\": \"invalid hash\"\n}"},
      {"GET", "/chunked/0", 200, "{\n  \"delay\": 0\n}"},
      {"GET", "/nowhere", 404, "404 page not found\n"},
      {"GET", "//healthz", 301, ""},
  };
  for (const auto& c : cases) {
    const http::Response response = call(c.method, c.target);
    EXPECT_EQ(response.status, c.status) << c.target;
    EXPECT_EQ(response.body, c.body) << c.target;
  }
}

TEST_F(PodinfoTest, TheInformationKeepsItsOrder) {
  const http::Response response = call("GET", "/");
  EXPECT_EQ(response.headers.get("Content-Type"), "application/json; charset=utf-8");
  std::vector<std::string> keys;
  const Json body = Json::parse(response.body).value();
  for (const auto& [key, value] : body.members()) {
    keys.push_back(key);
    EXPECT_TRUE(value.is_string()) << key;
  }
  EXPECT_THAT(keys, ElementsAre("hostname", "version", "revision", "color", "logo", "message", "goos",
                                "goarch", "runtime", "num_goroutine", "num_cpu"));
  EXPECT_EQ(body["message"].str(), "greetings from podinfo v6.0.1");
  EXPECT_EQ(call("GET", "/api/info").body.substr(0, 30), response.body.substr(0, 30));
  const http::Response page = call("GET", "/", "", {{"User-Agent", "Mozilla/5.0"}});
  EXPECT_THAT(page.body, HasSubstr("<title>podinfo-0</title>"));
  EXPECT_THAT(page.body, testing::Not(HasSubstr("https://")));
}

TEST_F(PodinfoTest, TheGuidesAcceptanceTest) {
  const http::Response made = call("POST", "/token", "test");
  EXPECT_THAT(made.body, HasSubstr("\"token\": "));
  const std::string token = Json::parse(made.body).value()["token"].str();
  const auto validate = [&](const std::string& with) {
    return Json::parse(call("GET", "/token/validate", "", {{"Authorization", with}}).body).value();
  };
  EXPECT_EQ(validate("Bearer " + token)["token_name"].str(), "test");
  EXPECT_EQ(validate("Basic x")["message"].str(), "authorization bearer header required");
  EXPECT_EQ(validate("Bearer " + token + "x")["code"].int_or(0), 401);
}

TEST_F(PodinfoTest, ReadinessAndFaultsCanBeToggled) {
  EXPECT_EQ(call("POST", "/readyz/disable").status, 202);
  EXPECT_EQ(call("GET", "/readyz").status, 503);
  EXPECT_EQ(call("GET", "/healthz").status, 200);
  EXPECT_EQ(call("POST", "/readyz/enable").status, 202);
  EXPECT_EQ(call("GET", "/readyz").status, 200);
  EXPECT_EQ(call("POST", "/fault_injection/enable").body, "{\n  \"fault_injection\": \"enabled\"\n}");
  EXPECT_EQ(call("GET", "/version").body, "{\"status\":\"fault injection enabled\"}\n");
  EXPECT_EQ(call("GET", "/healthz").status, 200);
  EXPECT_EQ(call("POST", "/fault_injection/disable").status, 202);
  EXPECT_EQ(call("GET", "/version").status, 200);
  service_->begin_shutdown();
  EXPECT_EQ(call("GET", "/healthz").status, 503);
  EXPECT_EQ(call("GET", "/readyz").status, 503);
}

TEST_F(PodinfoTest, EchoesAndStores) {
  const http::Response echo = call("POST", "/api/echo/deep", "<b>hello</b>");
  EXPECT_EQ(echo.status, 202);
  EXPECT_EQ(echo.body, "<b>hello</b>");
  EXPECT_EQ(echo.headers.get("X-Color"), "#34577c");
  EXPECT_EQ(echo.headers.get("Content-Type"), "application/octet-stream");
  const http::Response stored = call("POST", "/store", "abc");
  EXPECT_EQ(stored.status, 202);
  const std::string hash = Json::parse(stored.body).value()["hash"].str();
  EXPECT_EQ(hash, "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(call("GET", "/store/" + hash).body, "abc");
  EXPECT_THAT(call("GET", "/store/" + std::string(40, '0')).body, HasSubstr("reading file failed"));
  EXPECT_THAT(call("GET", "/headers", "", {{"x-a", "1"}}).body, HasSubstr("\"x-a\": [\n    \"1\"\n  ]"));
}

TEST_F(PodinfoTest, BackendsAreAsked) {
  const std::string own = url("/").text();
  restart({.backend_urls = {own + "api/info", "http://127.0.0.1:1/"}});
  const http::Response response = call("POST", "/echo", "x");  // the first service's port is closed by now
  EXPECT_EQ(response.status, 200);
  const Json answers = Json::parse(response.body).value();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_THAT(answers.at(1).str(), HasSubstr("backend http://127.0.0.1:1/ call failed "));
}

TEST_F(PodinfoTest, HangingUp) {
  EXPECT_FALSE(try_call("GET", "/status/99").has_value());
  EXPECT_FALSE(try_call("GET", "/status/1000").has_value());
  EXPECT_FALSE(try_call("GET", "/panic").has_value());
  EXPECT_EQ(exit_code_, 255);
  restart({.random_delay = true, .random_delay_min = 2, .random_delay_max = 2});
  EXPECT_FALSE(try_call("GET", "/healthz").has_value());
}

TEST_F(PodinfoTest, RandomErrorsHitAThird) {
  restart({.random_error = true});
  int errors = 0;
  for (int i = 0; i < 300; ++i) errors += call("GET", "/healthz").status == 200 ? 0 : 1;
  EXPECT_GT(errors, 60);
  EXPECT_LT(errors, 140);
}

TEST_F(PodinfoTest, MetricsCountAnswersByRoute) {
  call("GET", "/status/500");
  call("GET", "/status/500");
  call("GET", "/nowhere");
  const std::string page = call("GET", "/metrics").body;
  EXPECT_THAT(page,
              HasSubstr("http_request_duration_seconds_bucket{method=\"GET\",path=\"status\",status=\"500\","
                        "le=\"10\"} 2\n"));
  EXPECT_THAT(
      page,
      HasSubstr("http_request_duration_seconds_count{method=\"GET\",path=\"status\",status=\"500\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("http_requests_total{status=\"500\"} 2\n"));
  EXPECT_THAT(page, testing::Not(HasSubstr("404")));
}

TEST(Token, KnownSignature) {  // RFC 7515-style token of another implementation: HS256, secret "secret"
  const base::WallTime expires{std::chrono::seconds(2'000'000'000)};
  const std::string token = sign_token({"test", expires}, "secret");
  EXPECT_EQ(token.substr(0, token.find('.')), "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9");
  EXPECT_EQ(verify_token(token, "secret", base::WallTime())->name, "test");
  EXPECT_EQ(verify_token(token, "other", base::WallTime()).error().message,
            "token signature is invalid: signature is invalid");
  EXPECT_EQ(verify_token(token, "secret", expires).error().message,
            "token has invalid claims: token is expired");
  for (const char* text : {"", "a", "a.b", "..", "a.b.c", "!.!.!", "e30.e30.", "a.b.c.d"}) {
    EXPECT_FALSE(verify_token(text, "secret", base::WallTime()).has_value()) << text;
  }
}

TEST(Configuration, SwitchesAreSpelledAsGoTakesThem) {
  EXPECT_TRUE(parse_config({"--random-error=True"}, {})->random_error);
  EXPECT_FALSE(parse_config({"--random-error=FALSE"}, {})->random_error);
  EXPECT_FALSE(parse_config({"--random-error=yes"}, {}));
}

TEST(Configuration, FlagsOverEnvironmentOverDefaults) {
  const auto config = parse_config(
      {"--port=9899", "--port-metrics", "9797", "--grpc-port=9999", "--random-delay=false", "--random-error"},
      {"PODINFO_UI_COLOR=blue", "PODINFO_PORT=1", "HOME=/"});
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->port, 9899);
  EXPECT_EQ(config->port_metrics, 9797);
  EXPECT_EQ(config->ui_color, "blue");
  EXPECT_FALSE(config->random_delay);
  EXPECT_TRUE(config->random_error);
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{"--bogus"}, "unknown flag: --bogus"},
      {{"--port"}, "flag needs an argument: --port"},
      {{"--port=x"}, "invalid argument \"x\" for \"--port\" flag"},
      {{"--random-delay-min=6"}, "`--random-delay-max` should be greater than `--random-delay-min`"},
  };
  for (const auto& [args, text] : wrong) {
    const auto refused = parse_config(args, {});
    ASSERT_FALSE(refused.has_value()) << text;
    EXPECT_EQ(refused.error().message, text);
  }
}

TEST(Podcli, RefusedAndMalformedChecksFail) {
  EXPECT_EQ(run_podcli({"check", "http", "127.0.0.1:1/healthz", "--delay=1ms", "--retry", "1"}, {}), 1);
  EXPECT_EQ(run_podcli({"check", "tcp", "127.0.0.1:1", "--delay", "1ms"}, {}), 1);
  EXPECT_EQ(run_podcli({"check"}, {}), 1);
  EXPECT_EQ(run_podcli({"check", "http", "x", "--delay"}, {}), 1);
}

}  // namespace
}  // namespace serin::podinfo
