#include "local/mesh/mesh_proxy.h"

#include <sys/resource.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "base/json.h"
#include "local/mesh/proxy.h"

namespace serin::local {

namespace asio = boost::asio;
using base::Json;
using base::Task;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t line_max = 256u << 20;
using Channel = asio::local::stream_protocol::socket;

/// The lines to answer one snapshot with.
std::string take_over(mesh::Proxy& proxy, std::string_view line) {
  const base::Result<Json> json = Json::parse(line);
  base::Result<MeshSnapshot> snapshot = json ? snapshot_from_json(*json) : base::fail(json.error());
  if (!snapshot) return Json::object({{"rejected", snapshot.error().message}}).dump() + "\n";
  std::string report;
  for (const mesh::ListenFailure& each : proxy.apply(*snapshot)) {
    Json failure = Json::object({{"address", each.address}, {"cause", each.cause}});
    report += Json::object({{"failed", std::move(failure)}}).dump() + "\n";
  }
  const auto generation = static_cast<std::int64_t>(snapshot->generation);
  return report + Json::object({{"applied", generation}}).dump() + "\n";
}

Task<void> follow(Channel channel, mesh::Proxy& proxy) {
  std::string pending;
  for (;;) {
    const auto [error, size] =
        co_await asio::async_read_until(channel, asio::dynamic_buffer(pending, line_max), '\n', as_result);
    if (error) co_return;
    const std::string report = take_over(proxy, std::string_view(pending).substr(0, size));
    pending.erase(0, size);
    const auto [failed, written] = co_await asio::async_write(channel, asio::buffer(report), as_result);
    if (failed) co_return;
  }
}

Task<void> run(Channel channel, mesh::Proxy& proxy) {
  co_await follow(std::move(channel), proxy);
  co_await proxy.stop();
}

/// Every connection is two descriptors: as many as we may have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int run_mesh_proxy(MeshProxyOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  asio::io_context context(1);
  base::SystemClock clock;
  mesh::Proxy proxy(context.get_executor(), clock, base::Random::from_system(), {});
  Channel channel(context);
  boost::system::error_code error;
  channel.assign({}, options.config_fd, error);
  if (error) {
    std::fprintf(stderr, "mesh-proxy: descriptor %d is no stream socket: %s\n", options.config_fd,
                 error.message().c_str());
  }
  base::Result<void> ready;
  if (options.forward_proxy_fd >= 0) ready = proxy.serve_forward(options.forward_proxy_fd);
  if (ready && options.metrics_fd >= 0) ready = proxy.serve_metrics(options.metrics_fd);
  if (!ready) std::fprintf(stderr, "mesh-proxy: %s\n", ready.error().message.c_str());
  const bool good = ready && !error;
  if (!good) channel.close(error);  // then everything ends at once, in the same way
  std::exception_ptr failure;
  asio::co_spawn(context, run(std::move(channel), proxy), [&failure](std::exception_ptr e) { failure = e; });
  context.run();
  return good && !failure ? 0 : 1;
}

}  // namespace serin::local
