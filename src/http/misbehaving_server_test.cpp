#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "http/loopback_for_tests.h"

namespace serin::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;
using base::Errc;
using base::Result;
using base::Task;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that does what its script says: for each connection, what it answers to each request.
/// An empty answer is none: it closes there.
class ScriptedServer {
 public:
  using Script = std::vector<std::vector<std::string>>;

  ScriptedServer(base::Executor executor, Script script)
      : acceptor_(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), script_(std::move(script)) {}

  Task<void> run() {
    for (const auto& answers : script_) {
      tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
      ++connections;
      for (const auto& answer : answers) {
        std::string request;
        const auto [error, size] =
            co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n", as_result);
        if (error || answer.empty()) break;
        requests.push_back(request);
        co_await asio::async_write(socket, asio::buffer(answer), as_result);
      }
    }
  }

  [[nodiscard]] std::string port() const { return std::to_string(acceptor_.local_endpoint().port()); }
  [[nodiscard]] Url url(const std::string& target = "/") const {
    return {"http", "127.0.0.1", port(), target, {}};
  }

  int connections = 0;
  std::vector<std::string> requests;

 private:
  tcp::acceptor acceptor_;
  Script script_;
};

Task<void> no_requests(Request, Responder& responder) {
  responder.abandon();
  co_return;
}

struct Exchanged {
  std::vector<std::string> outcomes;  // the body, or the error's text
  std::vector<std::string> requests;
  int connections = 0;
};

Task<void> exchange(Loopback& loop, ScriptedServer::Script script, std::vector<Request> requests,
                    ExchangeOptions options, Exchanged* exchanged) {
  ScriptedServer server(loop.executor(), std::move(script));
  loop.group.spawn(server.run());
  for (Request& request : requests) {
    const std::string target = request.url.target;
    request.url = server.url(target);
    const Result<Response> response = co_await loop.client->send(request, options);
    const std::string url = request.url.text();
    std::string outcome =
        response ? fmt::format("{} {}", response->status, response->body) : response.error().message;
    // The port differs from run to run.
    for (std::size_t at; (at = outcome.find(server.port())) != std::string::npos;) {
      outcome.replace(at, server.port().size(), "PORT");
    }
    exchanged->outcomes.push_back(outcome);
  }
  exchanged->requests = server.requests;
  exchanged->connections = server.connections;
  loop.group.cancel();
  co_await loop.group.join();
}

Exchanged run(ScriptedServer::Script script, std::vector<Request> requests, ExchangeOptions options = {}) {
  Exchanged exchanged;
  Loopback::run({}, no_requests, {},
                [&](Loopback& loop) { return exchange(loop, script, requests, options, &exchanged); });
  return exchanged;
}

Request request(std::string method, std::string target = "/") {
  return {.method = std::move(method), .url = {.target = std::move(target)}};
}

using Texts = std::vector<std::string>;

TEST(MisbehavingServer, FailuresReadLikeGos) {
  const struct {
    std::string answer, outcome;
  } cases[] = {
      {"", "Get \"http://127.0.0.1:PORT/\": EOF"},
      {"garbage\r\n\r\n", "Get \"http://127.0.0.1:PORT/\": malformed HTTP version"},
      {"HTTP/1.1 200 OK\r\nContent-", "Get \"http://127.0.0.1:PORT/\": unexpected EOF"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "Get \"http://127.0.0.1:PORT/\": unexpected EOF"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
       "Get \"http://127.0.0.1:PORT/\": unexpected EOF"},
      {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
       "Get \"http://127.0.0.1:PORT/\": gzip: invalid data in the answer"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok, "200 ok"},
      {"HTTP/1.0 200 OK\r\n\r\nto the end", "200 to the end"},
  };
  for (const auto& c : cases) {
    const Exchanged exchanged = run({{c.answer}}, {request("GET")});
    EXPECT_EQ(exchanged.outcomes, Texts{c.outcome}) << c.answer;
  }
}

TEST(MisbehavingServer, ARequestThatMayBeRepeatedSurvivesADeadConnection) {
  const Exchanged exchanged = run({{ok, ""}, {ok}}, {request("GET"), request("GET")});
  EXPECT_EQ(exchanged.outcomes, (Texts{"200 ok", "200 ok"}));
  EXPECT_EQ(exchanged.connections, 2);
}

TEST(MisbehavingServer, APostIsNotSentTwice) {
  const Exchanged exchanged = run({{ok, ""}, {ok}}, {request("GET"), request("POST")});
  EXPECT_EQ(exchanged.outcomes, (Texts{"200 ok", "Post \"http://127.0.0.1:PORT/\": EOF"}));
}

TEST(MisbehavingServer, SilenceEndsAtTheDeadline) {
  const std::string half = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc";
  const Exchanged headers = run({{"HTTP/1.1 200", "never"}}, {request("PATCH")}, {.timeout = 50ms});
  EXPECT_EQ(headers.outcomes, Texts{"Patch \"http://127.0.0.1:PORT/\": context deadline exceeded "
                                    "(Client.Timeout exceeded while awaiting headers)"});
  const Exchanged body = run({{half, "never"}}, {request("GET")}, {.timeout = 50ms});
  EXPECT_EQ(body.outcomes, Texts{"Get \"http://127.0.0.1:PORT/\": context deadline exceeded (Client.Timeout "
                                 "or context cancellation while reading body)"});
}

std::string redirect(int status, const std::string& to) {
  return fmt::format("HTTP/1.1 {} X\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                     status, to);
}

TEST(Redirects, AreFollowedWithTheRightMethod) {
  Request post = request("POST", "/a/b?c");
  post.body = "body";
  const struct {
    int status;
    const char *location, *next;
  } cases[] = {
      {301, "/x", "GET /x "},  {302, "y?z", "GET /a/y?z "}, {303, "?q", "GET /a/b?q "},
      {307, "/x", "POST /x "}, {308, "c", "POST /a/c "},
  };
  for (const auto& c : cases) {
    const Exchanged exchanged = run({{redirect(c.status, c.location)}, {ok}}, {post}, {.redirects_max = 10});
    EXPECT_EQ(exchanged.outcomes, Texts{"200 ok"});
    EXPECT_EQ(exchanged.requests.size(), 2u);
    if (exchanged.requests.size() == 2)
      EXPECT_TRUE(exchanged.requests[1].starts_with(c.next)) << exchanged.requests[1];
  }
}

TEST(Redirects, EndAtTheLimit) {
  const ScriptedServer::Script circle(3, {redirect(302, "/again")});
  const Exchanged exchanged = run(circle, {request("GET")}, {.redirects_max = 2});
  EXPECT_EQ(exchanged.outcomes, Texts{"Get \"http://127.0.0.1:PORT/again\": stopped after 2 redirects"});
  const Exchanged unfollowed = run(circle, {request("GET")});
  EXPECT_EQ(unfollowed.outcomes, Texts{"302 "});
}

TEST(Redirects, ToOthersAreRefusedWhereTheyMustStay) {
  const ExchangeOptions stay{.redirects_max = 10, .redirects_stay = true};
  const Exchanged followed = run({{redirect(307, "/there")}, {ok}}, {request("POST")}, stay);
  EXPECT_EQ(followed.outcomes, Texts{"200 ok"});
  const Exchanged refused = run({{redirect(307, "http://elsewhere.test/x")}}, {request("POST")}, stay);
  EXPECT_EQ(refused.outcomes, Texts{"Post \"http://127.0.0.1:PORT/\": redirected to http://elsewhere.test, "
                                    "which is another host: refused"});
}

TEST(Client, RefusesHeadersThatWouldBreakTheRequest) {
  Request secret = request("GET");
  secret.headers.add("X-Evil", "a\r\nInjected: yes");
  EXPECT_EQ(run({{ok}}, {secret}).outcomes,
            Texts{"Get \"http://127.0.0.1:PORT/\": invalid header field value for \"X-Evil\""});
}

Task<void> refused(Loopback& loop) {
  Url url{"http", "127.0.0.1", "1", "/hook", "me:top secret"};
  const Result<Response> response = co_await loop.client->send({.method = "POST", .url = url}, {});
  EXPECT_FALSE(response);
  if (response) co_return;
  EXPECT_EQ(response.error(), (base::Error{Errc::unavailable,
                                           "Post \"http://me:xxxxx@127.0.0.1:1/hook\": dial tcp 127.0.0.1:1: "
                                           "connect: connection refused"}));
  url.host = std::string(64, 'x') + ".invalid";  // no name server is asked: a label has 63 characters at most
  const Result<Response> unknown = co_await loop.client->send({.url = url}, {});
  EXPECT_FALSE(unknown);
  if (unknown) co_return;
  EXPECT_EQ(unknown.error(),
            (base::Error{Errc::unavailable, fmt::format("Get \"http://me:xxxxx@{}:1/hook\": dial tcp: lookup "
                                                        "{}: no such host",
                                                        url.host, url.host)}));
}

TEST(Client, NamesWhatCouldNotBeReached) {
  Loopback::run({}, no_requests, {}, refused);
}

Task<void> through_a_proxy(Loopback& loop) {
  ScriptedServer proxy(loop.executor(), {{ok}});
  loop.group.spawn(proxy.run());
  auto client =
      make_client(loop.executor(), {.proxy = {.http_proxy = "http://u:p@127.0.0.1:" + proxy.port()}});
  EXPECT_TRUE(client);
  const Url url{"http", "podinfo.test", "9898", "/version", "a:b"};
  const Result<Response> response = co_await (*client)->send({.url = url}, {});
  EXPECT_TRUE(response) << response.error().message;
  loop.group.cancel();
  co_await loop.group.join();
  EXPECT_EQ(proxy.requests.size(), 1u);
  if (proxy.requests.empty()) co_return;
  const std::string& sent = proxy.requests[0];
  EXPECT_TRUE(
      sent.starts_with("GET http://podinfo.test:9898/version HTTP/1.1\r\nHost: podinfo.test:9898\r\n"))
      << sent;
  EXPECT_TRUE(sent.contains("\r\nProxy-Authorization: Basic dTpw\r\n")) << sent;
  EXPECT_TRUE(sent.contains("\r\nAuthorization: Basic YTpi\r\n")) << sent;
}

TEST(Client, SendsPlainRequestsThroughTheProxy) {
  Loopback::run({}, no_requests, {}, through_a_proxy);
}

Task<void> cancelled_while_waiting(Loopback& loop, bool* cancelled) {
  try {
    co_await loop.client->send(loop.get(), {.timeout = 1h});
  } catch (const std::exception& e) {
    *cancelled = base::is_cancellation(e);
    throw;
  }
}

Task<void> never_answers(Request, Responder& responder) {
  co_await responder.closed();
}

Task<void> cancels(Loopback& loop) {
  bool cancelled = false;
  base::TaskGroup group(loop.executor());
  group.spawn(cancelled_while_waiting(loop, &cancelled));
  co_await loop.clock.sleep_for(20ms);
  group.cancel();
  co_await group.join();
  EXPECT_TRUE(cancelled);
}

TEST(Client, CancellationGoesThrough) {
  Loopback::run({}, never_answers, {}, cancels);
}

}  // namespace
}  // namespace serin::http
