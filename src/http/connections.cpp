#include "http/connections.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include "http/parser.h"
#include "http/wire.h"

namespace serin::http {

namespace asio = boost::asio;
using base::Errc;
using base::Result;
using boost::system::error_code;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr base::Duration idle_max_age = std::chrono::seconds(90);  // as Go's default transport

std::string key_of(const Url& url) {
  return url.scheme + "://" + url.host + " " + url.port;
}

void rethrow_cancellation(const error_code& error) {
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
}

}  // namespace

Connections::Connections(base::Executor executor, ProxyRules proxies, TlsContext tls, ClientOptions options)
    : executor_(executor),
      proxies_(std::move(proxies)),
      tls_(std::move(tls)),
      server_name_(options.tls.server_name),
      idle_max_(options.idle_per_host_max),
      idle_for_post_max_(options.idle_for_post_max),
      resolver_(executor) {}

base::Task<Result<std::unique_ptr<Connection>>> Connections::get(Url url, Reuse reuse) {
  if (auto idle = take_idle(url, reuse)) co_return std::move(idle);
  auto connection = co_await dial(std::move(url));
  co_return std::move(connection);
}

std::unique_ptr<Connection> Connections::take_idle(const Url& url, Reuse reuse) {
  if (reuse == Reuse::none) return nullptr;
  const base::Duration age_max = reuse == Reuse::recent ? idle_for_post_max_ : idle_max_age;
  const auto entry = idle_.find(key_of(url));
  if (entry == idle_.end()) return nullptr;
  const base::MonoTime now = clock_.now();
  std::unique_ptr<Connection> found;
  while (!found && !entry->second.empty() && now - entry->second.back().since < age_max) {
    Idle newest = std::move(entry->second.back());
    entry->second.pop_back();
    if (newest.connection->stream->is_quiet()) found = std::move(newest.connection);
  }
  if (entry->second.empty()) idle_.erase(entry);
  if (found) found->reused = true;
  return found;
}

void Connections::put_back(const Url& url, std::unique_ptr<Connection> connection) {
  const base::MonoTime now = clock_.now();
  for (auto& [key, list] : idle_) {
    std::erase_if(list, [now](const Idle& idle) { return now - idle.since >= idle_max_age; });
  }
  std::erase_if(idle_, [](const auto& host) { return host.second.empty(); });
  if (idle_max_ == 0 || !connection->inbound.empty()) return;
  std::list<Idle>& idle = idle_[key_of(url)];
  idle.push_back({std::move(connection), now});
  if (idle.size() > idle_max_) idle.pop_front();
}

base::Task<Result<std::unique_ptr<Connection>>> Connections::dial(Url url) {
  const Url* const chosen = proxies_.proxy_for(url);
  const std::optional<Url> proxy = chosen ? std::optional(*chosen) : std::nullopt;
  const bool tunnelled = proxy && url.scheme == "https";
  if (tunnelled && proxy->scheme == "https") {
    co_return base::fail(Errc::invalid,
                         fmt::format("proxyconnect {}: an https proxy cannot carry https requests; use an "
                                     "http:// proxy URL",
                                     proxy->authority()));
  }
  const Url& hop = proxy ? *proxy : url;
  auto socket = co_await connect(hop.host, hop.port);
  if (!socket) {
    co_return base::fail(proxy ? socket.error().within("proxyconnect tcp") : socket.error());
  }
  if (tunnelled) {
    socket = co_await tunnel(std::move(*socket), url, *proxy);
    if (!socket) co_return base::fail(socket.error());
  }
  auto connection = std::make_unique<Connection>();
  connection->through_proxy = proxy && !tunnelled;
  const Url& secured = tunnelled ? url : hop;
  if (secured.scheme == "https") {
    const bool to_proxy = proxy && !tunnelled;
    const std::string name = server_name_.empty() || to_proxy ? secured.host : server_name_;
    auto stream = co_await tls_client_stream(std::move(*socket), tls_, name);
    if (!stream) co_return base::fail(stream.error());
    connection->stream = std::move(*stream);
  } else {
    connection->stream = plain_stream(std::move(*socket));
  }
  co_return std::move(connection);
}

base::Task<Result<Socket>> Connections::connect(std::string host, std::string port) {
  const Result<Endpoints> endpoints = co_await resolver_.resolve(host, port);
  if (!endpoints) co_return base::fail(endpoints.error().within("dial tcp"));
  std::optional<base::Error> first_error;
  for (const auto& endpoint : *endpoints) {
    Socket socket(executor_);
    const auto [error] = co_await socket.async_connect(endpoint, as_result);
    rethrow_cancellation(error);
    if (!error) co_return std::move(socket);
    if (first_error) continue;
    first_error = base::Error{Errc::unavailable, fmt::format("dial tcp {}: connect: {}",
                                                             endpoint_text(endpoint), system_text(error))};
  }
  const base::Error no_address{Errc::unavailable, fmt::format("dial tcp: lookup {}: no such host", host)};
  co_return base::fail(first_error.value_or(no_address));
}

/// Asks the proxy for a way to the URL's host (RFC 9110 §9.3.6); after its 2xx the socket speaks to that
/// host.
base::Task<Result<Socket>> Connections::tunnel(Socket socket, Url url, Url proxy) {
  const std::string target = (url.host.contains(':') ? "[" + url.host + "]" : url.host) + ":" + url.port;
  Headers headers{{"Host", target}};
  if (!proxy.userinfo.empty()) headers.add("Proxy-Authorization", basic_authorization(proxy.userinfo));
  const std::string request = request_head("CONNECT", target, headers);
  const auto [write_error, written] = co_await asio::async_write(socket, asio::buffer(request), as_result);
  rethrow_cancellation(write_error);
  if (write_error) co_return base::fail(Errc::unavailable, "proxyconnect tcp: " + system_text(write_error));

  const auto parser = MessageParser::for_response({}, true);
  std::string inbound;
  std::array<char, 4096> piece;
  while (!parser->done()) {
    const auto [error, size] = co_await socket.async_read_some(asio::buffer(piece), as_result);
    rethrow_cancellation(error);
    if (error) {
      const bool ended = error == asio::error::eof;
      const std::string cause = ended ? "unexpected EOF" : system_text(error);
      co_return base::fail(Errc::unavailable, "proxyconnect tcp: " + cause);
    }
    inbound.append(piece.data(), size);
    const auto consumed = parser->feed(inbound);
    if (!consumed) co_return base::fail(Errc::unavailable, "proxyconnect tcp: " + consumed.error().text);
    inbound.erase(0, *consumed);
  }
  const int status = parser->head.status;
  if (status < 200 || status > 299)
    co_return base::fail(Errc::unavailable, std::string(reason_phrase(status)));
  co_return std::move(socket);
}

}  // namespace serin::http
