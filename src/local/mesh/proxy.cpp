#include "local/mesh/proxy.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>

#include "http/message.h"

namespace serin::local::mesh {

namespace asio = boost::asio;
using base::Errc;
using base::fail;
using base::Result;
using base::Task;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
enum class Role { service, forward, metrics };

std::string text_of(const Tcp::endpoint& address) {
  return fmt::format("{}:{}", address.address().to_string(), address.port());
}

}  // namespace

struct Proxy::Listener {
  Listener(Tcp::acceptor a, Role r) : acceptor(std::move(a)), role(r), room(acceptor.get_executor()) {}

  Tcp::acceptor acceptor;
  Role role;
  Tcp::endpoint address;
  base::Wakeup room;  // notified when there may be connections again
};

Proxy::Proxy(base::Executor executor, base::Clock& clock, base::Random random, Limits limits)
    : executor_(executor),
      clock_(clock),
      random_(std::move(random)),
      routes_(registry_, random_),
      tasks_(executor),
      shared_{clock, registry_, routes_, watchdog_, tasks_, limits} {
  tasks_.spawn(look_after());
}

Proxy::~Proxy() = default;

Task<void> Proxy::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

// --- Listening

std::vector<ListenFailure> Proxy::apply(const MeshSnapshot& snapshot) {
  routes_.apply(snapshot);
  const std::vector<Tcp::endpoint> addresses = routes_.listen_addresses();
  const std::set<Tcp::endpoint> wanted(addresses.begin(), addresses.end());
  std::erase_if(listeners_, [&wanted](const auto& entry) {
    if (wanted.contains(entry.first)) return false;
    ErrorCode ignored;
    entry.second->acceptor.close(ignored);
    entry.second->room.notify();
    return true;
  });
  std::vector<ListenFailure> failures;
  for (const Tcp::endpoint& address : wanted) {
    if (listeners_.contains(address)) continue;
    Result<ListenerPtr> listener = listen(address);
    if (!listener) {
      failures.push_back({text_of(address), listener.error().message});
      continue;
    }
    listeners_[address] = *listener;
    tasks_.spawn(accept(*listener));
  }
  return failures;
}

Result<Proxy::ListenerPtr> Proxy::listen(const Tcp::endpoint& address) {
  Tcp::acceptor acceptor(executor_);
  ErrorCode error;
  acceptor.open(address.protocol(), error);
  if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(address, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail(Errc::unavailable, error.message());
  auto listener = std::make_shared<Listener>(std::move(acceptor), Role::service);
  listener->address = address;
  return listener;
}

Result<Proxy::ListenerPtr> Proxy::adopt(int listening_fd) {
  Tcp::acceptor acceptor(executor_);
  ErrorCode error;
  acceptor.assign(Tcp::v4(), listening_fd, error);
  if (error) {
    return fail(Errc::invalid,
                fmt::format("descriptor {} is no listening socket: {}", listening_fd, error.message()));
  }
  return std::make_shared<Listener>(std::move(acceptor), Role::forward);
}

Result<void> Proxy::serve_forward(int listening_fd) {
  Result<ListenerPtr> listener = adopt(listening_fd);
  if (!listener) return fail(listener.error());
  adopted_.push_back(*listener);
  tasks_.spawn(accept(*listener));
  return {};
}

Result<void> Proxy::serve_metrics(int listening_fd) {
  Result<ListenerPtr> listener = adopt(listening_fd);
  if (!listener) return fail(listener.error());
  (*listener)->role = Role::metrics;
  adopted_.push_back(*listener);
  tasks_.spawn(accept(*listener));
  return {};
}

Task<void> Proxy::accept(ListenerPtr listener) {
  while (listener->acceptor.is_open()) {
    if (connections_ >= shared_.limits.connections_max) {
      co_await listener->room.wait();
      continue;
    }
    auto [error, socket] = co_await listener->acceptor.async_accept(as_result);
    if (!error) {
      ++connections_;
      tasks_.spawn(serve(std::move(socket), listener));
    } else if (listener->acceptor.is_open()) {
      // Out of descriptors, or a client that left the backlog: neither may stop us or spin.
      co_await clock_.sleep_for(std::chrono::milliseconds(20));
    }
  }
}

Task<void> Proxy::serve(Tcp::socket socket, ListenerPtr listener) {
  // Counts the connection out also when the task is cancelled.
  struct Place {
    Proxy& proxy;
    ~Place() {
      if (proxy.connections_-- < proxy.shared_.limits.connections_max) return;
      for (const auto& [address, each] : proxy.listeners_) each->room.notify();
      for (const ListenerPtr& each : proxy.adopted_) each->room.notify();
    }
  };
  const Place place{*this};
  if (listener->role == Role::metrics) {
    auto client = std::make_unique<Wire>(std::move(socket), clock_, watchdog_);
    co_await serve_page(std::move(client));
    co_return;
  }
  std::optional<Destination> destination;
  if (listener->role == Role::service) destination = ServiceAddress{listener->address};
  const auto connection = std::make_shared<Connection>(std::move(socket), std::move(destination), shared_);
  co_await connection->serve();
}

// --- Metrics pages

std::string Proxy::page_for(std::string_view target, int& status) const {
  status = 200;
  if (target == "/healthz") return "ok\n";
  constexpr std::string_view prefix = "/pods/", suffix = "/metrics";
  status = 404;
  if (!target.starts_with(prefix) || !target.ends_with(suffix)) {
    return "there are /healthz and /pods/<namespace>/<pod>/metrics\n";
  }
  target.remove_prefix(prefix.size());
  if (target.size() <= suffix.size()) return "no pod is named\n";
  target.remove_suffix(suffix.size());
  const std::size_t slash = target.find('/');
  if (slash == std::string_view::npos) return "no pod is named\n";
  const kube::ObjectRef pod{std::string(target.substr(0, slash)), std::string(target.substr(slash + 1))};
  if (!routes_.knows_pod(pod)) return fmt::format("there is no pod {}\n", pod.dotted());
  status = 200;
  return registry_.page(pod);
}

Task<void> Proxy::serve_page(std::unique_ptr<Wire> client) {
  RequestHead head;
  for (bool keep_alive = true; keep_alive;) {
    client->set_deadline(clock_.now() + shared_.limits.idle_timeout);
    std::size_t searched = 0;
    std::size_t end = find_head_end(client->data(), searched);
    while (end == std::string_view::npos) {
      const bool other = detect(client->data()) == FirstBytes::other;
      if (other || client->data().size() > shared_.limits.header_max) co_return;
      const ErrorCode error = co_await client->fill();
      if (error) co_return;
      end = find_head_end(client->data(), searched);
    }
    const auto parsed = parse_request_head(client->data().substr(0, end), head);
    int status = parsed ? 405 : parsed.error().status;
    std::string body = parsed ? "only GET is answered\n" : parsed.error().text + "\n";
    keep_alive = parsed && head.framing.keep_alive && head.framing.body == BodyKind::none;
    if (parsed && head.method == "GET") {
      body = page_for(head.target.substr(0, head.target.find('?')), status);
    }
    client->consume(end);
    const std::string answer = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n{}\r\n{}", status,
        http::reason_phrase(status), body.size(), keep_alive ? "" : "Connection: close\r\n", body);
    const ErrorCode error = co_await client->write(answer);
    if (error) co_return;
  }
}

Task<void> Proxy::look_after() {
  constexpr auto beat = std::chrono::milliseconds(100);
  constexpr int beats_between_prunings = 50;
  for (int beats = 0;; ++beats) {
    co_await clock_.sleep_for(beat);
    const base::MonoTime now = clock_.now();
    watchdog_.sweep(now);
    if (beats % beats_between_prunings != 0) continue;
    registry_.drop_idle(now);
    routes_.prune(now, shared_.limits.pool_idle);
  }
}

}  // namespace serin::local::mesh
