#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>

#include "hooks/caller.h"
#include "hooks/payload.h"
#include "hooks/retry.h"

namespace serin::hooks {
namespace {

using base::Errc;
using base::Result;

TEST(Checksum, HasTheKnownValues) {
  canary::Status status;
  EXPECT_EQ(checksum(status), "758df7c9fc");
  status.last_applied = "5454669676";
  EXPECT_EQ(checksum(status), "6657cd9495");
  status.tracked_configs.emplace();
  EXPECT_EQ(checksum(status), "57b5dd6774");
  status.tracked_configs = {{"configmap/a", "1"}, {"secret/b", "2"}};
  EXPECT_EQ(checksum(status), "67d9f67b4d");
}

TEST(Payload, LeavesOutEmptyMetadata) {
  canary::Spec spec;
  spec.name = "podinfo";
  spec.ns = "test";
  canary::Webhook hook;
  canary::Status status;
  status.last_applied = "5454669676";
  EXPECT_EQ(payload(spec, hook, canary::Phase::progressing, status).dump(),
            R"({"name":"podinfo","namespace":"test","phase":"Progressing","checksum":"6657cd9495"})");
  hook.metadata = {{"key", "value"}};
  EXPECT_EQ(payload(spec, hook, canary::Phase::succeeded, status)["metadata"].dump(), R"({"key":"value"})");
}

/// Gives prepared answers and remembers the requests.
class ScriptedClient final : public http::Client {
 public:
  std::deque<Result<http::Response>> answers;
  std::vector<http::Request> requests;

  base::Task<Result<http::Response>> send(http::Request request, http::ExchangeOptions) override {
    requests.push_back(std::move(request));
    Result<http::Response> answer = std::move(answers.front());
    answers.pop_front();
    co_return answer;
  }
  base::Task<Result<http::StreamingResponse>> open(http::Request, http::ExchangeOptions) override {
    co_return base::fail(Errc::internal, "not used");
  }
};

/// Sleeps take no time and are remembered.
class InstantClock final : public base::Clock {
 public:
  std::vector<base::Duration> pauses;
  [[nodiscard]] base::WallTime wall_now() const override { return {}; }
  [[nodiscard]] base::MonoTime now() const override { return now_; }
  base::Task<void> sleep_until(base::MonoTime time) override {
    pauses.push_back(time - now_);
    now_ = time;
    co_return;
  }

 private:
  base::MonoTime now_{};
};

struct Outcome {
  Result<void> result;
  std::size_t requests = 0;
  std::vector<base::Duration> pauses;
};

base::Task<void> store(base::Task<Result<void>> task, Result<void>* into) {
  *into = co_await std::move(task);
}

Outcome call(std::deque<Result<http::Response>> answers, int retries = 0) {
  boost::asio::io_context context;
  ScriptedClient client;
  client.answers = std::move(answers);
  InstantClock clock;
  Webhooks webhooks(client, client, clock);
  canary::Webhook hook;
  hook.name = "acceptance-test";
  hook.url = "http://flagger-loadtester.test/";
  hook.retries = retries;
  Outcome outcome;
  std::exception_ptr failure;
  boost::asio::co_spawn(context, store(webhooks.call(hook, "{}"), &outcome.result),
                        [&](std::exception_ptr e) { failure = e; });
  context.run();
  if (failure) std::rethrow_exception(failure);
  outcome.requests = client.requests.size();
  outcome.pauses = clock.pauses;
  return outcome;
}

http::Response answer(int status, std::string body = "", http::Headers headers = {}) {
  return {status, std::move(headers), std::move(body)};
}

TEST(Webhooks, OnlyHooksThatSaySoSkipVerification) {
  for (const bool disable_tls : {false, true}) {
    boost::asio::io_context context;
    ScriptedClient verifying, insecure;
    verifying.answers = insecure.answers = {http::Response{}};
    InstantClock clock;
    Webhooks webhooks(verifying, insecure, clock);
    canary::Webhook hook;
    hook.url = "https://gate.test/";
    hook.disable_tls = disable_tls;
    Result<void> result = base::fail(Errc::internal, "not called");
    boost::asio::co_spawn(context, store(webhooks.call(hook, "{}"), &result), [](std::exception_ptr) {});
    context.run();
    EXPECT_TRUE(result);
    EXPECT_EQ(verifying.requests.size(), disable_tls ? 0u : 1u);
    EXPECT_EQ(insecure.requests.size(), disable_tls ? 1u : 0u);
  }
}

TEST(Webhooks, JudgesByStatus) {
  for (const int status : {200, 201, 202}) EXPECT_TRUE(call({answer(status)}).result) << status;
  for (const int status : {203, 204, 301, 400, 403, 404, 500, 501, 503})
    EXPECT_FALSE(call({answer(status)}).result) << status;
}

TEST(Webhooks, ShowsWhatWasAnswered) {
  EXPECT_EQ(call({answer(403, "Forbidden\n")}).result.error().message, "Forbidden");
  EXPECT_EQ(call({answer(500, "command x failed: \x1b[31mout\n: exit status 7")}).result.error().message,
            "POST http://flagger-loadtester.test/ giving up after 1 attempt(s): 500 Internal Server Error: "
            "command x failed:  [31mout : exit status 7");
  EXPECT_EQ(
      call({base::fail(Errc::unavailable, "Post \"http://flagger-loadtester.test/\": connection refused")})
          .result.error()
          .message,
      "POST http://flagger-loadtester.test/ giving up after 1 attempt(s): Post "
      "\"http://flagger-loadtester.test/\": connection refused");
}

TEST(Webhooks, AGateThatAnswersWithNothingSaysItsStatus) {
  EXPECT_EQ(call({answer(204)}).result.error().message, "204 No Content");
  EXPECT_EQ(call({answer(301)}).result.error().message, "301 Moved Permanently");
}

TEST(Webhooks, ShowsGarbageAsText) {
  EXPECT_EQ(call({answer(400, "\xff\xfe\x01 no \xc3\xbc text")}).result.error().message,
            "\xef\xbf\xbd\xef\xbf\xbd  no \xc3\xbc text");
  EXPECT_EQ(call({answer(400, std::string(511, 'x') + "\xc3\xbc")}).result.error().message,
            std::string(511, 'x'));
}

TEST(Retry, PausesGrowUnlessTheServerWishesOtherwise) {
  using namespace std::chrono_literals;
  const base::WallTime now = base::parse_rfc3339("2026-11-23T04:00:00Z").value();
  const struct {
    int number, status;
    const char* retry_after;
    base::Duration pause;
  } cases[] = {
      {1, 500, "", 1s},
      {2, 502, "", 2s},
      {5, 504, "", 16s},
      {6, 500, "", 30s},
      {100, 500, "", 30s},
      {1, 500, "7", 1s},  // only 429 and 503 may wish
      {1, 429, "7", 7s},
      {3, 503, "0", 0s},
      {1, 503, "86400", 60s},
      {1, 503, "99999999999999999999", 60s},
      {1, 503, "-5", 1s},
      {1, 503, "soon", 1s},
      {1, 503, "Mon, 23 Nov 2026 04:00:09 GMT", 9s},
      {1, 503, "Mon, 23 Nov 2026 03:00:00 GMT", 0s},
      {1, 429, "Fri, 31 Dec 9999 23:59:59 GMT", 60s},
  };
  for (const auto& c : cases) {
    const Result<http::Response> response = answer(c.status, "", {{"Retry-After", c.retry_after}});
    EXPECT_EQ(pause_after(c.number, response, now), c.pause) << c.status << " " << c.retry_after;
  }
  EXPECT_EQ(pause_after(2, base::fail(Errc::unavailable, "refused"), now), 2s);
}

TEST(Retry, ReadsTheDatesOfHttp) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            base::parse_rfc3339("1994-11-06T08:49:37Z").value());
  for (const char* text : {"", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET",
                           "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT"}) {
    EXPECT_FALSE(parse_http_date(text)) << text;
  }
}

TEST(Retry, OnlyWhereAnotherAttemptMayHelp) {
  for (const int status : {429, 500, 502, 503, 599}) EXPECT_TRUE(worth_repeating(answer(status))) << status;
  for (const int status : {204, 301, 400, 404, 499, 501})
    EXPECT_FALSE(worth_repeating(answer(status))) << status;
  EXPECT_TRUE(worth_repeating(base::fail(Errc::timeout, "deadline")));
  EXPECT_TRUE(worth_repeating(base::fail(Errc::unavailable, "connection refused")));
  EXPECT_FALSE(worth_repeating(base::fail(Errc::rejected, "stopped after 10 redirects")));
  EXPECT_FALSE(worth_repeating(
      base::fail(Errc::unavailable,
                 "tls: failed to verify certificate: x509: certificate signed by unknown authority")));
}

TEST(Webhooks, TriesAgainWhereThatMayHelp) {
  using namespace std::chrono_literals;
  Outcome outcome = call({answer(500), answer(503, "", {{"Retry-After", "7"}}), answer(200)}, 3);
  EXPECT_TRUE(outcome.result);
  EXPECT_EQ(outcome.pauses, (std::vector<base::Duration>{1s, 7s}));
  outcome = call({answer(403), answer(200)}, 3);
  EXPECT_FALSE(outcome.result);
  EXPECT_EQ(outcome.requests, 1u);
  outcome = call({answer(502), answer(502), answer(502)}, 2);
  EXPECT_EQ(outcome.requests, 3u);
  EXPECT_NE(outcome.result.error().message.find("giving up after 3 attempt(s)"), std::string::npos);
}

}  // namespace
}  // namespace serin::hooks
