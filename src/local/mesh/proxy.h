#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "base/task.h"
#include "local/mesh/connection.h"

namespace serin::local::mesh {

/// An address the proxy could not listen on.
struct ListenFailure {
  std::string address;  ///< "10.96.0.5:9898"
  std::string cause;

  bool operator==(const ListenFailure&) const = default;
};

/// The data plane: listens on every Service's address and port, and on what it is handed. Single-threaded,
/// on one executor. End it with stop() before it goes.
class Proxy {
 public:
  Proxy(base::Executor executor, base::Clock& clock, base::Random random, Limits limits);
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;
  ~Proxy();

  /// From the next request on everything is as the snapshot says. Requests in flight finish where they are.
  /// Returns the addresses that could not be bound; the others serve, and the next call tries again.
  std::vector<ListenFailure> apply(const MeshSnapshot& snapshot);
  /// Takes over listening sockets: the forward proxy's, and the metrics pages'.
  base::Result<void> serve_forward(int listening_fd);
  base::Result<void> serve_metrics(int listening_fd);
  /// Cancels everything and waits for its end.
  base::Task<void> stop();

 private:
  struct Listener;
  using ListenerPtr = std::shared_ptr<Listener>;
  base::Result<ListenerPtr> listen(const Tcp::endpoint& address);
  base::Result<ListenerPtr> adopt(int listening_fd);
  base::Task<void> accept(ListenerPtr listener);
  base::Task<void> serve(Tcp::socket socket, ListenerPtr listener);
  base::Task<void> serve_page(std::unique_ptr<Wire> client);
  base::Task<void> look_after();
  [[nodiscard]] std::string page_for(std::string_view target, int& status) const;

  base::Executor executor_;
  base::Clock& clock_;
  base::Random random_;
  Registry registry_;
  Watchdog watchdog_;
  Routes routes_;
  base::TaskGroup tasks_;
  Shared shared_;
  std::map<Tcp::endpoint, ListenerPtr> listeners_;
  std::vector<ListenerPtr> adopted_;
  std::size_t connections_ = 0;
};

}  // namespace serin::local::mesh
