#include "podinfo/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <thread>

#include "podinfo/service.h"

namespace serin::podinfo {
namespace {

namespace asio = boost::asio;
using base::Result;

constexpr std::size_t body_max = 10u << 20;
/// How long endpoints are given to leave the Services before the listener closes.
constexpr base::Duration settling = std::chrono::seconds(3);

/// The pod's name: a container's HOSTNAME, which is right also where pods share the host's name.
std::string hostname(const std::vector<std::string>& environment) {
  const std::string name = variable(environment, "HOSTNAME");
  if (!name.empty()) return name;
  std::array<char, 256> buffer{};
  return ::gethostname(buffer.data(), buffer.size() - 1) == 0 ? buffer.data() : "localhost";
}

/// --stress-cpu and --stress-memory: threads that do nothing but work, and memory that is held.
class Stress {
 public:
  Stress(int cores, int megabytes) : memory_(static_cast<std::size_t>(std::max(megabytes, 0)) << 20, 'x') {
    for (int i = 0; i < cores; ++i) threads_.emplace_back(burn);
  }

 private:
  static void burn(const std::stop_token& stop) {
    std::atomic<std::uint64_t> work = 0;
    while (!stop.stop_requested()) work.fetch_add(1, std::memory_order_relaxed);
  }
  std::vector<char> memory_;
  std::vector<std::jthread> threads_;
};

base::Task<void> exit_at_next_signal(asio::signal_set& signals) {
  co_await signals.async_wait(asio::use_awaitable);
  ::_exit(1);
}

base::Task<void> wait_until_idle(Service& service, base::Clock& clock) {
  while (service.active() > 0) co_await clock.sleep_for(std::chrono::milliseconds(20));
}

base::Task<void> serve(std::vector<std::unique_ptr<http::Server>>& servers, Service& service,
                       base::Clock& clock, Config config, asio::signal_set& signals, base::Logger log) {
  base::TaskGroup group(signals.get_executor());
  for (const auto& server : servers) group.spawn(server->run());
  co_await signals.async_wait(asio::use_awaitable);
  const base::MonoTime deadline = clock.now() + config.shutdown_timeout;
  group.spawn(exit_at_next_signal(signals));
  service.begin_shutdown();
  log.with("timeout", base::format_duration(config.shutdown_timeout)).info("Shutting down HTTP/HTTPS server");
  if (config.level != "debug") co_await clock.sleep_for(settling);
  const bool idle = co_await base::run_until(clock, deadline, wait_until_idle(service, clock));
  if (!idle) log.warn("HTTP server graceful shutdown failed: requests were still running");
  group.cancel();
  co_await group.join();
}

}  // namespace

int run_podinfo(std::vector<std::string> args, World world) {
  Result<Config> parsed = parse_config(args, world.environment);
  if (!parsed) {
    fmt::print(stderr, "Error: {}\n", parsed.error().message);
    return 2;
  }
  const Config config = *parsed;
  if (config.print_version) {
    fmt::print("{}\n", world.version);
    return 0;
  }
  const base::Logger log = base::stderr_logger(base::parse_level(config.level));
  asio::io_context io(1);
  base::SystemClock clock;
  base::Random random = base::Random::from_system();
  auto client = http::make_client(io.get_executor(), {.user_agent = "podinfo/" + world.version});
  if (!client) {
    log.error(client.error().message);
    return 1;
  }
  log.with("version", world.version)
      .with("revision", "unknown")
      .with("port", std::to_string(config.port))
      .info("Starting podinfo");
  Identity identity{world.version, hostname(world.environment), world.environment};
  Service service(config, std::move(identity), clock, random, **client, [](int code) { ::_exit(code); }, log);
  std::string address = world.bind_address.empty() ? config.host : world.bind_address;
  if (address.empty()) address = "0.0.0.0";

  std::vector<std::unique_ptr<http::Server>> servers;
  const auto listen = [&](std::uint16_t port, http::Handler handler) -> Result<void> {
    const http::ServerOptions where{.address = address,
                                    .port = port,
                                    .body_max = body_max,
                                    .read_timeout = config.http_server_timeout,
                                    .idle_timeout = 2 * config.http_server_timeout};
    auto server = http::make_server(io.get_executor(), where, std::move(handler), log);
    if (!server) return base::fail(server.error());
    servers.push_back(std::move(*server));
    return {};
  };
  Result<void> listening;
  if (config.port != 0) {
    log.with("addr", fmt::format("{}:{}", address, config.port)).info("Starting HTTP Server.");
    listening = listen(config.port, [&service](http::Request request, http::Responder& responder) {
      return service.handle(std::move(request), responder);
    });
  }
  if (listening && config.port_metrics != 0 && config.port_metrics != config.port) {
    listening = listen(config.port_metrics, [&service](http::Request request, http::Responder& responder) {
      return service.handle_metrics_port(std::move(request), responder);
    });
  }
  if (!listening) {
    log.error("HTTP server crashed: " + listening.error().message);
    return 1;
  }
  const Stress stress(config.stress_cpu, config.stress_memory);
  asio::signal_set signals(io, SIGTERM, SIGINT);
  std::exception_ptr failure;
  asio::co_spawn(io, serve(servers, service, clock, config, signals, log),
                 [&failure](std::exception_ptr error) { failure = std::move(error); });
  io.run();
  return failure ? 1 : 0;
}

}  // namespace serin::podinfo
