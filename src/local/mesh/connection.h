#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/task.h"
#include "local/mesh/http_head.h"
#include "local/mesh/routes.h"
#include "local/mesh/wire.h"

namespace serin::local::mesh {

/// How patient and how generous the proxy is.
struct Limits {
  std::size_t header_max = 64u << 10;                         ///< longer heads get 431
  std::size_t connections_max = 4096;                         ///< further clients wait in the backlog
  base::Duration head_timeout = std::chrono::seconds(30);     ///< from the first byte of a head to its last
  base::Duration idle_timeout = std::chrono::seconds(90);     ///< between two requests
  base::Duration detect_timeout = std::chrono::seconds(10);   ///< silent clients are not HTTP (server first)
  base::Duration body_timeout = std::chrono::seconds(60);     ///< between two pieces of a request's body
  base::Duration connect_patience = std::chrono::seconds(1);  ///< an application may refuse for this long
  base::Duration pool_idle = std::chrono::seconds(30);        ///< kept connections to applications
};

/// What all connections of the proxy share; outlives them.
struct Shared {
  base::Clock& clock;
  Registry& registry;
  Routes& routes;
  Watchdog& watchdog;
  base::TaskGroup& tasks;
  Limits limits;
};

/// One client's connection: tells HTTP from other protocols, and carries requests one after the other to the
/// endpoints that the routes pick, or the connection's bytes as they are.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// `destination` empty: a forward proxy's client, which names where it wants to go.
  Connection(Tcp::socket socket, std::optional<Destination> destination, Shared& shared);

  /// Serves until either side ends it.
  base::Task<void> serve();

 private:
  /// One request on its way, and where it is counted. Shared, because its body travels in a task of its own.
  struct Exchange {
    ~Exchange();
    bool to_head = false, to_connect = false, http_1_0 = false, keep_alive = true;
    BodyFraming body;  // of the request, as far as it has been passed on
    base::MonoTime start;
    Pick pick;
    std::shared_ptr<HttpSeries> inbound, outbound;  // null where nobody counts
    std::shared_ptr<Wire> upstream;
    base::MonoTime deadline = base::MonoTime::max();  // of the whole response
    bool reused = false;                              // the upstream connection has carried requests before
    bool replayable = false;                          // without a body, and all of it is still at hand
    bool idempotent = false;
    int tries_left = 0;      // that the route allows
    bool connected = false;  // from here on the pod's inbound series count
    bool request_counted = false;
    bool body_stalled = false, body_broken = false, client_lost = false;
  };
  using ExchangePtr = std::shared_ptr<Exchange>;
  enum class Next { request, again, close };

  base::Task<FirstBytes> look_at_first_bytes();
  base::Task<Next> serve_http();
  base::Task<bool> read_head();
  base::Task<Next> forward();

  base::Task<Next> exchange(Destination destination, std::string target, std::string host);
  ExchangePtr begin_exchange(Pick pick);
  base::Task<bool> connect_upstream(ExchangePtr exchange);
  base::Task<bool> send_request(ExchangePtr exchange);
  base::Task<Next> relay_response(ExchangePtr exchange);
  base::Task<bool> read_response_head(ExchangePtr exchange);
  base::Task<bool> receive_head(ExchangePtr exchange);
  base::Task<bool> repeat_request(ExchangePtr exchange);
  [[nodiscard]] bool wants_another_try(const Exchange& exchange, bool answered) const;
  base::Task<bool> try_again(ExchangePtr exchange, bool answered);
  base::Task<Next> relay_body(ExchangePtr exchange);
  base::Task<Next> upstream_failed(ExchangePtr exchange);
  base::Task<void> pump_request(std::shared_ptr<Connection> self, ExchangePtr exchange);
  base::Task<void> stop_pump(ExchangePtr exchange);

  base::Task<ErrorCode> connect(std::shared_ptr<Endpoint> endpoint, std::shared_ptr<const Leaf> leaf,
                                base::MonoTime deadline, std::shared_ptr<Wire>* into);
  base::Task<ErrorCode> connect_exchange(ExchangePtr exchange);
  [[nodiscard]] base::MonoTime deadline_of_try(const Exchange& exchange) const;
  bool take_pooled(Exchange& exchange);
  void keep_upstream(Exchange& exchange);
  base::Task<void> pass_through();
  base::Task<void> tunnel(std::shared_ptr<Wire> upstream);
  base::Task<void> copy(std::shared_ptr<Connection> self, std::shared_ptr<Wire> upstream, bool up);
  /// An answer of our own. The mesh's are empty, as Linkerd's are; the forward proxy's carry the text.
  base::Task<Next> answer(int status, std::string text, bool keep_alive);
  base::Task<Next> answer_pick(Pick pick, bool keep_alive);
  base::Task<void> linger();

  void count_request(Exchange& exchange);
  void count_head(Exchange& exchange, int status);
  void count_end(Exchange& exchange, const Outcome& outcome);
  std::shared_ptr<HttpSeries> outbound_series(const Pick& pick);

  Shared& shared_;
  Wire client_;
  std::optional<Destination> destination_;
  std::uint32_t caller_ip_ = 0;  // 0: outside the mesh
  kube::ObjectRef caller_;
  RequestHead head_;
  ResponseHead response_;
  std::string out_;

  bool pumping_ = false;
  base::Wakeup pump_ended_;

  struct CachedSeries {
    std::weak_ptr<Endpoint> endpoint;
    std::shared_ptr<const Leaf> leaf;
    std::shared_ptr<HttpSeries> series;
  };
  std::vector<CachedSeries> outbound_;
};

}  // namespace serin::local::mesh
