#include "http/server_connection.h"

#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include "http/responder.h"
#include "http/wire.h"

namespace serin::http {

namespace asio = boost::asio;
using base::Result;
using base::Task;

namespace {

constexpr auto lingering_max = std::chrono::seconds(1);

Task<void> keep(Task<Result<std::unique_ptr<Stream>>> handshake, Result<std::unique_ptr<Stream>>* into) {
  *into = co_await std::move(handshake);
}

Task<void> read_into(Wire* wire, bool* arrived) {
  const Result<std::size_t> size = co_await wire->stream->read_some(&wire->inbound);
  *arrived = size && *size > 0;
}

/// What is wrong with a request whose bytes are well-formed (RFC 9112 §3.2).
std::optional<ParseFailure> objection_to(const MessageHead& head) {
  const std::size_t hosts = head.headers.all("Host").size();
  if (hosts > 1 || (hosts == 0 && head.version >= 11)) {
    return ParseFailure{400, "a request has exactly one Host header"};
  }
  const std::string& target = head.target;
  const bool absolute = target.starts_with("http://") || target.starts_with("https://");
  if (absolute && !Url::parse(target)) return ParseFailure{400, "malformed request target"};
  if (!absolute && !target.starts_with('/') && target != "*") {
    return ParseFailure{400, "malformed request target"};
  }
  return std::nullopt;
}

Request request_of(MessageHead head, std::string body, bool tls) {
  Request request;
  request.method = std::move(head.method);
  const std::string scheme = tls ? "https" : "http";
  const std::string host(head.headers.get("Host"));
  const bool absolute = !head.target.starts_with('/') && head.target != "*";
  // A damaged Host leaves host and port empty: it is for the handler to mind.
  const Result<Url> url = Url::parse(absolute ? head.target : scheme + "://" + host);
  if (url) request.url = *url;
  request.url.scheme = scheme;
  if (!absolute) request.url.target = std::move(head.target);
  request.headers = std::move(head.headers);
  request.body = std::move(body);
  return request;
}

}  // namespace

Task<void> ServerConnection::serve(Socket socket) {
  const bool connected = co_await shake_hands(std::move(socket));
  if (!connected) co_return;
  peer_.certificate_subject = wire_->stream->certificate_subject();
  Next next = Next::request;
  while (next == Next::request) next = co_await serve_one();
  if (next != Next::close) co_return;
  Task<void> lingering = wire_->stream->linger();
  co_await base::run_until(clock_, clock_.now() + lingering_max, std::move(lingering));
}

Task<bool> ServerConnection::shake_hands(Socket socket) {
  if (!rules_->options.tls) {
    wire_->stream = plain_stream(std::move(socket));
    co_return true;
  }
  Result<std::unique_ptr<Stream>> stream;
  Task<void> handshake = keep(tls_server_stream(std::move(socket), rules_->tls), &stream);
  const base::MonoTime deadline = clock_.now() + rules_->options.read_timeout;
  const bool in_time = co_await base::run_until(clock_, deadline, std::move(handshake));
  if (!in_time || !stream) {
    const std::string cause = in_time ? stream.error().message : "timed out";
    rules_->log.debug(fmt::format("TLS handshake with {}:{}: {}", peer_.address, peer_.port, cause));
    co_return false;
  }
  wire_->stream = *std::move(stream);
  co_return true;
}

Task<ServerConnection::Next> ServerConnection::serve_one() {
  const bool arrived = co_await wait_for_request();
  if (!arrived) co_return Next::drop;
  const auto parser = MessageParser::for_request(
      {.header_max = rules_->options.header_max, .body_max = rules_->options.body_max});
  std::optional<ParseFailure> refusal;
  Task<void> receiving = receive(parser.get(), &refusal);
  const base::MonoTime deadline = clock_.now() + rules_->options.read_timeout;
  const bool in_time = co_await base::run_until(clock_, deadline, std::move(receiving));
  if (!in_time) refusal = ParseFailure{408, "the request took too long to arrive"};
  if (!refusal && parser->done()) refusal = objection_to(parser->head);
  Next next = Next::drop;  // cut off in the middle of a request
  if (refusal) {
    next = co_await refuse(*std::move(refusal));
  } else if (parser->done()) {
    next = co_await answer(std::move(parser->head), std::move(parser->body));
  }
  co_return next;
}

Task<bool> ServerConnection::wait_for_request() {
  if (!wire_->inbound.empty()) co_return true;
  bool arrived = false;
  Task<void> reading = read_into(wire_.get(), &arrived);
  const base::MonoTime deadline = clock_.now() + rules_->options.idle_timeout;
  co_await base::run_until(clock_, deadline, std::move(reading));
  co_return arrived;
}

/// Ends when the request is complete, refused or cut off.
Task<void> ServerConnection::receive(MessageParser* parser, std::optional<ParseFailure>* refusal) {
  std::string& inbound = wire_->inbound;
  bool invited = false;
  for (bool arrived = true; arrived;) {
    const auto consumed = parser->feed(inbound);
    if (!consumed) {
      *refusal = consumed.error();
      co_return;
    }
    inbound.erase(0, *consumed);
    if (parser->done()) co_return;
    const bool expects = parser->head_done() && parser->body.empty() && parser->head.version >= 11 &&
                         has_token(parser->head.headers.get("Expect"), "100-continue");
    if (expects && !invited) {
      invited = true;
      const Result<void> written = co_await wire_->stream->write("HTTP/1.1 100 Continue\r\n\r\n");
      if (!written) co_return;
    }
    co_await read_into(wire_.get(), &arrived);
  }
}

Task<ServerConnection::Next> ServerConnection::refuse(ParseFailure failure) {
  rules_->log.debug(fmt::format("request of {}:{} refused: {} {}", peer_.address, peer_.port, failure.status,
                                failure.text));
  Response response{.status = failure.status,
                    .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
                    .body = std::string(reason_phrase(failure.status)) + ": " + failure.text + "\n"};
  WireResponder responder(wire_, &peer_, {}, rules_->options.write_timeout);
  const Result<void> sent = co_await responder.send(std::move(response));
  co_return sent ? Next::close : Next::drop;
}

Task<ServerConnection::Next> ServerConnection::answer(MessageHead head, std::string body) {
  const WireResponder::Terms terms{
      .head_only = head.method == "HEAD", .keep_alive = head.keep_alive, .version = head.version};
  WireResponder responder(wire_, &peer_, terms, rules_->options.write_timeout);
  Request request = request_of(std::move(head), std::move(body), rules_->options.tls.has_value());
  co_await call_handler(std::move(request), &responder);
  if (responder.state() == WireResponder::State::unanswered) {
    Response failure{.status = 500, .headers = {{"Connection", "close"}}, .body = {}};
    co_await responder.send(std::move(failure));
  }
  if (responder.reusable()) co_return Next::request;
  // A streamed answer without its end must not look complete: dropping it tells the peer.
  co_return responder.state() == WireResponder::State::answered ? Next::close : Next::drop;
}

Task<void> ServerConnection::call_handler(Request request, Responder* responder) {
  const std::string what = request.method + " " + request.url.target.substr(0, request.url.target.find('?'));
  std::string failure;
  try {
    Task<void> handling = rules_->handler(std::move(request), *responder);
    co_await std::move(handling);
  } catch (const std::exception& e) {
    failure = e.what();
  }
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
  if (!failure.empty()) rules_->log.error(fmt::format("the handler of {} failed: {}", what, failure));
}

}  // namespace serin::http
