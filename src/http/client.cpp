#include "http/client.h"

#include <fmt/format.h>

#include "http/connections.h"
#include "http/inflate.h"
#include "http/parser.h"
#include "http/wire.h"

namespace serin::http {

using base::Errc;
using base::Result;
using base::Task;

namespace {

/// What the text of a failure needs to know about an exchange.
struct Progress {
  std::string label;  // `Get "http://host/"`: the request under way, redirects included
  bool headers_in = false;
};

/// `Get "http://user:xxxxx@host/path"`, as Go's url.Error begins.
std::string label_of(const std::string& method, const Url& url) {
  std::string verb = method;
  for (std::size_t i = 1; i < verb.size(); ++i) {
    if (verb[i] >= 'A' && verb[i] <= 'Z') verb[i] = static_cast<char>(verb[i] - 'A' + 'a');
  }
  std::string user = url.userinfo.substr(0, url.userinfo.find(':'));
  if (!url.userinfo.empty()) user = percent_encode(user) + (url.userinfo.contains(':') ? ":xxxxx@" : "@");
  return fmt::format("{} \"{}://{}{}{}\"", verb, url.scheme, user, url.authority(), url.target);
}

base::MonoTime after(base::MonoTime now, base::Duration limit) {
  return limit > base::MonoTime::max() - now ? base::MonoTime::max() : now + limit;
}

/// Methods that may be sent twice when the first attempt's fate is unknown (RFC 9110 §9.2.2).
bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// Where a Location points, seen from the URL that gave it. Dot segments are the server's to resolve.
Result<Url> resolve(const Url& from, std::string_view location) {
  if (location.contains("://")) return Url::parse(location);
  const std::string origin = from.scheme + "://" + from.authority();
  if (location.starts_with("//")) return Url::parse(from.scheme + ":" + std::string(location));
  if (location.starts_with('/')) return Url::parse(origin + std::string(location));
  const std::string path = from.target.substr(0, from.target.find('?'));
  if (location.starts_with('?')) return Url::parse(origin + path + std::string(location));
  return Url::parse(origin + path.substr(0, path.rfind('/') + 1) + std::string(location));
}

/// Whether what was sent to one URL may be sent to the other: the same host sees it, and nobody else does.
bool stays(const Url& from, const Url& to) {
  return from.host == to.host && (from.scheme == to.scheme || to.scheme == "https");
}

/// What is asked next: 303, and the older codes as everybody reads them, turn a POST into a GET.
Result<Request> redirected(Request request, int status, std::string_view location) {
  Result<Url> url = resolve(request.url, location);
  if (!url) return base::fail(url.error().within("failed to parse Location header"));
  if (url->userinfo.empty() && url->host == request.url.host) url->userinfo = request.url.userinfo;
  const bool keeps_method = status == 307 || status == 308 || request.method == "HEAD";
  if (!keeps_method) {
    request.method = "GET";
    request.body.clear();
    request.headers.erase("Content-Type");
  }
  if (url->host != request.url.host) {
    request.headers.erase("Authorization");
    request.headers.erase("Cookie");
  }
  request.headers.erase("Host");
  request.url = *std::move(url);
  return request;
}

/// The bytes of a request on this connection.
std::string bytes_of(const Request& request, bool names_whole_url, const Url* proxy,
                     const std::string& agent) {
  Headers headers{{"Host", request.url.authority()}};
  if (request.headers.contains("Host")) headers.set("Host", std::string(request.headers.get("Host")));
  if (!request.headers.contains("User-Agent")) headers.add("User-Agent", agent);
  if (!request.url.userinfo.empty() && !request.headers.contains("Authorization")) {
    headers.add("Authorization", basic_authorization(request.url.userinfo));
  }
  if (names_whole_url && proxy && !proxy->userinfo.empty()) {
    headers.add("Proxy-Authorization", basic_authorization(proxy->userinfo));
  }
  const bool announces_body =
      request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (announces_body || !request.body.empty()) {
    headers.add("Content-Length", std::to_string(request.body.size()));
  }
  Headers own = request.headers;
  for (const auto* name : {"Host", "Content-Length", "Transfer-Encoding"}) own.erase(name);
  for (const auto& [name, value] : own) headers.add(name, value);
  const std::string target = names_whole_url ? request.url.text() : request.url.target;
  return request_head(request.method, target, headers) + request.body;
}

/// Feeds the parser something new: what is left of the last read, or the next one.
Task<Result<void>> advance(Connection* connection, MessageParser* parser) {
  std::string& inbound = connection->inbound;
  for (bool read = inbound.empty(); true; read = true) {
    if (read) {
      const Result<std::size_t> size = co_await connection->stream->read_some(&inbound);
      if (!size) co_return base::fail(size.error());
      if (*size == 0) {
        const bool nothing = inbound.empty() && parser->head.status == 0;
        if (nothing) co_return base::fail(Errc::unavailable, "EOF");
        if (!parser->end()) co_return base::fail(Errc::unavailable, "unexpected EOF");
        co_return Result<void>();
      }
    }
    const auto consumed = parser->feed(inbound);
    if (!consumed) co_return base::fail(Errc::internal, consumed.error().text);
    inbound.erase(0, *consumed);
    if (*consumed > 0 || read) co_return Result<void>();
  }
}

/// The rest of an answer. Gives its connection back when the answer has ended.
class ArrivingBody final : public BodyStream {
 public:
  ArrivingBody(std::shared_ptr<Connections> connections, std::unique_ptr<Connection> connection,
               std::unique_ptr<MessageParser> parser, Url url, bool reusable)
      : connections_(std::move(connections)),
        connection_(std::move(connection)),
        parser_(std::move(parser)),
        url_(std::move(url)),
        reusable_(reusable) {}

  /// Decodes the body from here on; no piece may unpack to more than `max` bytes.
  void inflate(std::size_t max) {
    inflater_.emplace();
    piece_max_ = max;
  }

  Task<Result<std::optional<std::string>>> read() override {
    for (;;) {
      Result<std::string> piece = take();
      if (!piece) co_return base::fail(piece.error());
      if (!piece->empty()) co_return *std::move(piece);
      if (parser_->done()) break;
      const Result<void> advanced = co_await advance(connection_.get(), parser_.get());
      if (!advanced) co_return base::fail(advanced.error());
    }
    give_back();
    if (inflater_ && !inflater_->complete() && inflated_any_) {
      co_return base::fail(Errc::unavailable, "unexpected EOF");
    }
    co_return std::nullopt;
  }

 private:
  Result<std::string> take() {
    std::string arrived = std::exchange(parser_->body, {});
    if (!inflater_ || arrived.empty()) return arrived;
    inflated_any_ = true;
    return inflater_->feed(arrived, piece_max_);
  }

  void give_back() {
    if (connection_ && reusable_) connections_->put_back(url_, std::move(connection_));
    connection_.reset();
  }

  std::shared_ptr<Connections> connections_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<MessageParser> parser_;
  Url url_;
  bool reusable_;
  std::optional<Inflater> inflater_;
  bool inflated_any_ = false;
  std::size_t piece_max_ = 0;
};

class HttpClient final : public Client {
 public:
  HttpClient(std::shared_ptr<Connections> connections, std::string user_agent)
      : connections_(std::move(connections)), user_agent_(std::move(user_agent)) {}

  Task<Result<Response>> send(Request request, ExchangeOptions options) override;
  Task<Result<StreamingResponse>> open(Request request, ExchangeOptions options) override;

 private:
  using Shared = std::shared_ptr<Progress>;

  Task<Result<Response>> collect(Request request, ExchangeOptions options, Shared progress);
  Task<Result<StreamingResponse>> exchange(Request request, ExchangeOptions options, Shared progress);
  Task<Result<StreamingResponse>> round_trip(Request request, bool decode, std::size_t piece_max);
  Task<Result<StreamingResponse>> talk(std::unique_ptr<Connection> connection, Request request,
                                       bool* answered);
  static base::Error explain(base::Error error, const Progress& progress);

  std::shared_ptr<Connections> connections_;
  std::string user_agent_;
  base::SystemClock clock_;
};

Task<Result<Response>> HttpClient::send(Request request, ExchangeOptions options) {
  const auto progress = std::make_shared<Progress>(label_of(request.method, request.url));
  const base::MonoTime deadline = after(clock_.now(), options.timeout);
  Task<Result<Response>> task = collect(std::move(request), options, progress);
  auto response = co_await base::with_deadline(clock_, deadline, std::move(task), {});
  if (!response) co_return base::fail(explain(response.error(), *progress));
  co_return std::move(response);
}

Task<Result<StreamingResponse>> HttpClient::open(Request request, ExchangeOptions options) {
  const auto progress = std::make_shared<Progress>(label_of(request.method, request.url));
  const base::MonoTime deadline = after(clock_.now(), options.timeout);
  Task<Result<StreamingResponse>> task = exchange(std::move(request), options, progress);
  auto response = co_await base::with_deadline(clock_, deadline, std::move(task), {});
  if (!response) co_return base::fail(explain(response.error(), *progress));
  co_return std::move(response);
}

base::Error HttpClient::explain(base::Error error, const Progress& progress) {
  if (error.code == Errc::timeout) {
    error.message =
        progress.headers_in
            ? "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
            : "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
  }
  return error.within(progress.label);
}

Task<Result<Response>> HttpClient::collect(Request request, ExchangeOptions options, Shared progress) {
  auto answer = co_await exchange(std::move(request), options, progress);
  if (!answer) co_return base::fail(answer.error());
  progress->headers_in = true;
  Response response = std::move(answer->head);
  for (;;) {
    auto piece = co_await answer->body->read();
    if (!piece) co_return base::fail(piece.error());
    const std::optional<std::string>& bytes = *piece;
    if (!bytes) break;
    response.body += *bytes;
    if (response.body.size() > options.body_max) {
      co_return base::fail(Errc::rejected,
                           fmt::format("the answer's body is larger than {} bytes", options.body_max));
    }
  }
  co_return std::move(response);
}

/// Follows redirects.
Task<Result<StreamingResponse>> HttpClient::exchange(Request request, ExchangeOptions options,
                                                     Shared progress) {
  const Result<void> sane = check_headers(request.headers);
  if (!sane) co_return base::fail(sane.error());
  // As Go does: compression is ours, invisible to the caller, unless the caller speaks about it.
  const bool compress = request.method != "HEAD" && !request.headers.contains("Accept-Encoding") &&
                        !request.headers.contains("Range");
  if (compress) request.headers.add("Accept-Encoding", "gzip");
  for (int redirects = 0; true; ++redirects) {
    progress->label = label_of(request.method, request.url);
    auto answer = co_await round_trip(request, compress, options.body_max);
    if (!answer) co_return base::fail(answer.error());
    const std::string location(answer->head.headers.get("Location"));
    const bool follow = options.redirects_max > 0 && is_redirect(answer->head.status) && !location.empty();
    if (!follow) co_return std::move(answer);
    if (redirects == options.redirects_max) {
      co_return base::fail(Errc::rejected, fmt::format("stopped after {} redirects", redirects));
    }
    Result<Request> next = redirected(request, answer->head.status, location);
    if (!next) co_return base::fail(next.error());
    if (options.redirects_stay && !stays(request.url, next->url)) {
      co_return base::fail(Errc::rejected,
                           fmt::format("redirected to {}://{}, which is another host: refused",
                                       next->url.scheme, next->url.authority()));
    }
    request = *std::move(next);
  }
}

/// One request and its answer. A kept-alive connection may turn out to be dead only when it is used; what can
/// safely be sent again then goes over a new one.
Task<Result<StreamingResponse>> HttpClient::round_trip(Request request, bool decode, std::size_t piece_max) {
  const bool repeatable = is_idempotent(request.method);
  for (bool fresh = false; true; fresh = true) {
    using enum Connections::Reuse;
    auto connection = co_await connections_->get(request.url, fresh ? none : repeatable ? any : recent);
    if (!connection) co_return base::fail(connection.error());
    const bool reused = (*connection)->reused;
    bool answered = false;
    auto answer = co_await talk(*std::move(connection), request, &answered);
    if (!answer) {
      if (reused && !answered && !fresh && repeatable) continue;
      co_return base::fail(answer.error());
    }
    Headers& headers = answer->head.headers;
    if (decode && has_token(headers.get("Content-Encoding"), "gzip")) {
      headers.erase("Content-Encoding");
      headers.erase("Content-Length");
      static_cast<ArrivingBody&>(*answer->body).inflate(piece_max);
    }
    co_return std::move(answer);
  }
}

Task<Result<StreamingResponse>> HttpClient::talk(std::unique_ptr<Connection> connection, Request request,
                                                 bool* answered) {
  const Url* const proxy = connections_->proxy_for(request.url);
  std::string bytes = bytes_of(request, connection->through_proxy, proxy, user_agent_);
  const Result<void> written = co_await connection->stream->write(std::move(bytes));
  // A server may answer (413, say) and close before it has read everything: look before giving up.
  std::unique_ptr<MessageParser> parser;
  for (bool interim = true; interim;) {
    parser = MessageParser::for_response({.header_max = 1u << 20}, request.method == "HEAD");
    while (!parser->head_done()) {
      const Result<void> advanced = co_await advance(connection.get(), parser.get());
      *answered = parser->head.status != 0 || !connection->inbound.empty();
      if (!advanced) co_return base::fail(written || *answered ? advanced.error() : written.error());
    }
    interim = parser->head.status >= 100 && parser->head.status < 200 && parser->head.status != 101;
  }
  StreamingResponse answer;
  answer.head.status = parser->head.status;
  answer.head.headers = std::move(parser->head.headers);
  const bool reusable = written && parser->head.keep_alive && answer.head.status != 101 &&
                        !has_token(request.headers.get("Connection"), "close");
  answer.body = std::make_unique<ArrivingBody>(connections_, std::move(connection), std::move(parser),
                                               request.url, reusable);
  co_return std::move(answer);
}

}  // namespace

Result<std::unique_ptr<Client>> make_client(base::Executor executor, ClientOptions options) {
  Result<TlsContext> tls = make_client_context(options.tls);
  if (!tls) return base::fail(tls.error());
  Result<ProxyRules> proxies = ProxyRules::parse(options.proxy);
  if (!proxies) return base::fail(proxies.error());
  const std::string agent = options.user_agent;
  auto connections =
      std::make_shared<Connections>(executor, *std::move(proxies), *std::move(tls), std::move(options));
  return std::make_unique<HttpClient>(std::move(connections), agent);
}

}  // namespace serin::http
