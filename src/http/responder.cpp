#include "http/responder.h"

#include <boost/asio/this_coro.hpp>

#include "http/wire.h"

namespace serin::http {

using base::Errc;
using base::Result;
using base::Task;

namespace {

/// What closed() may read ahead of the answer being finished.
constexpr std::size_t read_ahead_max = 64u << 10;

/// Statuses whose answers never have a body (RFC 9110 §6.4.1).
bool never_has_body(int status) {
  return status / 100 == 1 || status == 204 || status == 304;
}

class WireDuplex final : public Duplex {
 public:
  explicit WireDuplex(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  ~WireDuplex() override { wire_->stream->close(); }

  Task<Result<std::optional<std::string>>> read() override {
    if (wire_->inbound.empty()) {
      const std::shared_ptr<Wire> wire = wire_;
      const Result<std::size_t> size = co_await wire->stream->read_some(&wire->inbound);
      if (!size) co_return base::fail(size.error());
      if (*size == 0) co_return std::nullopt;
    }
    co_return std::exchange(wire_->inbound, {});
  }

  Task<Result<void>> write(std::string bytes) override {
    const std::shared_ptr<Wire> wire = wire_;
    const Result<void> written = co_await wire->stream->write(std::move(bytes));
    co_return written;
  }

  void close() override { wire_->stream->close(); }

 private:
  std::shared_ptr<Wire> wire_;
};

/// A field that came from outside must not be able to end the header.
Headers harmless(Headers headers) {
  if (check_headers(headers)) return headers;
  Headers clean;
  for (const auto& [name, value] : headers) {
    std::string text = value;
    for (char& c : text) {
      if (c == '\r' || c == '\n' || c == '\0') c = ' ';
    }
    if (check_headers({{name, text}})) clean.add(name, std::move(text));
  }
  return clean;
}

}  // namespace

Headers WireResponder::complete(Headers headers) {
  Headers completed = harmless(std::move(headers));
  if (!completed.contains("Date")) completed.add("Date", http_date(clock_.wall_now()));
  if (has_token(completed.get("Connection"), "close")) terms_.keep_alive = false;
  if (!terms_.keep_alive) {
    completed.set("Connection", "close");
  } else if (terms_.version < 11) {
    completed.set("Connection", "keep-alive");
  }
  return completed;
}

Task<Result<void>> WireResponder::send(Response response) {
  if (state_ != State::unanswered) co_return base::fail(Errc::internal, "this request is answered already");
  state_ = State::broken;  // until all of it is out
  Headers headers = complete(std::move(response.headers));
  headers.erase("Transfer-Encoding");
  const bool bodyless = never_has_body(response.status);
  // The answer to HEAD may name the length that GET would have.
  const bool length_given = terms_.head_only && headers.contains("Content-Length");
  if (bodyless) headers.erase("Content-Length");
  if (!bodyless && !length_given) headers.set("Content-Length", std::to_string(response.body.size()));
  std::string bytes = response_head(response.status, headers);
  if (!bodyless && !terms_.head_only) bytes += response.body;
  const Result<void> written = co_await put(std::move(bytes));
  if (written) state_ = State::answered;
  co_return written;
}

Task<Result<void>> WireResponder::start(Response head) {
  if (state_ != State::unanswered) co_return base::fail(Errc::internal, "this request is answered already");
  state_ = State::broken;
  bodyless_ = terms_.head_only || never_has_body(head.status);
  if (!chunked() && !bodyless_) terms_.keep_alive = false;  // HTTP/1.0: the body ends with the connection
  Headers headers = complete(std::move(head.headers));
  headers.erase("Content-Length");
  headers.erase("Transfer-Encoding");
  if (chunked() && !never_has_body(head.status)) headers.add("Transfer-Encoding", "chunked");
  const Result<void> written = co_await put(response_head(head.status, headers));
  if (written) state_ = State::streaming;
  co_return written;
}

Task<Result<void>> WireResponder::write(std::string piece) {
  if (state_ == State::broken) co_return base::fail(Errc::unavailable, "the peer has gone");
  if (state_ != State::streaming) co_return base::fail(Errc::internal, "write() belongs after start()");
  if (bodyless_ || piece.empty()) co_return Result<void>();
  state_ = State::broken;
  if (chunked()) piece = chunk(piece);
  const Result<void> written = co_await put(std::move(piece));
  if (written) state_ = State::streaming;
  co_return written;
}

Task<Result<void>> WireResponder::finish() {
  if (state_ == State::broken) co_return base::fail(Errc::unavailable, "the peer has gone");
  if (state_ != State::streaming) co_return base::fail(Errc::internal, "finish() belongs after start()");
  state_ = State::broken;
  if (chunked() && !bodyless_) {
    std::string last = chunk({});
    const Result<void> written = co_await put(std::move(last));
    if (!written) co_return written;
  }
  state_ = State::answered;
  co_return Result<void>();
}

Task<Result<std::unique_ptr<Duplex>>> WireResponder::upgrade(Response head) {
  if (state_ != State::unanswered) co_return base::fail(Errc::internal, "this request is answered already");
  state_ = State::broken;
  const Result<void> written = co_await put(response_head(head.status, harmless(std::move(head.headers))));
  if (!written) co_return base::fail(written.error());
  state_ = State::taken_over;
  co_return std::make_unique<WireDuplex>(wire_);
}

void WireResponder::abandon() {
  state_ = State::broken;
  wire_->stream->close();
}

Task<void> WireResponder::closed() {
  std::string& inbound = wire_->inbound;
  while (inbound.size() < read_ahead_max) {
    const Result<std::size_t> size = co_await wire_->stream->read_some(&inbound);
    if (!size || *size == 0) co_return;
  }
  // The peer sends more and more without waiting for its answer: only writing can tell now that it has gone.
  const base::Executor executor = co_await boost::asio::this_coro::executor;
  base::Wakeup never(executor);
  co_await never.wait();
}

/// A peer that takes nothing for too long is treated like one that has gone.
Task<Result<void>> WireResponder::put(std::string bytes) {
  Task<Result<void>> writing = wire_->stream->write(std::move(bytes));
  const base::MonoTime deadline = clock_.now() + write_timeout_;
  const Result<void> written =
      co_await base::with_deadline(clock_, deadline, std::move(writing), "the peer takes no bytes");
  if (written) co_return Result<void>();
  co_return base::fail(Errc::unavailable, written.error().message);
}

}  // namespace serin::http
