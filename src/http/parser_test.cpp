#include "http/parser.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace serin::http {
namespace {

/// Feeds `bytes` in pieces of `step`, as a network might deliver them.
std::expected<void, ParseFailure> feed(MessageParser* parser, std::string_view bytes, std::size_t step) {
  std::string waiting;
  while (!bytes.empty() && !parser->done()) {
    waiting += bytes.substr(0, step);
    bytes.remove_prefix(std::min(step, bytes.size()));
    const auto consumed = parser->feed(waiting);
    if (!consumed) return std::unexpected(consumed.error());
    waiting.erase(0, *consumed);
  }
  return {};
}

TEST(RequestParser, ReadsARequestInAnyPieces) {
  const std::string_view bytes =
      "POST /a?b=c HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nx-one: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\n";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    const auto parser = MessageParser::for_request({});
    ASSERT_TRUE(feed(parser.get(), bytes, step)) << step;
    ASSERT_TRUE(parser->done()) << step;
    EXPECT_EQ(parser->head.method, "POST");
    EXPECT_EQ(parser->head.target, "/a?b=c");
    EXPECT_EQ(parser->head.headers.all("X-One"), (std::vector<std::string_view>{"1", "2"}));
    EXPECT_FALSE(parser->head.headers.contains("Trailer"));
    EXPECT_EQ(parser->body, "hello world");
    EXPECT_TRUE(parser->head.keep_alive);
  }
}

TEST(RequestParser, RefusesWhatItMust) {
  const std::string host = "GET / HTTP/1.1\r\nHost: h\r\n";
  const struct {
    std::string name, bytes;
    int status;
  } cases[] = {
      {"garbage", "\x01\x02\x03 garbage\r\n\r\n", 400},
      {"a bad version", "GET / HTTP/3.0\r\n\r\n", 400},
      {"no version", "GET /\r\n\r\n", 400},
      {"a header without colon", host + "broken\r\n\r\n", 400},
      {"a blank before the colon", host + "Content-Length : 3\r\n\r\nabc", 400},
      {"a negative length", host + "Content-Length: -1\r\n\r\n", 400},
      {"two lengths", host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"length and chunks", host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"an unknown coding", host + "Transfer-Encoding: gzip\r\n\r\n", 400},
      {"a bad chunk size", host + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {"a chunk without end", host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n", 400},
      {"a chunk that overflows", host + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400},
      {"a long header", host + "X: " + std::string(2000, 'x') + "\r\n\r\n", 431},
      {"a long first line", "GET /" + std::string(2000, 'x') + " HTTP/1.1\r\n\r\n", 431},
      {"an endless chunk header", host + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(2000, 'x'),
       431},
      {"a large length", host + "Content-Length: 101\r\n\r\n", 413},
      {"a huge length", host + "Content-Length: 99999999999999999\r\n\r\n", 413},
      {"large chunks",
       host + "Transfer-Encoding: chunked\r\n\r\n40\r\n" + std::string(64, 'x') + "\r\n40\r\n", 413},
  };
  for (const auto& c : cases) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, c.bytes.size()}) {
      const auto parser = MessageParser::for_request({.header_max = 1000, .body_max = 100});
      const auto fed = feed(parser.get(), c.bytes, step);
      ASSERT_FALSE(fed) << c.name << " in pieces of " << step;
      EXPECT_EQ(fed.error().status, c.status) << c.name << ": " << fed.error().text;
    }
  }
}

TEST(RequestParser, LimitsTheHeadersAltogether) {
  std::string bytes = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 100; ++i) bytes += "X-" + std::to_string(i) + ": some value\r\n";
  for (const std::size_t step : {std::size_t{1}, std::size_t{50}, bytes.size()}) {
    const auto parser = MessageParser::for_request({.header_max = 1000});
    const auto fed = feed(parser.get(), bytes, step);
    ASSERT_FALSE(fed) << step;
    EXPECT_EQ(fed.error().status, 431);
  }
}

TEST(ResponseParser, KnowsWhereABodyEnds) {
  const struct {
    const char* bytes;
    bool bodyless;
    const char* body;
    bool keep_alive;
  } cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, "ok", true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true, "", true},
      {"HTTP/1.1 204 No Content\r\n\r\n", false, "", true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, "", true},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false, "", false},
      {"HTTP/1.0 200 OK\r\n\r\nuntil the end", false, "until the end", false},
      {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", false, "x", true},
  };
  for (const auto& c : cases) {
    const auto parser = MessageParser::for_response({}, c.bodyless);
    ASSERT_TRUE(feed(parser.get(), c.bytes, 3)) << c.bytes;
    ASSERT_TRUE(parser->end()) << c.bytes;
    EXPECT_TRUE(parser->done());
    EXPECT_EQ(parser->body, c.body);
    EXPECT_EQ(parser->head.keep_alive, c.keep_alive) << c.bytes;
  }
}

TEST(ResponseParser, NoticesACutOffMessage) {
  for (const char* bytes :
       {"", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nX: y", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
    const auto parser = MessageParser::for_response({}, false);
    ASSERT_TRUE(feed(parser.get(), bytes, 4)) << bytes;
    const auto ended = parser->end();
    ASSERT_FALSE(ended) << bytes;
    EXPECT_EQ(ended.error().text, "unexpected EOF");
  }
}

/// Damages valid messages in every way chance finds: whatever comes out, the parser ends or asks for more,
/// and keeps no more than it may.
TEST(Parser, SurvivesDamagedMessages) {
  const std::vector<std::string> seeds = {
      "POST /a?b=c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;e=1\r\nhello\r\n0\r\nT: "
      "t\r\n\r\n",
      "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close, x\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nX: a\r\n "
      "folded\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n"};
  constexpr std::string_view alphabet = "\r\n :;,0159afAF=\t\"\0\x7f\xff";
  base::Random random(20261123);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = seeds[random.below(seeds.size())];
    for (std::uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
      const std::size_t at = random.below(bytes.size());
      const char c = alphabet[random.below(alphabet.size())];
      if (random.below(3) == 0)
        bytes.insert(at, 1 + random.below(3), c);
      else if (random.below(2) == 0)
        bytes.erase(at, 1 + random.below(3));
      else
        bytes[at] = c;
    }
    const ParserLimits limits{.header_max = 200, .body_max = 50};
    const auto parser = round % 2 == 0 ? MessageParser::for_request(limits)
                                       : MessageParser::for_response(limits, round % 3 == 0);
    const auto fed = feed(parser.get(), bytes, 1 + random.below(bytes.size()));
    if (fed && !parser->done()) (void)parser->end();
    EXPECT_LE(parser->body.size(), 50u) << bytes;
  }
}

}  // namespace
}  // namespace serin::http
