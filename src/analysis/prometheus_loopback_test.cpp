#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/prometheus.h"
#include "http/loopback_for_tests.h"

namespace serin::analysis {
namespace {

using namespace std::chrono_literals;
using base::Errc;
using base::Result;
using base::Task;
using http::Loopback;
using http::Request;
using http::Responder;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string five =
    R"({"status":"success","data":{"resultType":"vector","result":[{"value":[1,"5"]}]}})";

Task<void> ask(Loopback& loop, PrometheusOptions options, Result<Measurement>* into, base::Duration* took) {
  options.address = fmt::format("http://127.0.0.1:{}", loop.server->port());
  const auto server = Prometheus::make(*loop.client, std::move(options));
  const base::MonoTime start = loop.clock.now();
  *into = co_await server->query("sum(up)");
  *took = loop.clock.now() - start;
}

struct Outcome {
  Result<Measurement> answer = Measurement{};
  base::Duration took{};
  [[nodiscard]] std::string text() const {
    if (!answer) return fmt::format("{}: {}", base::name_of(answer.error().code), answer.error().message);
    return answer->value ? fmt::format("value {}", *answer->value) : "no value";
  }
};

/// One query to a real server with this handler.
Outcome query(http::Handler handler, PrometheusOptions options = {}) {
  Outcome outcome;
  Loopback::run({}, std::move(handler), {}, [&](Loopback& loop) {
    return ask(loop, std::move(options), &outcome.answer, &outcome.took);
  });
  return outcome;
}

Task<void> never(Request, Responder& responder) {
  co_await responder.closed();
}

Task<void> drip(Request, Responder& responder) {
  Result<void> sent = co_await responder.start({});
  base::SystemClock clock;
  while (sent) {
    co_await clock.sleep_for(20ms);
    sent = co_await responder.write(" ");
  }
}

Task<void> flood(Request, Responder& responder) {
  Result<void> sent = co_await responder.start({});
  const std::string much(1u << 16, ' ');
  while (sent) sent = co_await responder.write(much);
}

Task<void> hang_up(Request, Responder& responder) {
  responder.abandon();
  co_return;
}

Task<void> break_off(Request, Responder& responder) {
  (void)co_await responder.start({});
  (void)co_await responder.write(five.substr(0, 20));
  responder.abandon();
}

Task<void> redirect_in_circles(Request, Responder& responder) {
  (void)co_await responder.send({.status = 302, .headers = {{"Location", "/again"}}});
}

Task<void> move_house(Request request, Responder& responder) {
  const bool arrived = request.url.target.starts_with("/new/");
  http::Response moved{.status = 307, .headers = {{"Location", "/new" + request.url.target}}};
  http::Response answer{.body = five};
  if (request.headers.get("Authorization") != "Bearer t") answer.status = 401;
  (void)co_await responder.send(arrived ? std::move(answer) : std::move(moved));
}

Task<void> sign_in_page(Request, Responder& responder) {
  (void)co_await responder.send({.headers = {{"Content-Type", "text/html"}}, .body = "<html>\n<b>Sign in"});
}

TEST(MisbehavingPrometheus, CostsItsTimeoutAndNoMore) {
  for (const http::Handler& handler : {http::Handler(never), http::Handler(drip)}) {
    const Outcome outcome = query(handler, {.timeout = 300ms});
    EXPECT_THAT(outcome.text(), StartsWith("timeout: request failed: Get \"http://127.0.0.1:"));
    EXPECT_THAT(outcome.text(), HasSubstr("context deadline exceeded"));
    EXPECT_GE(outcome.took, 290ms);
    EXPECT_LT(outcome.took, 5s);
  }
}

TEST(MisbehavingPrometheus, AHugeAnswerIsNotReadToItsEnd) {
  const Outcome outcome = query(flood);
  EXPECT_THAT(outcome.text(), StartsWith("rejected: request failed: "));
  EXPECT_LT(outcome.took, 5s);
}

TEST(MisbehavingPrometheus, ABrokenConnectionIsNoAnswer) {
  EXPECT_THAT(query(hang_up).text(), ContainsRegex("^unavailable: request failed: Get .*EOF"));
  EXPECT_THAT(query(break_off).text(), ContainsRegex("^unavailable: request failed: Get .*unexpected EOF"));
}

TEST(MisbehavingPrometheus, RedirectsAreFollowedButNotForEver) {
  EXPECT_THAT(query(redirect_in_circles).text(), HasSubstr("stopped after 10 redirects"));
  EXPECT_EQ(query(move_house, {.token = "t"}).text(), "value 5");
}

TEST(MisbehavingPrometheus, APageForPeopleIsNamedAndShownOnOneLine) {
  const std::string text = query(sign_in_page).text();
  EXPECT_THAT(text, StartsWith("internal: error unmarshaling result: "));
  EXPECT_THAT(text, HasSubstr("'<html> <b>Sign in'"));
}

}  // namespace
}  // namespace serin::analysis
