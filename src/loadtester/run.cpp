#include "loadtester/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "http/client.h"
#include "http/server.h"
#include "loadtester/gates.h"
#include "loadtester/options.h"
#include "loadtester/process.h"
#include "loadtester/tester.h"

namespace serin::loadtester {
namespace {

namespace asio = boost::asio;
using base::Result;

constexpr std::size_t body_max = 1u << 20;
constexpr base::Duration shutdown_max = std::chrono::minutes(1);
/// The release of the reference load tester whose behaviour this one has.
constexpr const char* compatible_version = "0.38.0";
constexpr std::string_view token_variable = "LOADTESTER_AUTH_TOKEN=";

/// Empty if there is none.
std::string variable(const World& world, std::string_view name) {
  for (const std::string& each : world.environment) {
    if (each.starts_with(name) && each.substr(name.size()).starts_with('='))
      return each.substr(name.size() + 1);
  }
  return {};
}

/// What commands get to see: all but the token.
std::vector<std::string> environment_of_commands(const World& world) {
  std::vector<std::string> environment = world.environment;
  std::erase_if(environment, [](const std::string& each) { return each.starts_with(token_variable); });
  return environment;
}

http::ProxyOptions proxies(const World& world) {
  const auto either = [&world](const char* upper, const char* lower) {
    const std::string value = variable(world, upper);
    return value.empty() ? variable(world, lower) : value;
  };
  return {either("HTTP_PROXY", "http_proxy"), either("HTTPS_PROXY", "https_proxy"),
          either("NO_PROXY", "no_proxy")};
}

/// The token that callers must know; empty if they need none.
Result<std::string> read_token(const Options& options, const World& world) {
  if (!options.auth_token.empty()) return options.auth_token;
  if (options.token_file.empty()) return variable(world, "LOADTESTER_AUTH_TOKEN");
  std::ifstream file(options.token_file);
  std::string token{std::istreambuf_iterator<char>(file), {}};
  const auto end = token.find_last_not_of(" \r\n\t");
  token.resize(end == std::string::npos ? 0 : end + 1);
  if (!file.is_open() || token.empty()) {
    return base::fail(base::Errc::invalid,
                      fmt::format("-token-file {} can't be read or is empty", options.token_file));
  }
  return token;
}

/// A second signal while the first one is being obeyed.
base::Task<void> exit_at_next_signal(asio::signal_set& signals) {
  co_await signals.async_wait(asio::use_awaitable);
  ::_exit(1);
}

base::Task<void> wait_until_idle(Tester& tester, base::Clock& clock) {
  while (tester.active() > 0) co_await clock.sleep_for(std::chrono::milliseconds(50));
}

/// Serves until a signal, then drains and ends the tasks.
base::Task<void> serve(http::Server& server, Tester& tester, base::Clock& clock, asio::signal_set& signals,
                       ProcessRunner& runner, base::Logger log) {
  const base::Executor executor = signals.get_executor();
  base::TaskGroup group(executor);
  group.spawn(server.run());
  co_await signals.async_wait(asio::use_awaitable);
  log.info("Shutting down HTTP server");
  group.spawn(exit_at_next_signal(signals));
  tester.begin_shutdown();
  const bool idle =
      co_await base::run_until(clock, clock.now() + shutdown_max, wait_until_idle(tester, clock));
  if (!idle) log.warn("requests were still running after a minute");
  group.cancel();
  co_await group.join();
  co_await tester.stop();
  co_await runner.stop();
}

void log_who_may_enter(const Rules& rules, const std::string& address, const base::Logger& log) {
  if (!rules.token.empty()) return log.info("callers must send the token");
  if (rules.limit_commands()) {
    return log.info("open to everyone who reaches " + address + ", for the commands of the allow-list");
  }
  log.warn("open to everyone who reaches " + address +
           ": whoever does can run any command as this user (-auth-token, -token-file, -allow-commands and "
           "-allow-command narrow it)");
}

/// Everything between a valid configuration and the exit code.
int run_server(const Options& options, const Rules& rules, Gates gates, const World& world,
               const base::Logger& log) {
  asio::io_context io(1);
  base::SystemClock clock;
  const auto client = http::make_client(
      io.get_executor(), {.tls = {}, .proxy = proxies(world), .user_agent = "Go-http-client/1.1"});
  if (!client) {
    log.error(client.error().message);
    return 1;
  }
  const auto runner = make_process_runner(io.get_executor(), clock, environment_of_commands(world), {});
  Tester tester(io.get_executor(), rules, std::move(gates), {*runner, **client, clock}, log);
  const http::ServerOptions where{.address = world.bind_address.empty() ? "0.0.0.0" : world.bind_address,
                                  .port = options.port,
                                  .tls = std::nullopt,
                                  .body_max = body_max};
  const auto handler = [&tester](http::Request request, http::Responder& responder) {
    return tester.handle(std::move(request), responder);
  };
  const auto server = http::make_server(io.get_executor(), where, handler, log);
  if (!server) {
    log.error(server.error().message);
    return 1;
  }
  log.info(fmt::format("Starting load tester v{} API on port {}", compatible_version, (*server)->port()));
  log_who_may_enter(rules, where.address, log);
  asio::signal_set signals(io, SIGTERM, SIGINT);
  std::exception_ptr failure;
  asio::co_spawn(io, serve(**server, tester, clock, signals, *runner, log),
                 [&failure](std::exception_ptr error) { failure = std::move(error); });
  io.run();
  if (failure) log.error("the load tester ended by a failure of its own");
  return failure ? 1 : 0;
}

}  // namespace

int run_loadtester(std::vector<std::string> args, World world) {
  const Result<Options> options = parse_options(args);
  if (!options || options->help) {
    if (!options) fmt::print(stderr, "{}\n", options.error().message);
    fmt::print(stderr, "{}", usage());
    return options ? 0 : 2;
  }
  const base::Logger log =
      base::stderr_logger(base::parse_level(options->log_level), options->log_encoding == "console");
  Result<std::string> token = read_token(*options, world);
  Result<Gates> gates = options->gate_store.empty() ? Gates() : Gates::load(options->gate_store);
  if (!token || !gates) {
    log.error(!token ? token.error().message : gates.error().message);
    return 2;
  }
  const Rules rules{.namespace_regexp = options->namespace_regexp,
                    .token = std::move(*token),
                    .allowed_commands = options->allowed_commands,
                    .allowed_programs = options->allowed_programs,
                    .timeout = options->timeout,
                    .tasks_max = options->tasks_max};
  return run_server(*options, rules, std::move(*gates), world, log);
}

}  // namespace serin::loadtester
