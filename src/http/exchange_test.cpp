#include <fmt/format.h>
#include <zlib.h>

#include "http/loopback_for_tests.h"

namespace serin::http {
namespace {

using namespace std::chrono_literals;
using base::Errc;
using base::Result;
using base::Task;

/// Answers with what it was asked.
Task<void> echo(Request request, Responder& responder) {
  Response response{.headers = {{"X-Method", request.method}, {"X-Target", request.url.target}},
                    .body = request.body};
  for (const auto& [name, value] : request.headers) response.headers.add("Echo-" + name, value);
  response.headers.add("X-Peer-Port", std::to_string(responder.peer().port));
  co_await responder.send(std::move(response));
}

Task<void> echoes(Loopback& loop) {
  Request request{.method = "POST", .url = loop.url("/a?b=c"), .headers = {{"X-Own", "1"}}, .body = "hello"};
  const Result<Response> first = co_await loop.client->send(request, {});
  EXPECT_TRUE(first) << first.error().message;
  if (!first) co_return;
  EXPECT_EQ(first->status, 200);
  EXPECT_EQ(first->body, "hello");
  EXPECT_EQ(first->headers.get("X-Method"), "POST");
  EXPECT_EQ(first->headers.get("X-Target"), "/a?b=c");
  EXPECT_EQ(first->headers.get("Echo-X-Own"), "1");
  EXPECT_EQ(first->headers.get("Echo-Host"), loop.url().authority());
  EXPECT_EQ(first->headers.get("Echo-User-Agent"), "serin");
  EXPECT_TRUE(first->headers.contains("Date"));

  const Result<Response> second = co_await loop.client->send(request, {});
  EXPECT_TRUE(second);
  if (second)
    EXPECT_EQ(second->headers.get("X-Peer-Port"), first->headers.get("X-Peer-Port")) << "kept alive";

  request.method = "HEAD";
  request.body.clear();
  const Result<Response> head = co_await loop.client->send(request, {});
  EXPECT_TRUE(head);
  if (head) EXPECT_EQ(head->body, "");
}

TEST(Exchange, CarriesRequestsAndAnswers) {
  Loopback::run({}, echo, {}, echoes);
}

Task<void> asks_by(Loopback& loop, std::string method, bool reused) {
  const Request request{.method = std::move(method), .url = loop.url()};
  const Result<Response> first = co_await loop.client->send(request, {});
  const Result<Response> second = co_await loop.client->send(request, {});
  EXPECT_TRUE(first && second);
  if (!first || !second) co_return;
  EXPECT_EQ(first->headers.get("X-Peer-Port") == second->headers.get("X-Peer-Port"), reused)
      << request.method;
}

TEST(Exchange, WhatCannotBeSentTwiceGoesOverAConnectionThatIsSurelyOpen) {
  for (const auto& [method, reused] : {std::pair("GET", true), std::pair("POST", false)}) {
    Loopback::run({}, echo, {.idle_for_post_max = {}},
                  [&](Loopback& loop) { return asks_by(loop, method, reused); });
  }
}

/// 12 MiB in 64 KiB pieces.
Task<void> stream_much(Request, Responder& responder) {
  co_await responder.start({.headers = {{"Content-Type", "application/octet-stream"}}});
  for (int i = 0; i < 192; ++i) {
    std::string piece(64u << 10, static_cast<char>('a' + i % 26));
    const Result<void> written = co_await responder.write(std::move(piece));
    if (!written) co_return;
  }
  co_await responder.finish();
}

Task<void> reads_a_stream(Loopback& loop) {
  for (int round = 0; round < 2; ++round) {
    auto answer = co_await loop.client->open(loop.get(), {});
    EXPECT_TRUE(answer);
    if (!answer) co_return;
    std::size_t total = 0;
    bool ended = false;
    while (!ended) {
      const auto piece = co_await answer->body->read();
      EXPECT_TRUE(piece);
      ended = !piece || !*piece;
      if (!ended) total += (*piece)->size();
    }
    EXPECT_EQ(total, 12u << 20);
  }
  const auto limited = co_await loop.client->send(loop.get(), {.body_max = 1u << 20});
  EXPECT_FALSE(limited);
  if (!limited) EXPECT_EQ(limited.error().code, Errc::rejected);
}

TEST(Exchange, StreamsLargeBodies) {
  Loopback::run({}, stream_much, {}, reads_a_stream);
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

const std::string long_text(5u << 20, 'z');

Task<void> packs(Request request, Responder& responder) {
  const bool asked = request.headers.get("Accept-Encoding") == "gzip";
  EXPECT_TRUE(asked);
  co_await responder.send({.headers = {{"Content-Encoding", "gzip"}}, .body = gzip(long_text)});
}

Task<void> unpacks(Loopback& loop) {
  const Result<Response> response = co_await loop.client->send(loop.get(), {});
  EXPECT_TRUE(response);
  if (response) EXPECT_TRUE(response->body == long_text);
  if (response) EXPECT_FALSE(response->headers.contains("Content-Encoding"));
  Request own = loop.get();
  own.headers.add("Accept-Encoding", "gzip");
  const Result<Response> packed = co_await loop.client->send(own, {});
  EXPECT_TRUE(packed);
  if (packed) EXPECT_EQ(packed->headers.get("Content-Encoding"), "gzip");
  const Result<Response> bomb = co_await loop.client->send(loop.get(), {.body_max = 1u << 20});
  EXPECT_FALSE(bomb);
  if (!bomb) EXPECT_EQ(bomb.error().code, Errc::rejected);
}

TEST(Exchange, UnpacksGzip) {
  Loopback::run({}, packs, {}, unpacks);
}

/// Streams a line, then waits until the peer goes; counts those that went.
struct Watched {
  int gone = 0;
  Task<void> handle(Request, Responder& responder) {
    co_await responder.start({});
    co_await responder.write("line\n");
    co_await responder.closed();
    ++gone;
  }
};

Task<void> leaves_a_stream(Loopback& loop, Watched* watched) {
  {
    auto answer = co_await loop.client->open(loop.get(), {});
    EXPECT_TRUE(answer);
    if (!answer) co_return;
    const auto piece = co_await answer->body->read();
    EXPECT_TRUE(piece && *piece == "line\n");
  }
  const base::MonoTime deadline = loop.clock.now() + 10s;
  while (watched->gone == 0 && loop.clock.now() < deadline) co_await loop.clock.sleep_for(1ms);
  EXPECT_EQ(watched->gone, 1);
}

TEST(Exchange, TellsTheHandlerThatThePeerHasGone) {
  Watched watched;
  Loopback::run(
      {}, [&](Request r, Responder& w) { return watched.handle(std::move(r), w); }, {},
      [&](Loopback& loop) { return leaves_a_stream(loop, &watched); });
}

}  // namespace
}  // namespace serin::http
