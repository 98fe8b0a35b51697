#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "http/loopback_for_tests.h"

namespace serin::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;
using base::Result;
using base::Task;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

Task<void> answer_ok(Request, Responder& responder) {
  co_await responder.send({.body = "ok"});
}

Task<tcp::socket> connect(Loopback& loop) {
  tcp::socket socket(loop.executor());
  const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), loop.server->port());
  co_await socket.async_connect(endpoint, asio::use_awaitable);
  co_return std::move(socket);
}

/// Everything the server sends until it closes.
Task<std::string> read_all(tcp::socket* socket) {
  std::string received;
  std::string piece(4096, '\0');
  for (bool open = true; open;) {
    const auto [error, size] = co_await socket->async_read_some(asio::buffer(piece), as_result);
    received.append(piece, 0, size);
    open = !error;
  }
  co_return received;
}

/// Sends raw bytes and then, unless `hang`, ends its side; gives what comes back.
Task<void> talk(Loopback& loop, std::string bytes, bool hang, std::string* received) {
  tcp::socket socket = co_await connect(loop);
  co_await asio::async_write(socket, asio::buffer(bytes), as_result);
  if (!hang) socket.shutdown(tcp::socket::shutdown_send);
  *received = co_await read_all(&socket);
  // Whatever happened, the server serves the next one.
  const Result<Response> next = co_await loop.client->send(loop.get(), {});
  EXPECT_TRUE(next && next->body == "ok");
}

std::string talk(const std::string& bytes, bool hang, const ServerOptions& options = {},
                 Handler handler = answer_ok) {
  std::string received;
  Loopback::run(options, std::move(handler), {},
                [&](Loopback& loop) { return talk(loop, bytes, hang, &received); });
  return received;
}

TEST(MisbehavingClient, GetsTheRightRefusal) {
  const ServerOptions options{.body_max = 1000, .header_max = 2000, .read_timeout = 100ms};
  const std::string host = "Host: h\r\n";
  const struct {
    std::string name, bytes, status;
  } cases[] = {
      {"garbage", std::string("\0\1\2\xff\xfe\r\n\r\n", 9), "400"},
      {"a TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + std::string(400, 'x'),
       "400"},
      {"huge headers", "GET / HTTP/1.1\r\n" + host + "X: " + std::string(100'000, 'x') + "\r\n\r\n", "431"},
      {"a huge length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999\r\n\r\n", "413"},
      {"a body larger than allowed",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 2000\r\n\r\n" + std::string(2000, 'x'), "413"},
      {"a bad chunk", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
      {"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n", "400"},
      {"a bad target", "GET path HTTP/1.1\r\n" + host + "\r\n", "400"},
      {"a slow header", "GET / HTT", "408"},
      {"a slow body", "POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\nabc", "408"},
  };
  for (const auto& c : cases) {
    const std::string received = talk(c.bytes, true, options);
    EXPECT_TRUE(received.starts_with("HTTP/1.1 " + c.status + " ")) << c.name << ": " << received;
    EXPECT_TRUE(received.contains("\r\nConnection: close\r\n")) << c.name << ": " << received;
  }
}

TEST(MisbehavingClient, AHalfRequestIsDropped) {
  for (const char* bytes : {"", "G", "GET / HTTP/1.1\r\nHost: h\r\n",
                            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"}) {
    EXPECT_EQ(talk(bytes, false), "") << bytes;
  }
}

TEST(MisbehavingClient, AnIdleConnectionIsClosed) {
  const std::string get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  EXPECT_EQ(talk("", true, {.idle_timeout = 50ms}), "");
  EXPECT_TRUE(talk(get, true, {.idle_timeout = 50ms}).ends_with("\r\n\r\nok"));
}

TEST(Server, AnswersRequestsSentTogetherInOrder) {
  const std::string received =
      talk("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", true);
  const std::size_t first = received.find("HTTP/1.1 200 OK");
  EXPECT_EQ(first, 0u);
  EXPECT_NE(received.find("HTTP/1.1 200 OK", 1), std::string::npos) << received;
}

TEST(Server, InvitesABodyThatAsks) {
  const std::string received = talk(
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
      true, {.read_timeout = 100ms});
  EXPECT_TRUE(received.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 ")) << received;
}

Task<void> streams_two(Request, Responder& responder) {
  co_await responder.start({});
  co_await responder.write("one");
  co_await responder.write("two");
  co_await responder.finish();
}

TEST(Server, SpeaksHttp10) {
  const std::string kept =
      talk("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n", true);
  EXPECT_TRUE(kept.contains("\r\nConnection: keep-alive\r\n")) << kept;
  EXPECT_TRUE(kept.contains("\r\nConnection: close\r\n")) << kept;
}

Task<void> reads_raw(Loopback& loop, std::string bytes, std::string* received) {
  tcp::socket socket = co_await connect(loop);
  co_await asio::async_write(socket, asio::buffer(bytes), as_result);
  *received = co_await read_all(&socket);
}

TEST(Server, StreamsToHttp10WithoutChunks) {
  std::string received;
  Loopback::run({}, streams_two, {},
                [&](Loopback& loop) { return reads_raw(loop, "GET / HTTP/1.0\r\n\r\n", &received); });
  EXPECT_TRUE(received.ends_with("\r\n\r\nonetwo")) << received;
  EXPECT_FALSE(received.contains("chunked"));
}

Task<void> fails(Request request, Responder& responder) {
  if (request.url.target == "/throws") throw std::runtime_error("broken");
  if (request.url.target == "/cut") {
    co_await responder.start({});
    co_await responder.write("half");
    co_return;
  }
  if (request.url.target == "/abandon") responder.abandon();
}

Task<void> handler_failures(Loopback& loop) {
  for (const char* target : {"/nothing", "/throws"}) {
    const Result<Response> response = co_await loop.client->send(loop.get(target), {});
    EXPECT_TRUE(response && response->status == 500) << target;
  }
  for (const char* target : {"/cut", "/abandon"}) {
    const Result<Response> response = co_await loop.client->send(loop.get(target), {});
    EXPECT_FALSE(response) << target;
    if (!response) EXPECT_EQ(response.error().code, base::Errc::unavailable);
  }
}

TEST(Server, AHandlerThatFailsHarmsNobodyElse) {
  Loopback::run({}, fails, {}, handler_failures);
}

/// Answers 101 and sends back what arrives, in capitals.
Task<void> takes_over(Request, Responder& responder) {
  auto duplex = co_await responder.upgrade({101, {{"Upgrade", "caps"}, {"Connection", "Upgrade"}}, {}});
  if (!duplex) co_return;
  for (;;) {
    auto bytes = co_await (*duplex)->read();
    if (!bytes || !*bytes) co_return;
    std::string text = **bytes;
    for (char& c : text) c = static_cast<char>(std::toupper(c));
    const Result<void> written = co_await (*duplex)->write(std::move(text));
    if (!written) co_return;
  }
}

Task<void> reads_upgraded(Loopback& loop, std::string bytes, std::string* received) {
  tcp::socket socket = co_await connect(loop);
  co_await asio::async_write(socket, asio::buffer(bytes), as_result);
  std::string piece(4096, '\0');
  while (!received->contains("EARLY ")) {
    const std::size_t size = co_await socket.async_read_some(asio::buffer(piece), asio::use_awaitable);
    received->append(piece, 0, size);
  }
  co_await asio::async_write(socket, asio::buffer("late", 4), as_result);
  socket.shutdown(tcp::socket::shutdown_send);
  const std::string rest = co_await read_all(&socket);
  *received += rest;
}

TEST(Server, HandsAConnectionOver) {
  std::string received;
  const std::string bytes = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: caps\r\nConnection: Upgrade\r\n\r\nearly ";
  Loopback::run({}, takes_over, {}, [&](Loopback& loop) { return reads_upgraded(loop, bytes, &received); });
  EXPECT_TRUE(received.starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << received;
  EXPECT_TRUE(received.ends_with("\r\n\r\nEARLY LATE")) << received;
}

Task<void> waits_for_the_peer(Request, Responder& responder) {
  co_await responder.closed();
}

Task<void> fills_the_server(Loopback& loop) {
  tcp::socket first = co_await connect(loop);
  co_await asio::async_write(first, asio::buffer("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27), as_result);
  const Result<Response> full = co_await loop.client->send(loop.get(), {.timeout = 50ms});
  EXPECT_FALSE(full) << "the second connection waits in the backlog";
  first.close();
}

TEST(Server, LimitsItsConnections) {
  Loopback::run({.connections_max = 1}, waits_for_the_peer, {}, fills_the_server);
}

TEST(Server, NamesThePortThatIsTaken) {
  asio::io_context context;
  const auto first = make_server(context.get_executor(), {}, answer_ok, {});
  ASSERT_TRUE(first);
  const std::uint16_t port = (*first)->port();
  const auto second = make_server(context.get_executor(), {.port = port}, answer_ok, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "listen on 127.0.0.1:" + std::to_string(port) +
                                        ": address already in use; choose another port, or 0 for any");
}

}  // namespace
}  // namespace serin::http
