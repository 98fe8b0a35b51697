#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "http/server.h"
#include "kube/cache.h"
#include "kube/rest_api.h"

namespace serin::kube {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

std::string line(std::string_view type, std::string_view name, int version) {
  return R"({"type":")" + std::string(type) + R"(","object":{"metadata":{"namespace":"test","name":")" +
         std::string(name) + R"(","uid":"u","resourceVersion":")" + std::to_string(version) + "\"}}}\n";
}

/// An API server with one list and one watch, which comes in odd pieces and then stays open.
base::Task<void> serve(http::Request request, http::Responder& responder) {
  if (!request.url.target.contains("watch=true")) {
    http::Response list;
    list.body = R"({"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"namespace":"test","name":"a",)"
                R"("uid":"u","resourceVersion":"1"}}]})";
    co_await responder.send(std::move(list));
    co_return;
  }
  http::Response head;
  co_await responder.start(std::move(head));
  const std::string events = line("ADDED", "b", 6) + line("DELETED", "a", 7) + line("ADDED", "c", 8);
  for (std::size_t at = 0; at < events.size(); at += 37) {
    std::string piece = events.substr(at, 37);
    co_await responder.write(std::move(piece));
  }
  co_await responder.closed();
}

/// Follows the server until the last event has arrived, then cancels everything.
base::Task<void> follow(asio::io_context* context, std::vector<std::string>* seen, std::string* problem) {
  auto server = http::make_server(context->get_executor(), {}, serve, base::Logger());
  auto client = http::make_client(context->get_executor(), {});
  Connection connection;
  connection.server = http::Url::parse("http://127.0.0.1:" + std::to_string((*server)->port())).value();
  base::SystemClock clock;
  base::Random random(1);
  RestApi api(connection, **client, clock, random, {});
  Cache cache(api, clock, random, base::Logger(), resources::pods, {.ns = "test"}, context->get_executor());
  base::Wakeup changed(context->get_executor());
  cache.subscribe([&](const ObjectRef& ref, const Cache::Value&, const Cache::Value& after) {
    seen->push_back((after ? "+" : "-") + ref.name);
    changed.notify();
  });
  base::TaskGroup group(context->get_executor());
  group.spawn((*server)->run());
  group.spawn(cache.run());
  const base::MonoTime deadline = clock.now() + 10s;
  while (seen->size() < 4 && clock.now() < deadline) co_await changed.wait_until(clock, deadline);
  *problem = cache.status().problem;
  group.cancel();
  co_await group.join();
}

TEST(RestLoopback, FollowsARealServer) {
  asio::io_context context;
  std::vector<std::string> seen;
  std::string problem;
  std::exception_ptr failure;
  asio::co_spawn(context, follow(&context, &seen, &problem), [&](std::exception_ptr e) { failure = e; });
  context.run_for(30s);
  if (failure) std::rethrow_exception(failure);
  EXPECT_EQ(seen, (std::vector<std::string>{"+a", "+b", "-a", "+c"}));
  EXPECT_EQ(problem, "");
}

}  // namespace
}  // namespace serin::kube
