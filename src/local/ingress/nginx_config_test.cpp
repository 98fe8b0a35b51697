#include "local/ingress/nginx_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "base/task.h"
#include "http/client.h"
#include "http/server.h"
#include "local/ingress/cluster_for_tests.h"
#include "local/metrics/child.h"

namespace serin::local {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using base::Task;
using Headers = std::map<std::string, std::string>;

constexpr const char* nginx = "/usr/sbin/nginx";

/// A real NGINX that was given a plan, and two applications behind it, which answer by their names.
class NginxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access(nginx, X_OK) != 0) GTEST_SKIP() << nginx << " is not installed: apt-get install nginx-light";
    main_ = application("main");
    canary_ = application("canary");
    folder_ = fs::temp_directory_path() / fmt::format("serin-nginx-test-{}", ::getpid());
    fs::create_directories(folder_ / "tmp");
    client_ = std::move(*http::make_client(io_.get_executor(), {.idle_per_host_max = 32}));
  }
  void TearDown() override {
    std::error_code error;
    fs::remove_all(folder_, error);
  }

  /// Runs the test's own part with NGINX in front of both applications; `annotations`: of the canary Ingress.
  void with_nginx(const std::string& annotations, Task<void> (NginxTest::*part)()) {
    port_ = free_port();
    std::ofstream(folder_ / "listen.conf") << fmt::format("listen 127.0.0.1:{};\n", port_);
    std::ofstream(folder_ / "nginx.conf") << nginx_config(plan_ingress(objects(annotations)), 1);
    std::exception_ptr failure;
    asio::co_spawn(io_, play(part), [&](std::exception_ptr error) { failure = error; });
    io_.restart();
    io_.run();
    if (failure) std::rethrow_exception(failure);
  }

  Task<std::string> ask(Headers headers, std::string path = "/") {
    http::Request request;
    request.url = *http::Url::parse(fmt::format("http://127.0.0.1:{}{}", port_, path));
    request.headers.set("Host", "app.example.com");
    for (const auto& [name, value] : headers) request.headers.set(name, value);
    const base::Result<http::Response> answer =
        co_await client_->send(std::move(request), {.timeout = std::chrono::seconds(10)});
    co_return answer ? (answer->status == 200 ? answer->body : std::to_string(answer->status))
                     : answer.error().message;
  }

 public:
  Task<void> expect_header_rules() {
    const std::vector<std::pair<Headers, std::string>> table = {
        {{}, "main"},
        {{{"X-Canary", "always"}}, "canary"},
        {{{"X-Canary", "never"}}, "main"},
        {{{"X-Canary", "sometimes"}}, "main"},
        {{{"X-Canary", "never"}, {"Cookie", "canary=always"}}, "main"},  // the header has the first say
        {{{"X-Canary", "sometimes"}, {"Cookie", "canary=always"}}, "canary"},
        {{{"Cookie", "canary=always"}}, "canary"},
        {{{"Cookie", "a=b; canary=always; c=d"}}, "canary"},
        {{{"Cookie", "canary=never"}}, "main"},
        {{{"Cookie", "notcanary=always"}}, "main"},
    };
    for (const auto& [headers, expected] : table) {
      const std::string answer = co_await ask(headers);
      EXPECT_EQ(answer, expected) << ::testing::PrintToString(headers);
    }
  }

  Task<void> expect_guides_rules() {
    const std::string header = co_await ask({{"X-Canary", "always"}});
    EXPECT_EQ(header, "canary");
    const std::string other = co_await ask({{"X-Canary", "never"}});
    EXPECT_EQ(other, "main");
    const std::string cookie = co_await ask({{"Cookie", "canary=always"}});
    EXPECT_EQ(cookie, "canary");
    const std::string none = co_await ask({});
    EXPECT_EQ(none, "main");
  }

  Task<void> expect_pattern_rules() {
    const std::string match = co_await ask({{"X-User", "an insider"}});
    EXPECT_EQ(match, "canary");
    const std::string other = co_await ask({{"X-User", "a stranger"}});
    EXPECT_EQ(other, "main");
    const std::string none = co_await ask({});
    EXPECT_EQ(none, "main");
  }

  /// The share of the canary is within 2 points, and never and always hold.
  Task<void> expect_weight_of_30() {
    constexpr int total = 10'000, at_once = 20;
    int canary = 0;
    base::TaskGroup askers(io_.get_executor());
    for (int i = 0; i < at_once; ++i) askers.spawn(count(total / at_once, &canary));
    co_await askers.join();
    EXPECT_NEAR(100.0 * canary / total, 30.0, 2.0);
    const std::string never = co_await ask({{"Cookie", "canary=never"}});
    EXPECT_EQ(never, "main");
  }

  Task<void> expect_other_paths_and_hosts() {
    const std::string other_host = co_await ask({{"Host", "elsewhere.example.com"}});
    EXPECT_EQ(other_host, "404");
    const std::string below = co_await ask({}, "/a/b?c=d");
    EXPECT_EQ(below, "main");
  }

 private:
  std::unique_ptr<http::Server> application(std::string name) {
    auto made = http::make_server(
        io_.get_executor(), {},
        [name](http::Request, http::Responder& responder) { return answer(name, &responder); },
        base::Logger());
    return std::move(*made);
  }
  static Task<void> answer(std::string name, http::Responder* responder) {
    http::Response response;
    response.body = std::move(name);
    co_await responder->send(std::move(response));
  }

  static std::uint16_t free_port() {
    asio::io_context context;
    asio::ip::tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
    return acceptor.local_endpoint().port();
  }

  /// Both Services are this machine's, at the applications' ports.
  IngressObjects objects(const std::string& annotations) const {
    const testing::OneRule main{"podinfo", "app.example.com", "podinfo"};
    const testing::OneRule canary{"podinfo-canary", "app.example.com", "podinfo-canary", annotations};
    return testing::cluster_of(testing::service_yaml("podinfo", "127.0.0.1", main_->port()) +
                               testing::endpoints_yaml("podinfo") +
                               testing::service_yaml("podinfo-canary", "127.0.0.1", canary_->port()) +
                               testing::endpoints_yaml("podinfo-canary") + main.yaml() + canary.yaml());
  }

  Task<void> play(Task<void> (NginxTest::*part)()) {
    base::TaskGroup servers(io_.get_executor());
    servers.spawn(main_->run());
    servers.spawn(canary_->run());
    const std::unique_ptr<Spawner> spawner = make_spawner(io_.get_executor());
    auto child = spawner->spawn({nginx, "-p", folder_.string(), "-c", "nginx.conf", "-g", "daemon off;"},
                                folder_ / "nginx.log");
    EXPECT_TRUE(child);
    const base::MonoTime deadline = clock_.now() + std::chrono::seconds(10);
    std::string first;
    while (first != "main" && first != "canary" && clock_.now() < deadline) {
      first = co_await ask({});
      if (first != "main" && first != "canary") co_await clock_.sleep_for(std::chrono::milliseconds(10));
    }
    std::ifstream log(folder_ / "nginx.log");
    EXPECT_THAT(first, ::testing::AnyOf("main", "canary"))
        << std::string(std::istreambuf_iterator<char>(log), {});
    co_await (this->*part)();
    (*child)->terminate();
    const std::string how = co_await (*child)->ended();
    EXPECT_EQ(how, "exited with 0");
    servers.cancel();
    co_await servers.join();
  }

  Task<void> count(int times, int* canary) {
    for (int i = 0; i < times; ++i) {
      const std::string answer = co_await ask({});
      if (answer == "canary") ++*canary;
      if (answer != "main" && answer != "canary") ADD_FAILURE() << answer;
    }
  }

  asio::io_context io_;
  base::SystemClock clock_;
  std::unique_ptr<http::Server> main_, canary_;
  std::unique_ptr<http::Client> client_;
  fs::path folder_;
  std::uint16_t port_ = 0;
};

std::string canary_with(std::initializer_list<std::pair<std::string_view, std::string_view>> rules) {
  std::string annotations = "nginx.ingress.kubernetes.io/canary: \"true\"";
  for (const auto& [name, value] : rules)
    annotations += fmt::format(", nginx.ingress.kubernetes.io/canary-{}: \"{}\"", name, value);
  return annotations;
}

// Spec 07 §7.2, §7.3.
TEST_F(NginxTest, HeaderBeforeCookieBeforeWeight) {
  with_nginx(canary_with({{"by-header", "X-Canary"}, {"by-cookie", "canary"}, {"weight", "0"}}),
             &NginxTest::expect_header_rules);
}

TEST_F(NginxTest, TheGuidesHeaderValueAndCookie) {
  with_nginx(canary_with({{"by-header", "x-canary"},
                          {"by-header-value", "always"},
                          {"by-cookie", "canary"},
                          {"weight", "0"}}),
             &NginxTest::expect_guides_rules);
}

TEST_F(NginxTest, HeaderPattern) {
  with_nginx(canary_with({{"by-header", "X-User"}, {"by-header-pattern", ".*insider.*"}, {"weight", "0"}}),
             &NginxTest::expect_pattern_rules);
}

TEST_F(NginxTest, WeightsHoldOverManyRequests) {
  with_nginx(canary_with({{"by-cookie", "canary"}, {"weight", "30"}}), &NginxTest::expect_weight_of_30);
}

TEST_F(NginxTest, HostsAndPathsWithoutRuleAreNotFound) {
  with_nginx(canary_with({{"weight", "0"}}), &NginxTest::expect_other_paths_and_hosts);
}

}  // namespace
}  // namespace serin::local
