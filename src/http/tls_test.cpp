#include "http/tls.h"

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

/// A CA, its server certificate for 127.0.0.1 and podinfo.test, and a client certificate.
struct Credentials {
  CertifiedKey authority, server, client;

  static Credentials make() {
    const Validity now{.from = base::SystemClock().wall_now() - 1min, .length = 1h};
    Credentials made;
    made.authority = make_authority("test CA", now).value();
    made.server = issue(made.authority, {.common_name = "server",
                                         .names = {"127.0.0.1", "podinfo.test"},
                                         .server = true,
                                         .validity = now})
                      .value();
    made.client = issue(made.authority, {.common_name = "admin",
                                         .organizations = {"system:masters", "others"},
                                         .client = true,
                                         .validity = now})
                      .value();
    return made;
  }

  [[nodiscard]] ServerOptions server_options() const {
    return {.tls = ServerTls{server.certificate_pem, server.key_pem, authority.certificate_pem},
            .read_timeout = 200ms};
  }
  [[nodiscard]] ClientOptions client_options() const {
    return {.tls = {.ca_pem = authority.certificate_pem}};
  }
};

Task<void> tell_subject(Request request, Responder& responder) {
  if (request.url.target == "/wait") {
    co_await responder.start({});
    co_await responder.write("line");
    co_await responder.closed();
    co_return;
  }
  co_await responder.send(
      {.body = responder.peer().certificate_subject + "|" + request.url.scheme + request.body});
}

/// The body of the answer, or the error's text.
Task<void> ask(Loopback& loop, std::string host, std::string* outcome) {
  const Request request{.url = loop.url("/", host)};
  const Result<Response> response = co_await loop.client->send(request, {});
  *outcome = response ? response->body : response.error().message;
}

std::string ask(const ServerOptions& server, const ClientOptions& client,
                const std::string& host = "127.0.0.1") {
  std::string outcome;
  Loopback::run(server, tell_subject, client, [&](Loopback& loop) { return ask(loop, host, &outcome); });
  return outcome;
}

TEST(Tls, ServesAndKnowsItsClient) {
  const Credentials credentials = Credentials::make();
  EXPECT_EQ(ask(credentials.server_options(), credentials.client_options()), "|https");
  ClientOptions with_certificate = credentials.client_options();
  with_certificate.tls.certificate_pem = credentials.client.certificate_pem;
  with_certificate.tls.key_pem = credentials.client.key_pem;
  EXPECT_EQ(ask(credentials.server_options(), with_certificate), "CN=admin,O=others,O=system:masters|https");
}

TEST(Tls, ServesIPv4NameWithoutClientCertificatesAskedFor) {
  const Credentials credentials = Credentials::make();
  ServerOptions server = credentials.server_options();
  server.tls->client_ca_pem.clear();
  EXPECT_EQ(ask(server, credentials.client_options()), "|https");
}

TEST(Tls, TheClientChecksTheServer) {
  const Credentials ours = Credentials::make(), theirs = Credentials::make();
  const std::string unknown = ask(theirs.server_options(), ours.client_options());
  EXPECT_TRUE(
      unknown.ends_with("tls: failed to verify certificate: x509: certificate signed by unknown authority"))
      << unknown;
  ClientOptions misnamed = ours.client_options();
  misnamed.tls.server_name = "kubernetes";
  const std::string wrong_host = ask(ours.server_options(), misnamed);
  EXPECT_TRUE(wrong_host.ends_with("x509: certificate is not valid for kubernetes")) << wrong_host;
  const std::string wrong_address = ask(ours.server_options(), ours.client_options(), "127.0.0.2");
  EXPECT_TRUE(wrong_address.contains("127.0.0.2")) << wrong_address;
  misnamed.tls.verify = false;
  EXPECT_EQ(ask(theirs.server_options(), misnamed), "|https");
  ClientOptions named = ours.client_options();
  named.tls.server_name = "podinfo.test";
  EXPECT_EQ(ask(ours.server_options(), named), "|https");
}

TEST(Tls, TheServerChecksTheClient) {
  const Credentials ours = Credentials::make(), theirs = Credentials::make();
  ClientOptions stranger = ours.client_options();
  stranger.tls.certificate_pem = theirs.client.certificate_pem;
  stranger.tls.key_pem = theirs.client.key_pem;
  const std::string outcome = ask(ours.server_options(), stranger);
  EXPECT_TRUE(outcome.starts_with("Get \"https://127.0.0.1:")) << outcome;
}

TEST(Tls, NamesTheTextThatIsNoPem) {
  const Credentials credentials = Credentials::make();
  asio::io_context context;
  const struct {
    TlsOptions tls;
    const char* error;
  } cases[] = {
      {{.ca_pem = "x"}, "TLS root certificates: not a PEM certificate"},
      {{.certificate_pem = "x", .key_pem = credentials.client.key_pem},
       "client: TLS certificate: not a PEM certificate"},
      {{.certificate_pem = credentials.client.certificate_pem}, "client: TLS key: not a PEM private key"},
      {{.certificate_pem = credentials.client.certificate_pem, .key_pem = credentials.server.key_pem},
       "client: TLS key: does not belong to the certificate"},
  };
  for (const auto& c : cases) {
    const auto client = make_client(context.get_executor(), {.tls = c.tls});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error(), (base::Error{Errc::invalid, c.error}));
  }
  EXPECT_FALSE(issue({"x", "y"}, {.common_name = "z"}));
}

/// Sends raw bytes to the TLS port, and waits for the end.
Task<void> send_raw(Loopback& loop, std::string bytes, std::string* received) {
  tcp::socket socket(loop.executor());
  const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), loop.server->port());
  co_await socket.async_connect(endpoint, asio::use_awaitable);
  co_await asio::async_write(socket, asio::buffer(bytes), as_result);
  std::string piece(4096, '\0');
  for (bool open = true; open;) {
    const auto [error, size] = co_await socket.async_read_some(asio::buffer(piece), as_result);
    received->append(piece, 0, size);
    open = !error;
  }
  const Result<Response> next = co_await loop.client->send(loop.get(), {});
  EXPECT_TRUE(next) << next.error().message;
}

TEST(Tls, SurvivesWhatIsNoHandshake) {
  const Credentials credentials = Credentials::make();
  const struct {
    const char* bytes;
    bool explained;
  } cases[] = {{"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
               {"garbage garbage garbage", false},
               {"\x16\x03\x01", false},
               {"", false}};
  for (const auto& c : cases) {
    std::string received;
    Loopback::run(credentials.server_options(), tell_subject, credentials.client_options(),
                  [&](Loopback& loop) { return send_raw(loop, c.bytes, &received); });
    EXPECT_EQ(received.contains("Client sent an HTTP request to an HTTPS server."), c.explained) << received;
  }
}

/// Passes bytes on until either side ends.
Task<void> pump(tcp::socket* from, tcp::socket* to) {
  std::string piece(4096, '\0');
  for (bool open = true; open;) {
    const auto [error, size] = co_await from->async_read_some(asio::buffer(piece), as_result);
    if (!error) co_await asio::async_write(*to, asio::buffer(piece, size), as_result);
    open = !error;
  }
  boost::system::error_code ignored;
  to->shutdown(tcp::socket::shutdown_send, ignored);
}

/// A proxy that answers one CONNECT with `answer` and then tunnels to the server.
Task<void> tunnel(Loopback& loop, tcp::acceptor* acceptor, std::string answer, std::string* request) {
  tcp::socket client = co_await acceptor->async_accept(asio::use_awaitable);
  co_await asio::async_read_until(client, asio::dynamic_buffer(*request), "\r\n\r\n", asio::use_awaitable);
  co_await asio::async_write(client, asio::buffer(answer), asio::use_awaitable);
  tcp::socket server(loop.executor());
  const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), loop.server->port());
  co_await server.async_connect(endpoint, asio::use_awaitable);
  base::TaskGroup pumps(loop.executor());
  pumps.spawn(pump(&client, &server));
  pumps.spawn(pump(&server, &client));
  co_await pumps.join();
}

Task<void> ask_through(Loopback& loop, ClientOptions options, std::string answer, std::string* request,
                       std::string* outcome) {
  tcp::acceptor acceptor(loop.executor(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  options.proxy.https_proxy = "http://u:p@127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
  base::TaskGroup proxy(loop.executor());
  proxy.spawn(tunnel(loop, &acceptor, std::move(answer), request));
  {
    auto client = make_client(loop.executor(), options);
    const Url url{"https", "podinfo.test", "443", "/", {}};
    const Result<Response> response = co_await (*client)->send({.url = url}, {});
    *outcome = response ? response->body : response.error().message;
  }
  proxy.cancel();
  co_await proxy.join();
}

TEST(Tls, TunnelsThroughAProxy) {
  const Credentials credentials = Credentials::make();
  const struct {
    const char *answer, *outcome;
  } cases[] = {
      {"HTTP/1.1 200 Connection established\r\n\r\n", "|https"},
      {"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n",
       "Get \"https://podinfo.test/\": Proxy Authentication Required"},
  };
  for (const auto& c : cases) {
    std::string request, outcome;
    Loopback::run(credentials.server_options(), tell_subject, {}, [&](Loopback& loop) {
      return ask_through(loop, credentials.client_options(), c.answer, &request, &outcome);
    });
    EXPECT_EQ(outcome, c.outcome);
    EXPECT_TRUE(request.starts_with("CONNECT podinfo.test:443 HTTP/1.1\r\nHost: podinfo.test:443\r\n"))
        << request;
    EXPECT_TRUE(request.contains("Proxy-Authorization: Basic dTpw\r\n")) << request;
  }
}

/// closed() must not break the connection it watches: it stops reading when the handler is done with it.
struct Glancing {
  Task<void> handle(Request request, Responder& responder) {
    Task<void> closed = responder.closed();
    const bool gone = co_await base::run_until(clock, clock.now() + 10ms, std::move(closed));
    EXPECT_FALSE(gone);
    co_await responder.send({.body = request.body});
  }
  base::SystemClock clock;
};

Task<void> asks_twice(Loopback& loop) {
  for (const char* body : {"one", "two"}) {
    const Request request{.method = "POST", .url = loop.url(), .body = body};
    const Result<Response> response = co_await loop.client->send(request, {});
    EXPECT_TRUE(response && response->body == body);
  }
}

TEST(Tls, WatchingThePeerLeavesTheConnectionUsable) {
  const Credentials credentials = Credentials::make();
  Glancing glancing;
  Loopback::run(
      credentials.server_options(), [&](Request r, Responder& w) { return glancing.handle(std::move(r), w); },
      credentials.client_options(), asks_twice);
}

}  // namespace
}  // namespace serin::http
