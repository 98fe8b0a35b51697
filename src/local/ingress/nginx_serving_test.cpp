#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "local/ingress/nginx_world_for_tests.h"

/// What a real NGINX does with our configuration.
namespace serin::local {
namespace {

using base::Task;
using http::Headers;
using testing::nginx;
using testing::NginxWorld;
using testing::OneRule;
using testing::Tally;

/// Main and canary Ingress of a host.
std::string canary_pair(const std::string& host, const std::string& annotations,
                        const std::string& main = "podinfo", const std::string& canary = "podinfo-canary") {
  return OneRule{.name = host, .host = host, .service = main}.yaml() +
         OneRule{.name = host + "-canary",
                 .host = host,
                 .service = canary,
                 .annotations = nginx("canary", "true") + ", " + annotations}
             .yaml();
}

// --- Which requests go to the canary: spec 07 §7.3, each row on a host of its own

struct Rule {
  std::string annotations;
  Headers request;
  double share;  ///< of the canary
};

std::string rules(std::initializer_list<std::pair<const char*, const char*>> each) {
  std::string text;
  for (const auto& [name, value] : each) {
    text += (text.empty() ? "" : ", ") + nginx(std::string("canary-") + name, value);
  }
  return text;
}

std::vector<Rule> weight_rules() {
  const std::string weight0 = rules({{"weight", "0"}});
  return {
      {weight0, {}, 0},
      {weight0, {{"X-Canary", "always"}}, 0},
      {rules({{"weight", "100"}}), {}, 1},
      {rules({{"weight", "100"}, {"weight-total", "200"}}), {}, 0.5},
      {rules({{"weight", "30"}, {"weight-total", "50"}}), {}, 0.3},
  };
}

std::vector<Rule> header_rules() {
  const std::string weight0 = rules({{"by-header", "x-canary"}, {"weight", "0"}});
  const std::string weight100 = rules({{"by-header", "X-Canary"}, {"weight", "100"}});
  const std::string insider =
      rules({{"by-header", "x-user"}, {"by-header-value", "insider"}, {"weight", "20"}});
  const std::string pattern = rules({{"by-header", "x-user"}, {"by-header-pattern", ".*in.*"}});
  const std::string anchored = rules({{"by-header", "x-user"}, {"by-header-pattern", "^in|out$"}});
  const std::string value_and_pattern =
      rules({{"by-header", "x-user"}, {"by-header-value", "a"}, {"by-header-pattern", ".*"}});
  return {
      {weight0, {{"X-Canary", "always"}}, 1},
      {weight0, {{"X-Canary", "Always"}}, 0},
      {weight0, {{"X-Canary", "yes"}}, 0},
      {weight100, {{"x-canary", "never"}}, 0},
      {weight100, {{"x-canary", "other"}}, 1},
      {insider, {{"X-User", "insider"}}, 1},
      {insider, {{"X-User", "insiders"}}, 0.2},
      {insider, {{"X-User", "other"}}, 0.2},
      {pattern, {{"X-User", "insider"}}, 1},
      {pattern, {{"X-User", "INSIDER"}}, 0},
      {pattern, {}, 0},
      {anchored, {{"X-User", "inside"}}, 1},
      {anchored, {{"X-User", "far out"}}, 1},
      {anchored, {{"X-User", "an in and out again"}}, 0},
      {value_and_pattern, {{"X-User", "b"}}, 0},
      {rules({{"by-header-value", "a"}, {"by-header-pattern", ".*"}}), {{"X-User", "a"}}, 0},
  };
}

std::vector<Rule> cookie_rules() {
  const std::string guide = rules(
      {{"by-header", "x-canary"}, {"by-header-value", "always"}, {"by-cookie", "canary"}, {"weight", "0"}});
  const std::string weight100 = rules({{"by-cookie", "canary"}, {"weight", "100"}});
  const std::string both = rules({{"by-header", "x-canary"}, {"by-cookie", "canary"}, {"weight", "0"}});
  return {
      {guide, {{"X-Canary", "always"}}, 1},
      {guide, {{"X-Canary", "never"}, {"Cookie", "canary=always"}}, 1},
      {guide, {{"Cookie", "canary=always"}}, 1},
      {guide, {{"Cookie", "a=1; canary=always; b=2"}}, 1},
      {guide, {{"Cookie", "notcanary=always"}}, 0},
      {guide, {{"Cookie", "canary=1"}}, 0},
      {guide, {}, 0},
      {weight100, {{"Cookie", "canary=never"}}, 0},
      {weight100, {{"Cookie", "canary=maybe"}}, 1},
      {both, {{"X-Canary", "never"}, {"Cookie", "canary=always"}}, 0},
      {both, {{"X-Canary", "other"}, {"Cookie", "canary=always"}}, 1},
  };
}

std::string host_of(std::size_t row) {
  return fmt::format("row-{}.example.com", row);
}

Task<void> check_rules(NginxWorld& world, std::vector<Rule> table) {
  for (std::size_t row = 0; row < table.size(); ++row) {
    const Rule& rule = table[row];
    const bool certain = rule.share == 0 || rule.share == 1;
    const Tally tally = co_await world.ask(world.get(host_of(row), "/", rule.request), certain ? 20 : 2000);
    EXPECT_EQ(tally.failed, 0) << "row " << row << ": " << tally.failure;
    // Five points are 4.5 standard deviations of 2000 draws.
    EXPECT_NEAR(tally.canary_share(), rule.share, certain ? 0 : 0.05)
        << "row " << row << ": " << rule.annotations;
  }
}

void expect_rules(std::vector<Rule> table) {
  std::string yaml;
  for (std::size_t row = 0; row < table.size(); ++row)
    yaml += canary_pair(host_of(row), table[row].annotations);
  NginxWorld::run(yaml, [table](NginxWorld& world) { return check_rules(world, table); });
}

TEST(NginxServing, ByWeight) {
  expect_rules(weight_rules());
}
TEST(NginxServing, ByHeader) {
  expect_rules(header_rules());
}
TEST(NginxServing, ByCookie) {
  expect_rules(cookie_rules());
}

Task<void> check_weights(NginxWorld& world) {
  const Tally ten = co_await world.ask(world.get("ten", "/"), 10'000);
  EXPECT_EQ(ten.failed, 0) << ten.failure;
  EXPECT_NEAR(ten.canary_share(), 0.10, 0.02);
  const Tally fifty = co_await world.ask(world.get("fifty", "/"), 10'000);
  EXPECT_EQ(fifty.failed, 0) << fifty.failure;
  EXPECT_NEAR(fifty.canary_share(), 0.50, 0.02);
}

TEST(NginxServing, HoldsWeightsWithinTwoPoints) {
  NginxWorld::run(
      canary_pair("ten", rules({{"weight", "10"}})) + canary_pair("fifty", rules({{"weight", "50"}})),
      check_weights);
}

// --- Hosts, paths, and what has nobody behind it

std::string paths() {
  std::string yaml;
  const auto add = [&yaml](const char* host, const char* path, const char* type, const char* service) {
    const std::string name = fmt::format("i{}", yaml.size());
    yaml += OneRule{.name = name, .host = host, .service = service, .path = path, .type = type}.yaml();
  };
  add("app.example.com", "/exact", "Exact", "podinfo");
  add("app.example.com", "/api", "Prefix", "podinfo");
  add("app.example.com", "/api/exact", "Exact", "podinfo-canary");
  add("app.example.com", "/api/long", "Prefix", "podinfo-canary");
  add("app.example.com", "/slash/", "Prefix", "podinfo");
  add("app.example.com", "/impl", "ImplementationSpecific", "podinfo");
  add("app.example.com", "/gone", "Prefix", "gone");
  add("app.example.com", "/nobody", "Prefix", "nobody");
  add("other.example.com", "/", "Prefix", "podinfo-canary");
  add("", "/for-all", "Prefix", "podinfo");
  return yaml + canary_pair("half.example.com", rules({{"weight", "100"}}), "podinfo", "gone") +
         canary_pair("dead.example.com", rules({{"weight", "100"}}), "gone", "podinfo-canary");
}

struct Visit {
  const char *host, *target, *answer;  ///< "main", "canary" or a status
};

constexpr Visit visits[] = {
    {"app.example.com", "/exact", "main"},
    {"app.example.com", "/exact?a=b", "main"},
    {"app.example.com", "/exact/", "404"},
    {"app.example.com", "/exactly", "404"},
    {"app.example.com", "/api", "main"},
    {"app.example.com", "/api/", "main"},
    {"app.example.com", "/api/v1", "main"},
    {"app.example.com", "/apis", "404"},
    {"app.example.com", "/api/exact", "canary"},
    {"app.example.com", "/api/exact/x", "main"},
    {"app.example.com", "/api/long/x", "canary"},
    {"app.example.com", "/api/longer", "main"},
    {"app.example.com", "/slash", "main"},
    {"app.example.com", "/slash/x", "main"},
    {"app.example.com", "/slashes", "404"},
    {"app.example.com", "/impl/x", "main"},
    {"app.example.com", "/implicit", "main"},
    {"app.example.com", "/", "404"},
    {"app.example.com", "/gone", "503"},
    {"app.example.com", "/nobody/x", "503"},
    {"APP.example.com:8080", "/api", "main"},
    {"other.example.com", "/api", "canary"},
    {"unknown.example.com", "/for-all", "main"},
    {"unknown.example.com", "/api", "404"},
    {"app.example.com", "/for-all", "404"},
    {"half.example.com", "/", "main"},
    {"dead.example.com", "/", "503"},
};

Task<void> check_visits(NginxWorld& world) {
  for (const Visit& visit : visits) {
    const auto response = co_await world.client->send(world.get(visit.host, visit.target), {});
    EXPECT_TRUE(response) << visit.host << visit.target;
    if (!response) continue;
    const std::string answer = response->status == 200 ? response->body : std::to_string(response->status);
    EXPECT_EQ(answer, visit.answer) << visit.host << visit.target;
  }
}

TEST(NginxServing, HostsAndPathsByTheirType) {
  NginxWorld::run(paths(), check_visits);
}

std::string one_host() {
  return OneRule{.name = "app", .host = "app.example.com", .service = "podinfo"}.yaml();
}

Task<void> check_forwarding(NginxWorld& world) {
  const Headers headers = {{"X-Request-ID", "seven"}, {"X-Forwarded-For", "9.9.9.9"}};
  const auto response =
      co_await world.client->send(world.get("app.example.com", "/a%2Fb/%20?q=%41&r", headers), {});
  EXPECT_EQ(response.value().status, 200);
  EXPECT_EQ(world.last.url.target, "/a%2Fb/%20?q=%41&r");
  EXPECT_EQ(world.last.headers.get("Host"), "app.example.com");
  EXPECT_EQ(world.last.headers.get("X-Request-ID"), "seven");
  EXPECT_EQ(world.last.headers.get("X-Forwarded-For"), "127.0.0.1") << "what clients claim is not believed";
  EXPECT_EQ(world.last.headers.get("X-Forwarded-Host"), "app.example.com");
  EXPECT_EQ(world.last.headers.get("X-Forwarded-Proto"), "http");
}

TEST(NginxServing, ForwardsRequestsAsTheyCame) {
  NginxWorld::run(one_host(), check_forwarding);
}

// --- Metrics

Task<void> check_counts(NginxWorld& world) {
  const Tally insiders =
      co_await world.ask(world.get("app.example.com", "/api/v1?q=1", {{"X-Canary", "always"}}), 30);
  const Tally others = co_await world.ask(world.get("app.example.com", "/"), 20);
  EXPECT_EQ(insiders.canary, 30);
  EXPECT_EQ(others.main, 20);
  const auto series = [](const char* canary, int count) {
    return fmt::format(
        R"({{namespace="test",ingress="app.example.com",service="podinfo",canary="{}",status="200",)"
        R"(method="GET",host="app.example.com",path="/"}} {})",
        canary, count);
  };
  const std::string requests = "nginx_ingress_controller_requests";
  const std::string response = "nginx_ingress_controller_response_duration_seconds_count";
  const std::vector<std::string> wanted = {
      requests + series("test-podinfo-canary-http", 30), requests + series("", 20),
      response + series("test-podinfo-canary-http", 30), response + series("", 20)};
  for (const std::string& line : wanted) {
    // The log may be a moment behind the answers.
    while (!world.requests.metrics().text().contains(line + "\n"))
      co_await world.clock.sleep_for(std::chrono::milliseconds(10));
  }
}

TEST(NginxServing, CountsRequestsByIngressAndCanary) {
  NginxWorld::run(canary_pair("app.example.com", rules({{"by-header", "x-canary"}, {"weight", "0"}})),
                  check_counts);
}

// --- Reloads

Task<void> reload_often(NginxWorld& world, bool* done) {
  for (int i = 1; i <= 8; ++i) {
    const std::string sign = fmt::format("generation-{}", i);
    world.configure(canary_pair("app", rules({{"weight", "50"}})), sign);
    co_await world.in_use(sign);
  }
  *done = true;
}

Task<void> ask_until(NginxWorld& world, bool* done, Tally* tally) {
  while (!*done) {
    int one = 1;
    co_await world.keep_asking(world.get("app", "/"), &one, tally);
  }
}

Task<void> check_reloads(NginxWorld& world) {
  bool done = false;
  Tally tally;
  base::TaskGroup group(world.executor());
  for (int i = 0; i < 16; ++i) group.spawn(ask_until(world, &done, &tally));
  group.spawn(reload_often(world, &done));
  co_await group.join();
  EXPECT_EQ(tally.failed, 0) << tally.failure;
  EXPECT_GT(tally.main, 50);
  EXPECT_GT(tally.canary, 0);
}

TEST(NginxServing, AReloadUnderLoadDropsNoRequest) {
  NginxWorld::run(canary_pair("app", rules({{"weight", "0"}})), check_reloads);
}

Task<void> ask_once(NginxWorld& world, http::Request request, std::string* answer) {
  const auto response = co_await world.client->send(std::move(request), {});
  *answer = response ? response->body : response.error().message;
}

Task<void> check_held(NginxWorld& world) {
  std::string answer;
  base::TaskGroup group(world.executor());
  group.spawn(ask_once(world, world.get("app.example.com", "/held"), &answer));
  co_await world.held.wait();
  world.configure({}, "without-app");
  co_await world.in_use("without-app");
  EXPECT_EQ(answer, "");
  world.release.notify();
  co_await group.join();
  EXPECT_EQ(answer, "main");
}

TEST(NginxServing, AReloadLeavesWhatIsUnderWayAlone) {
  NginxWorld::run(one_host(), check_held);
}

}  // namespace
}  // namespace serin::local
