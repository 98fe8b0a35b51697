#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "http/client.h"
#include "http/server.h"

namespace serin::http {

/// For tests: one context with a server, a client, and a group for whatever else a test runs beside them.
class Loopback {
 public:
  using Body = std::function<base::Task<void>(Loopback&)>;

  /// Runs `body` to its end, then stops everything; a test that hangs fails instead.
  static void run(ServerOptions server_options, Handler handler, ClientOptions client_options, Body body) {
    boost::asio::io_context context;
    Loopback loopback(context, std::move(server_options), std::move(handler), std::move(client_options));
    bool ended = false;
    std::exception_ptr failure;
    boost::asio::co_spawn(context, loopback.play(std::move(body)), [&](std::exception_ptr e) {
      ended = true;
      failure = e;
    });
    context.run_for(std::chrono::seconds(30));
    if (!ended) std::abort();  // coroutines are still suspended: no way to go on
    if (failure) std::rethrow_exception(failure);
  }

  [[nodiscard]] base::Executor executor() { return context_.get_executor(); }
  [[nodiscard]] Url url(const std::string& target = "/", const std::string& host = "127.0.0.1") const {
    return {tls_ ? "https" : "http", host, std::to_string(server->port()), target, {}};
  }
  [[nodiscard]] Request get(const std::string& target = "/") const { return {.url = url(target)}; }

  std::unique_ptr<Server> server;
  std::unique_ptr<Client> client;
  base::TaskGroup group;
  base::SystemClock clock;

 private:
  Loopback(boost::asio::io_context& context, ServerOptions server_options, Handler handler,
           ClientOptions client_options)
      : group(context.get_executor()), context_(context), tls_(server_options.tls.has_value()) {
    auto made = make_server(executor(), std::move(server_options), std::move(handler), {});
    if (!made) throw std::runtime_error(made.error().message);
    server = *std::move(made);
    auto made_client = make_client(executor(), std::move(client_options));
    if (!made_client) throw std::runtime_error(made_client.error().message);
    client = *std::move(made_client);
    group.spawn(server->run());
  }

  base::Task<void> play(Body body) {
    std::exception_ptr failure;
    try {
      co_await body(*this);
    } catch (...) {
      failure = std::current_exception();
    }
    group.cancel();
    co_await group.join();
    if (failure) std::rethrow_exception(failure);
  }

  boost::asio::io_context& context_;
  bool tls_;
};

}  // namespace serin::http
