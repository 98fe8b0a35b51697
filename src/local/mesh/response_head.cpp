// How an exchange comes to the head of its response: past interim answers, lost connections and answers that
// the route asks to try again.
#include "local/mesh/connection.h"

namespace serin::local::mesh {

using base::Task;

/// The head of the final response; interim ones (1xx) are passed on. False: there will be none.
Task<bool> Connection::receive_head(ExchangePtr exchange) {
  bool complete = co_await read_response_head(exchange);
  if (!complete) complete = co_await repeat_request(exchange);
  while (complete && response_.status < 200 && response_.status != 101) {
    if (!exchange->http_1_0) {
      exchange->replayable = false;  // its bytes make room
      out_.clear();
      write_response_head(response_, false, out_);
      const ErrorCode error = co_await client_.write(out_);
      exchange->client_lost = error.failed();
      if (error) co_return false;
    }
    exchange->upstream->consume(response_.size);
    complete = co_await read_response_head(exchange);
  }
  co_return complete;
}

Task<bool> Connection::read_response_head(ExchangePtr exchange) {
  Wire& upstream = *exchange->upstream;
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = find_head_end(upstream.data(), searched);
    if (end != std::string_view::npos) {
      const auto parsed = parse_response_head(upstream.data().substr(0, end), exchange->to_head, response_);
      co_return parsed.has_value();
    }
    if (upstream.data().size() > shared_.limits.header_max) co_return false;
    client_.watch_departure(&upstream);
    const ErrorCode error = co_await upstream.fill();
    client_.watch_departure(nullptr);
    if (error) co_return false;
  }
}

/// An application may close a kept connection just as the next request comes in. If it did so without a byte
/// of an answer, and asking twice does no harm, it is asked again on a fresh connection (RFC 9110 §9.2.2).
/// False: there is no response all the same.
Task<bool> Connection::repeat_request(ExchangePtr exchange) {
  const Wire& before = *exchange->upstream;
  const bool silent = before.data().empty() && !before.timed_out() && !client_.gone();
  if (!exchange->reused || !exchange->replayable || !exchange->idempotent || !silent) co_return false;
  ErrorCode error = co_await connect_exchange(exchange);
  if (!error) error = co_await exchange->upstream->write(out_);
  if (error) co_return false;
  const bool complete = co_await read_response_head(exchange);
  co_return complete;
}

/// Whether the route wants to hear another answer than this one (or than none in time).
bool Connection::wants_another_try(const Exchange& exchange, bool answered) const {
  if (exchange.tries_left <= 0 || !exchange.replayable || client_.gone() || exchange.client_lost)
    return false;
  if (answered) return exchange.pick.effects->retry.covers(response_.status);
  return exchange.upstream->timed_out() && shared_.clock.now() < exchange.deadline;
}

/// Sends the request once more, to an endpoint of the same backend that is drawn anew. What this try brought
/// is counted. False: nobody else can be asked, so it stands.
Task<bool> Connection::try_again(ExchangePtr exchange, bool answered) {
  Pick next = shared_.routes.pick_endpoint(exchange->pick.leaf, exchange->pick.apex);
  if (!next.endpoint) co_return false;
  --exchange->tries_left;
  const base::MonoTime deadline = deadline_of_try(*exchange);
  std::shared_ptr<Wire> fresh;
  const ErrorCode error = co_await connect(next.endpoint, next.leaf, deadline, &fresh);
  if (error) co_return false;
  fresh->set_deadline(deadline);

  if (!answered) exchange->inbound = nullptr;  // the caller's side gave up waiting
  const int status = answered ? response_.status : 504;
  count_head(*exchange, status);
  count_end(*exchange, Outcome::of_status(status));
  --exchange->pick.endpoint->in_flight;
  exchange->pick.endpoint = std::move(next.endpoint);
  ++exchange->pick.endpoint->in_flight;
  exchange->upstream = std::move(fresh);
  exchange->reused = false;
  exchange->start = shared_.clock.now();
  exchange->inbound = exchange->pick.endpoint->inbound;
  if (!caller_.name.empty()) exchange->outbound = outbound_series(exchange->pick);
  exchange->request_counted = false;
  count_request(*exchange);
  (void)co_await exchange->upstream->write(out_);  // its failure shows when the answer is read
  co_return true;
}

}  // namespace serin::local::mesh
