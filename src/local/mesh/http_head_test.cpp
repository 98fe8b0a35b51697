#include "local/mesh/http_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin::local::mesh {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(RequestHead, RefusesWhatTwoReadersCouldSeeDifferently) {
  struct Case {
    const char* text;
    int status;  // 0: accepted
  };
  const Case cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
      {"GET / HTTP/1.0\r\n\r\n", 0},
      {"GET / HTTP/1.1\nHost: a\n\n", 0},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 0},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /\r\nHost: a\r\n\r\n", 400},
      {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01z\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
  };
  RequestHead head;
  for (const Case& each : cases) {
    const auto parsed = parse_request_head(each.text, head);
    EXPECT_EQ(parsed ? 0 : parsed.error().status, each.status) << each.text;
  }
}

TEST(RequestHead, LeavesTheConnectionsOwnFieldsBehind) {
  const std::string_view text =
      "POST /echo HTTP/1.1\r\nHost: podinfo\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: 5\r\nX-Mine: "
      "1\r\n"
      "TE: trailers\r\nX-Yours: 2\r\nContent-Length: 3\r\nl5d-dst-canonical: forged\r\nUpgrade: h2c\r\n\r\n";
  RequestHead head;
  ASSERT_TRUE(parse_request_head(text, head));
  std::string out;
  write_request_head(head, head.target, head.host, "podinfo.test.svc.cluster.local:9898", out);
  EXPECT_EQ(out,
            "POST /echo HTTP/1.1\r\nHost: podinfo\r\nX-Yours: 2\r\nContent-Length: 3\r\n"
            "l5d-dst-canonical: podinfo.test.svc.cluster.local:9898\r\n\r\n");
}

TEST(RequestHead, KeepsAnUpgrade) {
  RequestHead head;
  ASSERT_TRUE(parse_request_head(
      "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", head));
  EXPECT_TRUE(head.framing.upgrade);
  std::string out;
  write_request_head(head, "/ws", "a", "", out);
  EXPECT_EQ(out, "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
}

TEST(ResponseHead, KnowsWhereTheBodyEnds) {
  struct Case {
    const char* text;
    bool to_head;
    BodyKind body;
    bool keep_alive;
  };
  const Case cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, BodyKind::length, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true, BodyKind::none, true},
      {"HTTP/1.1 204 No Content\r\n\r\n", false, BodyKind::none, true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", false, BodyKind::none, true},
      {"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", false, BodyKind::chunked, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", false, BodyKind::chunked,
       true},
      {"HTTP/1.1 200 OK\r\n\r\n", false, BodyKind::until_close, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, BodyKind::length, false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false, BodyKind::length, false},
      {"HTTP/1.1 100 Continue\r\n\r\n", false, BodyKind::none, true},
  };
  ResponseHead head;
  for (const Case& each : cases) {
    ASSERT_TRUE(parse_response_head(each.text, each.to_head, head)) << each.text;
    EXPECT_EQ(head.framing.body, each.body) << each.text;
    EXPECT_EQ(head.framing.keep_alive, each.keep_alive) << each.text;
  }
  for (const char* bad : {"HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "nonsense\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"}) {
    EXPECT_FALSE(parse_response_head(bad, false, head)) << bad;
  }
}

TEST(FindHeadEnd, GoesOnWhereItStopped) {
  const std::string text = "GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
  std::size_t searched = 0;
  for (std::size_t length = 0; length < 27; ++length) {
    EXPECT_EQ(find_head_end(std::string_view(text).substr(0, length), searched), std::string_view::npos);
  }
  EXPECT_EQ(find_head_end(text, searched), 27u);
}

TEST(BodyFraming, EndsWhereTheBodyEndsHoweverItIsCut) {
  const std::string chunked = "5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nTrailer: 1\r\n\r\n";
  const std::string wire = chunked + "GET / HTTP/1.1";
  for (std::size_t piece = 1; piece <= wire.size(); ++piece) {
    BodyFraming framing(BodyKind::chunked);
    std::size_t taken = 0;
    while (!framing.done() && taken < wire.size()) {
      const auto n = framing.take(std::string_view(wire).substr(taken, piece));
      ASSERT_TRUE(n) << n.error();
      taken += *n;
    }
    EXPECT_TRUE(framing.done());
    EXPECT_EQ(taken, chunked.size()) << "in pieces of " << piece;
  }
  BodyFraming three(BodyKind::length, 3);
  EXPECT_EQ(three.take("abcdef").value(), 3u);
  EXPECT_TRUE(three.done());
}

TEST(BodyFraming, RefusesMalformedChunks) {
  for (const char* bad : {"x\r\n", "\r\n", "5\rhello", "5\nhello\r\n", "5\r\nhelloX", "fffffffffffffffff\r\n",
                          "5;a\n", "0\r\n\n"}) {
    BodyFraming framing(BodyKind::chunked);
    EXPECT_FALSE(framing.take(bad)) << bad;
  }
}

TEST(Detect, TellsHttpFromTheRest) {
  struct Case {
    std::string_view bytes;
    FirstBytes expected;
  };
  const Case cases[] = {
      {"", FirstBytes::unknown},
      {"GE", FirstBytes::unknown},
      {"GET ", FirstBytes::http},
      {"GET / nonsense\r\n", FirstBytes::http},
      {"PROPFIND / HT", FirstBytes::unknown},
      {"PROPFIND / HTTP/1.1\r\n", FirstBytes::http},
      {"PING hello\r\n", FirstBytes::other},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", FirstBytes::other},
      {std::string_view("\x16\x03\x01\x02\x00", 5), FirstBytes::other},
      {"hello\r\n", FirstBytes::other},
      {"*1\r\n$4\r\nPING\r\n", FirstBytes::other},
  };
  for (const Case& each : cases) EXPECT_EQ(detect(each.bytes), each.expected) << each.bytes;
}

}  // namespace
}  // namespace serin::local::mesh
