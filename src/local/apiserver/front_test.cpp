#include "local/apiserver/front.h"

#include <gmock/gmock.h>

#include "kube/virtual_time_for_tests.h"
#include "local/apiserver/registry_for_tests.h"

namespace serin::local {
namespace {

using base::Result;
using base::Task;
using testing::yaml;
namespace res = kube::resources;

/// Keeps an answer; the client stays until `leave` is called.
class FakeResponder final : public http::Responder {
 public:
  explicit FakeResponder(base::Executor executor) : gone_(std::move(executor)) {}

  Task<Result<void>> send(http::Response response) override {
    head = std::move(response);
    co_return Result<void>();
  }
  Task<Result<void>> start(http::Response response) override {
    head = std::move(response);
    co_return Result<void>();
  }
  Task<Result<void>> write(std::string piece) override {
    body += piece;
    co_return Result<void>();
  }
  Task<Result<void>> finish() override {
    finished = true;
    co_return Result<void>();
  }
  Task<Result<std::unique_ptr<http::Duplex>>> upgrade(http::Response) override {
    co_return base::fail(base::Errc::internal, "no upgrades here");
  }
  void abandon() override { abandoned = true; }
  Task<void> closed() override { co_await gone_.wait(); }
  const http::Peer& peer() const override { return peer_; }

  void leave() { gone_.notify(); }

  http::Response head{.status = 0};
  std::string body;
  bool finished = false;
  bool abandoned = false;
  http::Peer peer_{.address = "127.0.0.1"};

 private:
  base::Wakeup gone_;
};

class FakeLog final : public LogStream {
 public:
  Task<Result<std::optional<std::string>>> next() override {
    if (sent_) co_return std::nullopt;
    sent_ = true;
    co_return "one\ntwo\n";
  }

 private:
  bool sent_ = false;
};

class FakeNode final : public NodeApi {
 public:
  Task<Result<std::unique_ptr<LogStream>>> logs(ContainerRef container, LogOptions options) override {
    asked = container.ns + "/" + container.pod + "/" + container.container +
            (options.tail_lines ? " tail " + std::to_string(*options.tail_lines) : "");
    co_return std::make_unique<FakeLog>();
  }
  Task<Result<void>> exec(ExecRequest, ExecSession&) override { co_return Result<void>(); }
  Task<Result<void>> attach(ExecRequest, ExecSession&) override { co_return Result<void>(); }
  Task<Result<std::unique_ptr<PortStream>>> dial(std::string, std::string, std::uint16_t) override {
    co_return base::fail(base::Errc::unavailable, "no ports here");
  }

  std::string asked;
};

struct FrontTest : ::testing::Test {
  http::Request request(std::string target, std::string token = "secret") {
    http::Request made;
    made.url.target = std::move(target);
    made.headers.set("User-Agent", "kubectl/v1.32 (linux)");
    if (!token.empty()) made.headers.set("Authorization", "Bearer " + token);
    return made;
  }
  void ask(http::Request asked) { world.run(front.handle(std::move(asked), responder)); }

  kube::testing::World world;
  base::Random random{1};
  MemoryStore store;
  std::unique_ptr<Registry> registry = std::move(*Registry::open(store, world.clock, random, {}));
  FakeNode node;
  Front front{
      world.context.get_executor(), *registry, world.clock, random, {.tokens = {"secret"}, .node = &node}};
  FakeResponder responder{world.context.get_executor()};
};

TEST_F(FrontTest, LetsOnlyKnownUsersIn) {
  ask(request("/api/v1/pods", ""));
  EXPECT_EQ(responder.head.status, 401);
  ask(request("/api/v1/pods", "guess!"));
  EXPECT_EQ(responder.head.status, 401);
  ask(request("/readyz", ""));
  EXPECT_EQ(responder.head.status, 200);
  ask(request("/api/v1/pods"));
  EXPECT_EQ(responder.head.status, 200);
  responder.peer_.certificate_subject = "CN=admin,O=system:masters";
  ask(request("/api/v1/pods", ""));
  EXPECT_EQ(responder.head.status, 200);
  ask(request("/api/v1/nothings"));
  EXPECT_EQ(responder.head.status, 404);
}

TEST_F(FrontTest, CountsRequests) {
  for (int i = 0; i < 3; ++i) ask(request("/apis/apps/v1/namespaces/default/deployments"));
  const std::vector<RequestCount> counts = front.request_counts();
  ASSERT_EQ(counts.size(), 1u);
  EXPECT_EQ(counts[0].agent, "kubectl/v1.32");
  EXPECT_EQ(counts[0].verb, "list");
  EXPECT_EQ(counts[0].resource, "deployments.apps");
  EXPECT_EQ(counts[0].count, 3u);
}

Task<void> change_then_leave(FrontTest& test) {
  co_await test.world.clock.sleep_for(std::chrono::seconds(70));
  (void)test.registry->create(res::configmaps, "default", yaml("{metadata: {name: c}}"), {});
  co_await test.world.clock.sleep_for(std::chrono::seconds(1));
  test.responder.leave();
}

Task<void> watch_while_changing(FrontTest& test, http::Request asked) {
  base::TaskGroup group(test.world.context.get_executor());
  group.spawn(change_then_leave(test));
  co_await test.front.handle(std::move(asked), test.responder);
  co_await group.join();
}

TEST_F(FrontTest, StreamsAWatchUntilTheClientLeaves) {
  world.run(watch_while_changing(*this, request("/api/v1/configmaps?watch=true&allowWatchBookmarks=true")));
  EXPECT_TRUE(responder.finished);
  EXPECT_LT(world.clock.now(), base::MonoTime{} + std::chrono::minutes(2));
  EXPECT_EQ(responder.body.substr(0, 19), "{\"type\":\"BOOKMARK\",");
  EXPECT_NE(responder.body.find("\n{\"type\":\"ADDED\",\"object\":{"), std::string::npos) << responder.body;
}

TEST_F(FrontTest, EndsAWatchAtItsTime) {
  ask(request("/api/v1/configmaps?watch=true&timeoutSeconds=7"));
  EXPECT_TRUE(responder.finished);
  EXPECT_EQ(world.clock.now(), base::MonoTime{} + std::chrono::seconds(7));
}

Task<void> watch_until_the_server_ends(FrontTest& test, http::Request asked) {
  base::TaskGroup group(test.world.context.get_executor());
  group.spawn(test.front.handle(std::move(asked), test.responder));
  co_await test.world.clock.sleep_for(std::chrono::seconds(1));
  group.cancel();
  co_await group.join();
}

TEST_F(FrontTest, DropsAWatchQuietlyWhenTheServerEnds) {
  world.run(watch_until_the_server_ends(*this, request("/api/v1/configmaps?watch=true")));
  EXPECT_EQ(responder.head.status, 200);
  EXPECT_TRUE(responder.abandoned);
  EXPECT_FALSE(responder.finished);
}

TEST_F(FrontTest, SaysInTheStreamThatARevisionIsTooOld) {
  registry = std::move(*Registry::open(store, world.clock, random, {}));
  Front restarted{world.context.get_executor(), *registry, world.clock, random, {.tokens = {"secret"}}};
  world.run(restarted.handle(request("/api/v1/configmaps?watch=true&resourceVersion=1"), responder));
  EXPECT_EQ(responder.head.status, 200);
  EXPECT_EQ(responder.body.substr(0, 15), "{\"type\":\"ERROR\"");
  EXPECT_NE(responder.body.find("\"code\":410"), std::string::npos);
}

TEST_F(FrontTest, PassesLogsOn) {
  const char* pod =
      "{metadata: {name: p}, spec: {nodeName: n, containers: [{name: a, image: b}, {name: c, image: d}]}}";
  ASSERT_TRUE(registry->create(res::pods, "default", yaml(pod), {}));
  ask(request("/api/v1/namespaces/default/pods/p/log?container=c&tailLines=5"));
  EXPECT_EQ(node.asked, "default/p/c tail 5");
  EXPECT_EQ(responder.body, "one\ntwo\n");
  EXPECT_TRUE(responder.finished);
  ask(request("/api/v1/namespaces/default/pods/p/log"));
  EXPECT_EQ(responder.head.status, 400);
  EXPECT_NE(responder.head.body.find("a container name must be specified for pod p, choose one of: [a c]"),
            std::string::npos);
  ask(request("/api/v1/namespaces/default/pods/p/exec?command=ls&container=a"));
  EXPECT_EQ(responder.head.status, 501);
}

}  // namespace
}  // namespace serin::local
