#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>

#include "local/cluster.h"
#include "local/options.h"

namespace serin::local {
namespace {

namespace asio = boost::asio;
using base::Result;
using base::Task;

/// Every watch and every pod costs descriptors: as many as we may have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void say(std::string_view line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

Task<void> run_into(Cluster& cluster, Result<void>* outcome, base::Wakeup& ended) {
  std::exception_ptr cancelled;
  try {
    *outcome = co_await cluster.run();
  } catch (...) {
    cancelled = std::current_exception();
  }
  ended.notify();
  if (cancelled) std::rethrow_exception(cancelled);
}

/// The first signal ends the cluster in good order, a second one at once: then the kernel ends the children.
Task<void> obey_signals(asio::signal_set& signals, base::TaskGroup& work) {
  co_await signals.async_wait(asio::use_awaitable);
  say("ending");
  work.cancel();
  co_await signals.async_wait(asio::use_awaitable);
  ::_exit(1);
}

Task<int> serve(Cluster& cluster, asio::signal_set& signals) {
  base::TaskGroup work(signals.get_executor()), watch(signals.get_executor());
  Result<void> outcome;
  base::Wakeup ended(signals.get_executor());
  work.spawn(run_into(cluster, &outcome, ended));
  watch.spawn(obey_signals(signals, work));
  co_await ended.wait();
  watch.cancel();
  co_await work.join();
  co_await watch.join();
  if (outcome) co_return 0;
  fmt::print(stderr, "serin: {}\n", outcome.error().message);
  co_return 1;
}

}  // namespace

int run_cluster(ClusterOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  asio::io_context context(1);
  asio::signal_set signals(context, SIGINT, SIGTERM, SIGHUP);
  int exit_code = 1;
  {
    Cluster cluster(context.get_executor(), std::move(options), say);
    bool done = false;
    asio::co_spawn(context, serve(cluster, signals), [&](std::exception_ptr failure, int code) {
      if (failure) fmt::print(stderr, "serin: ended by a failure of its own\n");
      exit_code = failure ? 1 : code;
      done = true;
    });
    // Until the cluster has ended, not until kept-alive connections have.
    while (!done) context.run_one();
  }
  return exit_code;
}

}  // namespace serin::local
