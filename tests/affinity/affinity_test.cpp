// Session affinity as users see it: the HTTPRoutes that the controller writes, obeyed by the embedded mesh's
// own reading of them, and browsers that keep the cookies they are given.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "canary/affinity.h"
#include "local/mesh/http_route.h"
#include "routing/cluster_for_tests.h"
#include "routing/gateway.h"

namespace serin {
namespace {

using local::mesh::HttpRoute;

constexpr int users_max = 10'000;

/// A browser: its cookies, and which version answered last.
struct User {
  std::map<std::string, std::string> cookies;
  bool on_canary = false;

  [[nodiscard]] std::string header() const {
    std::string text;
    for (const auto& [name, value] : cookies) text += (text.empty() ? "" : "; ") + name + "=" + value;
    return text;
  }
  /// "name=value; Max-Age=60".
  void take(const std::string& set_cookie) {
    const std::size_t split = set_cookie.find('='), end = set_cookie.find(';');
    const std::string name = set_cookie.substr(0, split);
    if (set_cookie.contains("Max-Age=-1")) {
      cookies.erase(name);
    } else {
      cookies[name] = set_cookie.substr(split + 1, end - split - 1);
    }
  }
};

class SessionAffinity : public testing::Test {
 protected:
  SessionAffinity() {
    canary::Spec& spec = cluster_.spec;
    spec.service.routing = routing::yaml("{}");
    spec.step_weights = {1, 10, 30, 50};
    spec.session_affinity =
        canary::SessionAffinity{.cookie_name = "flagger-cookie", .primary_cookie_name = "primary-cookie"};
    cluster_.reconcile(*router_);
  }

  void shift(int weight) {
    cluster_.affinity = canary::affinity_for(*cluster_.spec.session_affinity, "u1", "revision",
                                             cluster_.affinity, weight > 0);
    cluster_.set(*router_, {100 - weight, weight});
    const base::Json route =
        cluster_.get({"gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"}, "podinfo");
    auto compiled = local::mesh::compile_route(route["spec"]);
    ASSERT_TRUE(compiled) << compiled.error().message;
    routes_ = {*std::move(compiled)};
  }

  void request(User& user) {
    const std::string cookies = user.header();
    const local::mesh::HeadFields fields = {{"Cookie", cookies}};
    const auto matched = local::mesh::best_rule(routes_, {"GET", "/", "podinfo.test:9898", fields, "test"});
    ASSERT_NE(matched.rule, nullptr);
    std::vector<std::uint64_t> weights;
    for (const auto& backend : matched.rule->backends) weights.push_back(backend.weight);
    std::discrete_distribution<std::size_t> draw(weights.begin(), weights.end());
    const auto& backend = matched.rule->backends[draw(random_)];
    user.on_canary = backend.service == "podinfo-canary";
    for (const auto& edit : backend.effects->response) {
      for (const auto& [name, value] : edit.add) user.take(value);
    }
  }

  /// Everybody asks so many times. The percentage of users on the canary afterwards.
  double everybody_asks(int times) {
    for (User& user : users_) {
      for (int i = 0; i < times; ++i) request(user);
    }
    return 100.0 * static_cast<double>(std::ranges::count(users_, true, &User::on_canary)) / users_max;
  }

  routing::Cluster cluster_{routing::podinfo()};
  std::unique_ptr<routing::Router> router_ = routing::make_gateway_router("v1");
  std::vector<HttpRoute> routes_;
  std::vector<User> users_ = std::vector<User>(users_max);
  std::mt19937 random_{1};
};

constexpr double sampling_error = 2;  // percent; four standard deviations of 10,000 draws at 50 %

TEST_F(SessionAffinity, TheShareOfUsersIsTheWeight) {
  for (const int weight : {1, 10, 30, 50}) {
    std::vector<bool> before;
    for (const User& user : users_) before.push_back(user.on_canary);
    shift(weight);
    EXPECT_NEAR(everybody_asks(5), weight, sampling_error);
    for (int i = 0; i < users_max; ++i) {
      EXPECT_TRUE(!before[i] || users_[i].on_canary) << "taken back from the canary at " << weight;
    }
  }
}

TEST_F(SessionAffinity, WhoStaysAwayForSomeStepsIsNotCountedTwice) {
  shift(1);
  everybody_asks(1);
  shift(10);
  shift(30);
  EXPECT_LT(everybody_asks(5), 30 + sampling_error);
}

TEST_F(SessionAffinity, TheCookiesAreTakenBackAtTheEnd) {
  shift(50);
  everybody_asks(1);
  shift(0);
  EXPECT_EQ(everybody_asks(2), 0);
  EXPECT_TRUE(std::ranges::all_of(users_, [](const User& user) { return user.cookies.empty(); }));
}

}  // namespace
}  // namespace serin
