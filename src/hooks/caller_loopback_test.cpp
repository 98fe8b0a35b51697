#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <list>

#include "base/base64.h"
#include "hooks/caller.h"
#include "http/loopback_for_tests.h"

namespace serin::hooks {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::ip::tcp;
using base::Result;
using base::Task;
using http::Loopback;

canary::Webhook hook_at(const http::Url& url) {
  canary::Webhook hook;
  hook.name = "acceptance-test";
  hook.url = url.text();
  hook.timeout = 20s;
  return hook;
}

/// What a receiver was asked.
struct Seen {
  std::vector<http::Request> requests;
};

Task<void> receive(Seen* seen, http::Request request, http::Responder& responder) {
  const std::string target = request.url.target;
  seen->requests.push_back(std::move(request));
  if (target == "/drop") {
    responder.abandon();
    co_return;
  }
  http::Response response;
  if (target == "/elsewhere") response = {307, {{"Location", "http://elsewhere.test/"}}, {}};
  if (target == "/moved") response = {307, {{"Location", "/"}}, {}};
  if (target == "/circle") response = {302, {{"Location", "/circle"}}, {}};
  if (target == "/huge") response.body = std::string(200'000, 'x');
  co_await responder.send(std::move(response));
}

http::Handler receiver(Seen& seen) {
  return [&seen](http::Request request, http::Responder& responder) {
    return receive(&seen, std::move(request), responder);
  };
}

Task<void> call_all(Loopback* loop, std::vector<canary::Webhook> hooks, std::vector<Result<void>>* results) {
  Webhooks webhooks(*loop->client, *loop->client, loop->clock);
  for (canary::Webhook& hook : hooks) {
    Result<void> result = co_await webhooks.call(std::move(hook), R"({"name":"podinfo"})");
    results->push_back(std::move(result));
  }
}

/// The outcome of calling each target in turn, "passed" or the error; PORT stands for the server's port.
std::vector<std::string> call_targets(std::vector<std::string> targets, Seen& seen) {
  std::vector<Result<void>> results;
  std::string port;
  Loopback::run({}, receiver(seen), {}, [&](Loopback& loop) {
    port = std::to_string(loop.server->port());
    std::vector<canary::Webhook> hooks;
    for (const std::string& target : targets) hooks.push_back(hook_at(loop.url(target)));
    return call_all(&loop, std::move(hooks), &results);
  });
  std::vector<std::string> texts;
  for (const Result<void>& result : results) {
    std::string text = result ? "passed" : result.error().message;
    for (auto at = text.find(port); at != std::string::npos; at = text.find(port)) {
      text.replace(at, port.size(), "PORT");
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

TEST(WebhooksOverHttp, PostJson) {
  Seen seen;
  EXPECT_EQ(call_targets({"/hook?a=b"}, seen), std::vector<std::string>{"passed"});
  ASSERT_EQ(seen.requests.size(), 1u);
  EXPECT_EQ(seen.requests[0].method, "POST");
  EXPECT_EQ(seen.requests[0].url.target, "/hook?a=b");
  EXPECT_EQ(seen.requests[0].headers.get("Content-Type"), "application/json");
  EXPECT_EQ(seen.requests[0].body, R"({"name":"podinfo"})");
}

TEST(WebhooksOverHttp, RedirectsAreFollowedOnTheSameHostOnly) {
  Seen seen;
  const std::string url = "http://127.0.0.1:PORT";
  EXPECT_EQ(call_targets({"/moved", "/elsewhere", "/circle"}, seen),
            (std::vector<std::string>{
                "passed",
                "POST " + url + "/elsewhere giving up after 1 attempt(s): Post \"" + url +
                    "/elsewhere\": redirected to http://elsewhere.test, which is another host: refused",
                "POST " + url + "/circle giving up after 1 attempt(s): Get \"" + url +
                    "/circle\": stopped after 10 redirects"}));
  ASSERT_GE(seen.requests.size(), 2u);
  EXPECT_EQ(seen.requests[1].method, "POST");
  EXPECT_EQ(seen.requests[1].body, R"({"name":"podinfo"})");
}

TEST(WebhooksOverHttp, AHugeAnswerIsNotReadToItsEnd) {
  Seen seen;
  EXPECT_EQ(call_targets({"/huge"}, seen),
            std::vector<std::string>{"POST http://127.0.0.1:PORT/huge giving up after 1 attempt(s): Post "
                                     "\"http://127.0.0.1:PORT/huge\": the answer's body is larger than 65536 "
                                     "bytes"});
  EXPECT_EQ(seen.requests.size(), 1u);
}

TEST(WebhooksOverHttp, ADroppedConnectionIsNamed) {
  Seen seen;
  EXPECT_EQ(call_targets({"/drop"}, seen),
            std::vector<std::string>{"POST http://127.0.0.1:PORT/drop giving up after 1 attempt(s): Post "
                                     "\"http://127.0.0.1:PORT/drop\": EOF"});
}

TEST(WebhooksOverHttp, UserInfoBecomesBasicAuthAndIsNeverShown) {
  Seen seen;
  std::vector<Result<void>> results;
  Loopback::run({}, receiver(seen), {}, [&](Loopback& loop) {
    const std::string address = "127.0.0.1:" + std::to_string(loop.server->port());
    std::vector<canary::Webhook> hooks(2);
    hooks[0].url = "http://me:top%20secret@" + address + "/";
    hooks[1].url = "http://me:top%20secret@127.0.0.1:1/";
    return call_all(&loop, std::move(hooks), &results);
  });
  ASSERT_EQ(seen.requests.size(), 1u);
  EXPECT_EQ(seen.requests[0].headers.get("Authorization"), "Basic " + base::base64_encode("me:top secret"));
  ASSERT_EQ(results.size(), 2u);
  EXPECT_TRUE(results[0]);
  EXPECT_EQ(
      results[1].error().message,
      "POST http://127.0.0.1:1/ giving up after 1 attempt(s): Post \"http://me:xxxxx@127.0.0.1:1/\": dial "
      "tcp 127.0.0.1:1: connect: connection refused");
}

Task<void> call_through_proxy(Loopback* loop, Result<void>* result) {
  const std::string proxy = "http://u:p@127.0.0.1:" + std::to_string(loop->server->port());
  auto client = http::make_client(loop->executor(), {.tls = {}, .proxy = {.http_proxy = proxy}});
  if (!client) co_return;
  Webhooks webhooks(**client, **client, loop->clock);
  canary::Webhook hook;
  hook.url = "http://flagger-loadtester.test/gate";
  *result = co_await webhooks.call(std::move(hook), "{}");
}

TEST(WebhooksOverHttp, GoThroughTheProxy) {
  Seen seen;
  Result<void> result = base::fail(base::Errc::internal, "not called");
  Loopback::run({}, receiver(seen), {}, [&](Loopback& loop) { return call_through_proxy(&loop, &result); });
  EXPECT_TRUE(result);
  ASSERT_EQ(seen.requests.size(), 1u);
  EXPECT_EQ(seen.requests[0].headers.get("Host"), "flagger-loadtester.test");
  EXPECT_EQ(seen.requests[0].headers.get("Proxy-Authorization"), "Basic " + base::base64_encode("u:p"));
}

TEST(WebhooksOverHttp, ReachIpv6) {
  Seen seen;
  std::vector<Result<void>> results;
  try {
    Loopback::run({.address = "::1", .tls = {}}, receiver(seen), {},
                  [&](Loopback& loop) { return call_all(&loop, {hook_at(loop.url("/", "::1"))}, &results); });
  } catch (const std::runtime_error& error) {
    GTEST_SKIP() << error.what();
  }
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0]) << results[0].error().message;
  EXPECT_EQ(seen.requests.size(), 1u);
}

/// Takes connections and answers each with the same bytes, whatever is asked; then it stays silent.
class RawServer {
 public:
  RawServer(base::Executor executor, std::string bytes)
      : acceptor_(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), bytes_(std::move(bytes)) {}

  Task<void> run() {
    while (true) {
      tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
      sockets_.push_back(std::move(socket));
      co_await asio::async_write(sockets_.back(), asio::buffer(bytes_), asio::as_tuple(asio::use_awaitable));
    }
  }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/";
  }

 private:
  tcp::acceptor acceptor_;
  std::string bytes_;
  std::list<tcp::socket> sockets_;
};

Task<void> call_raw(Loopback* loop, std::string bytes, Result<void>* result) {
  RawServer server(loop->executor(), std::move(bytes));
  base::TaskGroup group(loop->executor());
  group.spawn(server.run());
  Webhooks webhooks(*loop->client, *loop->client, loop->clock);
  canary::Webhook hook;
  hook.url = server.url();
  hook.timeout = 100ms;
  *result = co_await webhooks.call(std::move(hook), "{}");
  group.cancel();
  co_await group.join();
}

TEST(WebhooksOverHttp, HangingAndGarbageCostTheTimeoutAndNothingElse) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
       "context deadline exceeded (Client.Timeout or context cancellation while reading body)"},
      {"\x16\x03\x01 no HTTP at all\r\n\r\n", "malformed HTTP"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "malformed HTTP"},
  };
  for (const auto& [bytes, cause] : cases) {
    Result<void> result;
    Seen seen;
    const auto before = std::chrono::steady_clock::now();
    Loopback::run({}, receiver(seen), {}, [&](Loopback& loop) { return call_raw(&loop, bytes, &result); });
    ASSERT_FALSE(result) << bytes;
    EXPECT_TRUE(result.error().message.contains(cause)) << result.error().message;
    EXPECT_LT(std::chrono::steady_clock::now() - before, 5s) << bytes;
  }
}

}  // namespace
}  // namespace serin::hooks
