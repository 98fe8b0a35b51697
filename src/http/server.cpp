#include "http/server.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include "http/server_connection.h"

namespace serin::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::Errc;
using base::Result;
using base::Task;
using boost::system::error_code;

namespace {

class TcpServer final : public Server {
 public:
  TcpServer(tcp::acceptor acceptor, ServerRules rules)
      : acceptor_(std::move(acceptor)),
        rules_(std::move(rules)),
        port_(acceptor_.local_endpoint().port()),
        slot_free_(acceptor_.get_executor()),
        connections_(acceptor_.get_executor()) {}

  [[nodiscard]] std::uint16_t port() const override { return port_; }

  Task<void> run() override {
    std::exception_ptr end;
    try {
      co_await accept_all();
    } catch (const std::exception&) {
      end = std::current_exception();
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    error_code ignored;
    acceptor_.close(ignored);
    connections_.cancel();
    co_await connections_.join();
    if (end) std::rethrow_exception(end);
  }

 private:
  Task<void> accept_all();
  Task<void> serve(Socket socket);

  tcp::acceptor acceptor_;
  ServerRules rules_;
  std::uint16_t port_;
  base::SystemClock clock_;
  base::Wakeup slot_free_;
  base::TaskGroup connections_;
  std::size_t open_ = 0;  // connections that have not ended by themselves
};

Task<void> TcpServer::accept_all() {
  constexpr auto pause = std::chrono::milliseconds(50);
  for (;;) {
    while (open_ >= rules_.options.connections_max) co_await slot_free_.wait();
    Socket socket(acceptor_.get_executor());
    const auto [error] = co_await acceptor_.async_accept(socket, asio::as_tuple(asio::use_awaitable));
    if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
    if (!error) {
      ++open_;
      connections_.spawn(serve(std::move(socket)));
      continue;
    }
    // Out of file descriptors, or a peer that left at once: neither is a reason to stop serving.
    rules_.log.warn(fmt::format("accept on port {}: {}", port_, error.message()));
    co_await clock_.sleep_for(pause);
  }
}

/// A connection that fails in a way nobody foresaw must not take the others with it.
Task<void> TcpServer::serve(Socket socket) {
  error_code gone;
  const tcp::endpoint endpoint = socket.remote_endpoint(gone);
  try {
    ServerConnection connection(&rules_, {endpoint.address().to_string(), endpoint.port(), {}});
    if (!gone) co_await connection.serve(std::move(socket));
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    rules_.log.error(fmt::format("connection from {}: {}", endpoint_text(endpoint), e.what()));
  }
  --open_;
  slot_free_.notify();
}

std::string address_text(const ServerOptions& options) {
  const bool v6 = options.address.contains(':');
  return v6 ? fmt::format("[{}]:{}", options.address, options.port)
            : fmt::format("{}:{}", options.address, options.port);
}

Result<tcp::acceptor> listen(const base::Executor& executor, const ServerOptions& options) {
  error_code error;
  const asio::ip::address address = asio::ip::make_address(options.address, error);
  if (error) {
    return base::fail(Errc::invalid, fmt::format("listen on {}: \"{}\" is not an IP address",
                                                 address_text(options), options.address));
  }
  const tcp::endpoint endpoint(address, options.port);
  tcp::acceptor acceptor(executor);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return acceptor;
  const std::string_view remedy = error == asio::error::address_in_use  ? "choose another port, or 0 for any"
                                  : error == asio::error::access_denied ? "choose a port above 1023"
                                                                        : "choose an address of this machine";
  const Errc code = error == asio::error::address_in_use ? Errc::unavailable : Errc::invalid;
  return base::fail(code,
                    fmt::format("listen on {}: {}; {}", address_text(options), system_text(error), remedy));
}

}  // namespace

Result<std::unique_ptr<Server>> make_server(base::Executor executor, ServerOptions options, Handler handler,
                                            base::Logger log) {
  ServerRules rules{.options = options, .tls = {}, .handler = std::move(handler), .log = std::move(log)};
  if (options.tls) {
    Result<TlsContext> tls = make_server_context(*options.tls);
    if (!tls) return base::fail(tls.error());
    rules.tls = *std::move(tls);
  }
  Result<tcp::acceptor> acceptor = listen(executor, options);
  if (!acceptor) return base::fail(acceptor.error());
  return std::make_unique<TcpServer>(*std::move(acceptor), std::move(rules));
}

}  // namespace serin::http
