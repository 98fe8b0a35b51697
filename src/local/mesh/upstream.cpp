#include <boost/asio/error.hpp>

#include "local/mesh/connection.h"
#include "local/mesh/labels.h"

namespace serin::local::mesh {

using base::Task;

// --- Connections to applications

bool Connection::take_pooled(Exchange& exchange) {
  auto& idle = exchange.pick.endpoint->idle;
  for (std::size_t i = idle.size(); i-- > 0;) {
    if (idle[i].caller != caller_ip_) continue;
    const std::shared_ptr<Wire> wire = std::move(idle[i].wire);
    idle.erase(idle.begin() + static_cast<std::ptrdiff_t>(i));
    if (wire->stale()) continue;
    exchange.upstream = wire;
    exchange.reused = true;
    return true;
  }
  return false;
}

void Connection::keep_upstream(Exchange& exchange) {
  constexpr std::size_t idle_max = 256;
  Endpoint& endpoint = *exchange.pick.endpoint;
  if (!endpoint.listed || endpoint.idle.size() >= idle_max || !exchange.upstream->data().empty()) return;
  exchange.upstream->clear_deadline();
  endpoint.idle.push_back({caller_ip_, exchange.upstream, shared_.clock.now()});
}

/// Opens a connection for one exchange or tunnel. An application that refuses may be about to listen: it is
/// asked again for `connect_patience`, as Linkerd's proxy does before it fails fast.
Task<ErrorCode> Connection::connect(std::shared_ptr<Endpoint> endpoint, std::shared_ptr<const Leaf> leaf,
                                    base::MonoTime deadline, std::shared_ptr<Wire>* into) {
  const base::MonoTime begun = shared_.clock.now();
  deadline = std::min(deadline, begun + shared_.limits.connect_patience);
  const bool patient = begun >= endpoint->refusing_until;
  for (;;) {
    auto wire =
        std::make_shared<Wire>(Tcp::socket(client_.socket().get_executor()), shared_.clock, shared_.watchdog);
    wire->set_deadline(deadline);
    const ErrorCode error = co_await wire->connect(endpoint->address);
    wire->clear_deadline();
    if (!error) {
      if (endpoint->source) wire->count(endpoint->source, true);
      if (endpoint->application) wire->count(endpoint->application, false);
      if (!caller_.name.empty()) {
        const std::string labels = outbound_endpoint_labels(
            leaf ? leaf->authority : "", leaf ? leaf->service : "", endpoint->address.address().to_string(),
            endpoint->address.port(), endpoint->pod.get());
        wire->count(shared_.registry.transport(caller_, labels), false);
      }
      *into = std::move(wire);
      co_return ErrorCode();
    }
    if (!patient || shared_.clock.now() + std::chrono::milliseconds(100) >= deadline) {
      endpoint->refusing_until = shared_.clock.now() + shared_.limits.connect_patience;
      co_return error;
    }
    co_await shared_.clock.sleep_for(std::chrono::milliseconds(100));
  }
}

base::MonoTime Connection::deadline_of_try(const Exchange& exchange) const {
  const bool limited =
      exchange.tries_left > 0 && exchange.pick.effects->retry.timeout > base::Duration::zero();
  if (!limited) return exchange.deadline;
  return std::min(exchange.deadline, shared_.clock.now() + exchange.pick.effects->retry.timeout);
}

/// A fresh connection for this exchange, with its deadline.
Task<ErrorCode> Connection::connect_exchange(ExchangePtr exchange) {
  exchange->reused = false;
  const base::MonoTime deadline = deadline_of_try(*exchange);
  const ErrorCode error =
      co_await connect(exchange->pick.endpoint, exchange->pick.leaf, deadline, &exchange->upstream);
  if (!error) exchange->upstream->set_deadline(deadline);
  co_return error;
}

// --- Bytes as they are

/// One draw for the whole connection, counted in tcp_* only.
Task<void> Connection::pass_through() {
  client_.clear_deadline();
  const Pick pick = shared_.routes.pick(*destination_);
  if (!pick.endpoint) co_return;
  std::shared_ptr<Wire> upstream;
  const ErrorCode error = co_await connect(pick.endpoint, pick.leaf, base::MonoTime::max(), &upstream);
  if (!error) co_await tunnel(upstream);
}

Task<void> Connection::tunnel(std::shared_ptr<Wire> upstream) {
  client_.clear_deadline();
  pumping_ = true;
  shared_.tasks.spawn(copy(shared_from_this(), upstream, true));
  co_await copy(shared_from_this(), upstream, false);
  while (pumping_) co_await pump_ended_.wait();
}

/// One direction. Its end is passed on as such; an error ends the other direction too.
Task<void> Connection::copy(std::shared_ptr<Connection> self, std::shared_ptr<Wire> upstream, bool up) {
  Wire& from = up ? client_ : *upstream;
  Wire& to = up ? *upstream : client_;
  ErrorCode error;
  while (!error) {
    if (from.data().empty()) error = co_await from.fill();
    if (error) break;
    error = co_await to.write(from.data());
    from.consume(from.data().size());
  }
  if (error == boost::asio::error::eof) {
    to.shutdown_send();
  } else {
    client_.cancel();
    upstream->cancel();
  }
  if (up) {
    pumping_ = false;
    pump_ended_.notify();
  }
  (void)self;
}

// --- Counting

std::shared_ptr<HttpSeries> Connection::outbound_series(const Pick& pick) {
  for (const CachedSeries& each : outbound_) {
    if (each.endpoint.lock() == pick.endpoint && each.leaf == pick.leaf) return each.series;
  }
  constexpr std::size_t cached_max = 16;
  if (outbound_.size() >= cached_max) outbound_.clear();
  const Tcp::endpoint& address = pick.endpoint->address;
  const std::string labels =
      outbound_labels(pick.leaf ? pick.leaf->authority : "", pick.leaf ? pick.leaf->service : "",
                      address.address().to_string(), address.port(), pick.endpoint->pod.get());
  std::shared_ptr<HttpSeries> series = shared_.registry.http(caller_, labels);
  outbound_.push_back({pick.endpoint, pick.leaf, series});
  return series;
}

/// With a body, when its first piece has been read (spec 11 §3).
void Connection::count_request(Exchange& exchange) {
  if (exchange.request_counted) return;
  exchange.request_counted = true;
  const base::MonoTime now = shared_.clock.now();
  if (exchange.outbound) exchange.outbound->request(now);
  if (exchange.inbound) exchange.inbound->request(now);
}

void Connection::count_head(Exchange& exchange, int status) {
  const base::MonoTime now = shared_.clock.now();
  if (exchange.outbound) exchange.outbound->responded(status, now - exchange.start, now);
  if (exchange.inbound) exchange.inbound->responded(status, now - exchange.start, now);
}

void Connection::count_end(Exchange& exchange, const Outcome& outcome) {
  const base::MonoTime now = shared_.clock.now();
  if (exchange.outbound) exchange.outbound->ended(outcome, now);
  if (exchange.inbound) exchange.inbound->ended(outcome, now);
}

}  // namespace serin::local::mesh
