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

#include "http/server.h"
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

Result<std::string> read_token(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path);
  std::string token{std::istreambuf_iterator<char>(file), {}};
  const auto end = token.find_last_not_of(" \r\n\t");
  token.resize(end == std::string::npos ? 0 : end + 1);
  if (!file.is_open() || token.empty()) {
    return base::fail(base::Errc::invalid, "-token-file " + path + " can't be read or is empty");
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
                       base::Logger log) {
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
}

void log_who_may_enter(const Rules& rules, const std::string& address, const base::Logger& log) {
  if (!rules.token.empty()) return log.info("callers must send the token of -token-file");
  if (!rules.allowed_commands.empty()) {
    return log.info("open to everyone who reaches " + address + ", for the commands of -allow-command");
  }
  log.warn("open to everyone who reaches " + address +
           ": whoever does can run any command as this user (-token-file and -allow-command narrow it)");
}

}  // namespace

int run_loadtester(std::vector<std::string> args, std::string bind_address) {
  const Result<Options> options = parse_options(args);
  if (!options || options->help) {
    if (!options) fmt::print(stderr, "{}\n", options.error().message);
    fmt::print(stderr, "{}", usage());
    return options ? 0 : 2;
  }
  const base::Logger log =
      base::stderr_logger(base::parse_level(options->log_level), options->log_encoding == "console");
  Result<std::string> token = read_token(options->token_file);
  if (!token) {
    log.error(token.error().message);
    return 2;
  }
  asio::io_context io(1);
  base::SystemClock clock;
  const auto runner = make_process_runner(clock, {});
  const Rules rules{.namespace_regexp = options->namespace_regexp,
                    .token = std::move(*token),
                    .allowed_commands = options->allowed_commands,
                    .timeout = options->timeout};
  Tester tester(io.get_executor(), rules, *runner, log);
  const http::ServerOptions where{.address = bind_address.empty() ? "0.0.0.0" : bind_address,
                                  .port = options->port,
                                  .body_max = body_max};
  const auto handler = [&tester](http::Request request, http::Responder& responder) {
    return tester.handle(std::move(request), responder);
  };
  log.info(fmt::format("Starting load tester v{} API on port {}", compatible_version, options->port));
  auto server = http::make_server(io.get_executor(), where, handler, log);
  if (!server) {
    log.error(server.error().message);
    return 1;
  }
  log_who_may_enter(rules, where.address, log);
  asio::signal_set signals(io, SIGTERM, SIGINT);
  std::exception_ptr failure;
  asio::co_spawn(io, serve(**server, tester, clock, signals, log),
                 [&failure](std::exception_ptr error) { failure = std::move(error); });
  io.run();
  if (failure) log.error("the load tester ended by a failure of its own");
  return failure ? 1 : 0;
}

}  // namespace serin::loadtester
