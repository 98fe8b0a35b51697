#include <fmt/format.h>

#include "local/mesh/connection.h"
#include "local/mesh/labels.h"

namespace serin::local::mesh {

using base::Task;

Connection::Exchange::~Exchange() {
  if (pick.endpoint) --pick.endpoint->in_flight;
}

Task<Connection::Next> Connection::exchange(Destination destination, std::string target, std::string host) {
  const RequestView request{head_.method, target, host, head_.fields, caller_.ns};
  Pick pick = shared_.routes.pick(destination, &request);
  const bool has_body = head_.framing.body != BodyKind::none;
  if (!pick.endpoint) {
    client_.consume(head_.size);
    const Next next = co_await answer_pick(std::move(pick), head_.framing.keep_alive && !has_body);
    co_return next;
  }
  const ExchangePtr exchange = begin_exchange(std::move(pick));
  out_.clear();
  if (const auto& effects = exchange->pick.effects) {
    for (const HeaderEdit& edit : effects->request) edit_fields(edit, head_.fields);
  }
  const Leaf* apex = exchange->pick.apex.get();
  write_request_head(head_, target, host, apex ? std::string_view(apex->authority) : std::string_view(),
                     out_);
  client_.consume(head_.size);
  if (!has_body && exchange->outbound) exchange->outbound->request(exchange->start);

  const bool connected = co_await connect_upstream(exchange);
  if (!connected) {
    if (has_body && exchange->outbound) exchange->outbound->request(exchange->start);
    count_head(*exchange, 504);
    count_end(*exchange, Outcome::of_status(504));
    const std::string text =
        fmt::format("{} does not accept connections", exchange->pick.endpoint->address.address().to_string());
    const Next next = co_await answer(504, text, exchange->keep_alive && !has_body);
    co_return next;
  }
  const bool sent = co_await send_request(exchange);
  Next next = Next::close;
  if (sent) {
    next = co_await relay_response(exchange);
  } else {
    next = co_await upstream_failed(exchange);
  }
  if (pumping_) co_await stop_pump(exchange);
  co_return next;
}

Connection::ExchangePtr Connection::begin_exchange(Pick pick) {
  auto exchange = std::make_shared<Exchange>();
  exchange->to_head = head_.method == "HEAD";
  exchange->to_connect = head_.method == "CONNECT";
  exchange->http_1_0 = head_.framing.http_1_0;
  exchange->keep_alive = head_.framing.keep_alive && !head_.framing.http_1_0;
  exchange->body = BodyFraming(head_.framing.body, head_.framing.length);
  exchange->replayable =
      head_.framing.body == BodyKind::none && !head_.framing.upgrade && !exchange->to_connect;
  exchange->idempotent = exchange->to_head || head_.method == "GET" || head_.method == "OPTIONS";
  exchange->start = shared_.clock.now();
  exchange->pick = std::move(pick);
  const auto& effects = exchange->pick.effects;
  if (effects && effects->timeout > base::Duration::zero()) {
    exchange->deadline = exchange->start + effects->timeout;
  }
  if (effects && exchange->replayable) exchange->tries_left = effects->retry.limit;
  ++exchange->pick.endpoint->in_flight;
  if (!caller_.name.empty()) exchange->outbound = outbound_series(exchange->pick);
  return exchange;
}

Task<bool> Connection::connect_upstream(ExchangePtr exchange) {
  if (take_pooled(*exchange)) {
    exchange->upstream->set_deadline(deadline_of_try(*exchange));
  } else {
    const ErrorCode error = co_await connect_exchange(exchange);
    if (error) co_return false;
  }
  exchange->connected = true;
  exchange->inbound = exchange->pick.endpoint->inbound;
  co_return true;
}

/// Sends the head with what of the body is here already; the rest follows in a task of its own, so that the
/// application may answer meanwhile. False: the application hung up.
Task<bool> Connection::send_request(ExchangePtr exchange) {
  const bool has_body = !exchange->body.done();
  const auto here = exchange->body.take(client_.data());
  if (!here) {
    exchange->body_broken = true;
    co_return false;
  }
  out_.append(client_.data().substr(0, *here));
  client_.consume(*here);
  if (!has_body && exchange->inbound) exchange->inbound->request(exchange->start);
  if (!has_body) exchange->request_counted = true;
  if (*here > 0) count_request(*exchange);
  ErrorCode error = co_await exchange->upstream->write(out_);
  if (error && exchange->reused) {
    // The kept connection was dead, and not a byte of the request has been taken: once more on a fresh one.
    error = co_await connect_exchange(exchange);
    if (!error) error = co_await exchange->upstream->write(out_);
  }
  if (error) co_return false;
  if (!exchange->body.done()) {
    pumping_ = true;
    shared_.tasks.spawn(pump_request(shared_from_this(), exchange));
  }
  co_return true;
}

Task<void> Connection::pump_request(std::shared_ptr<Connection> self, ExchangePtr exchange) {
  Wire& upstream = *exchange->upstream;
  while (!exchange->body.done()) {
    if (client_.data().empty()) {
      client_.set_deadline(shared_.clock.now() + shared_.limits.body_timeout);
      const ErrorCode error = co_await client_.fill();
      client_.clear_deadline();
      if (error) {
        exchange->body_stalled = client_.timed_out();
        exchange->body_broken = !exchange->body_stalled;
        break;
      }
    }
    const std::string_view here = client_.data();
    const auto taken = exchange->body.take(here);
    if (!taken) {
      exchange->body_broken = true;
      break;
    }
    count_request(*exchange);
    const ErrorCode error = co_await upstream.write(here.substr(0, *taken));
    client_.consume(*taken);
    if (error) break;  // the application reads no more; its answer may be under way all the same
  }
  pumping_ = false;
  if (exchange->body_stalled || exchange->body_broken) upstream.cancel();
  pump_ended_.notify();
  (void)self;
}

Task<void> Connection::stop_pump(ExchangePtr exchange) {
  exchange->upstream->cancel();
  client_.cancel();
  while (pumping_) co_await pump_ended_.wait();
}

Task<Connection::Next> Connection::relay_response(ExchangePtr exchange) {
  bool answered = co_await receive_head(exchange);
  while (wants_another_try(*exchange, answered)) {
    const bool again = co_await try_again(exchange, answered);
    if (!again) break;
    answered = co_await receive_head(exchange);
  }
  if (!answered) {
    const Next next = co_await upstream_failed(exchange);
    co_return next;
  }
  exchange->upstream->set_deadline(exchange->deadline);
  if (const auto& effects = exchange->pick.effects) {
    for (const HeaderEdit& edit : effects->response) edit_fields(edit, response_.fields);
  }
  const bool tunnels = response_.status == 101 || (exchange->to_connect && response_.status < 300);
  if (!tunnels) {
    const Next next = co_await relay_body(exchange);
    co_return next;
  }
  count_head(*exchange, response_.status);
  count_end(*exchange, Outcome::of_status(response_.status));
  out_.clear();
  write_response_head(response_, false, out_);
  exchange->upstream->consume(response_.size);
  const ErrorCode error = co_await client_.write(out_);
  if (!error && !pumping_) co_await tunnel(exchange->upstream);
  co_return Next::close;
}

/// There will be no response from the application: says why, and counts what Linkerd counts.
Task<Connection::Next> Connection::upstream_failed(ExchangePtr exchange) {
  if (client_.gone() || exchange->client_lost) co_return Next::close;
  if (exchange->body_stalled) {
    const Next next = co_await answer(408, "the body of the request did not arrive in time", false);
    co_return next;
  }
  if (exchange->body_broken) {
    const Next next = co_await answer(400, "malformed body, or the client hung up within it", false);
    co_return next;
  }
  const bool late = exchange->upstream->timed_out();
  const int status = late ? 504 : 502;
  if (late) exchange->inbound = nullptr;  // it is the caller's side that gave up
  count_head(*exchange, status);
  count_end(*exchange, Outcome::of_status(status));
  const Next next = co_await answer(
      status,
      late ? "the route's request timeout has passed" : "the application hung up without a proper answer",
      exchange->keep_alive && exchange->body.done());
  co_return next;
}

Task<Connection::Next> Connection::relay_body(ExchangePtr exchange) {
  Wire& upstream = *exchange->upstream;
  const int status = response_.status;
  const bool reusable = response_.framing.keep_alive;
  BodyFraming body(response_.framing.body, response_.framing.length);
  if (body.kind() == BodyKind::until_close) exchange->keep_alive = false;
  out_.clear();
  write_response_head(response_, !exchange->keep_alive, out_);
  upstream.consume(response_.size);
  bool counted = false;
  Outcome outcome = Outcome::of_status(status);
  for (;;) {
    const auto here = body.take(upstream.data());
    if (!here) {
      outcome = {status, false, "unclassified"};
      break;
    }
    // The clock stops at the first byte of the body, or at once where there is none (spec 11 §3).
    if (!counted && (*here > 0 || body.done())) {
      count_head(*exchange, status);
      counted = true;
    }
    ErrorCode error;
    if (!out_.empty()) {
      out_.append(upstream.data().substr(0, *here));
      error = co_await client_.write(out_);
      out_.clear();
    } else {
      error = co_await client_.write(upstream.data().substr(0, *here));
    }
    upstream.consume(*here);
    if (error) {
      exchange->keep_alive = false;
      break;
    }
    if (body.done()) break;
    client_.watch_departure(&upstream);
    error = co_await upstream.fill();
    client_.watch_departure(nullptr);
    if (!error) continue;
    exchange->keep_alive = false;
    const bool ended = body.kind() == BodyKind::until_close && error == boost::asio::error::eof;
    if (!ended && !client_.gone()) outcome = {status, false, "unclassified"};
    break;
  }
  if (!counted) count_head(*exchange, status);
  count_end(*exchange, outcome);
  const bool whole = body.done() && exchange->body.done() && !pumping_;
  if (whole && reusable) keep_upstream(*exchange);
  co_return whole && exchange->keep_alive ? Next::request : Next::close;
}

}  // namespace serin::local::mesh
