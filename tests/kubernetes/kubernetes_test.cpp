/// Plays whole rollouts with the real `serin controller` against a server (make_server()), and compares what
/// it does, event by event and field by field, with what users of the reference know (docs/differences.md
/// says where it shall not be the same).
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fstream>
#include <sstream>

#include "base/yaml.h"
#include "kube/rest_api.h"
#include "local/metrics/child.h"
#include "tests/kubernetes/account.h"
#include "tests/kubernetes/scenarios.h"
#include "tests/kubernetes/server.h"

namespace serin::kubernetes_test {
namespace {

namespace asio = boost::asio;
namespace resources = kube::resources;
using base::fail;
using base::Json;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

// --- The performance: one control plane, one controller, all scenarios at once.

/// What the performance leaves for the tests to look at.
struct Report {
  std::string trouble;  ///< why it could not begin; empty: it ran
  std::map<std::string, std::vector<std::string>> problems;
  std::map<std::string, std::vector<Event>> events;
  std::vector<std::string> idle_requests;  ///< of the controller, while every canary rested
  std::uint64_t requests = 0;              ///< all of the controller's before
  std::vector<std::string> undeletable;    ///< Canaries that did not go when they were deleted
  std::vector<std::string> forbidden;      ///< of the controller's requests, from first to last
};

/// Where everything is, from the build and the environment.
struct Setting {
  std::filesystem::path serin = SERIN_BINARY;
  std::filesystem::path source = SERIN_SOURCE_DIR;
  std::filesystem::path folder;  ///< for logs and data
};

/// Returns when the API server answers for this kind: a moment after its CRD was accepted.
Task<Result<void>> wait_served(kube::Api* api, base::Clock* clock, Json crd) {
  const Json& spec = crd["spec"];
  const kube::Resource kind{.group = spec["group"].str(),
                            .version = spec["versions"].at(0)["name"].str(),
                            .plural = spec.get("names", "plural").str(),
                            .kind = spec.get("names", "kind").str()};
  for (const base::MonoTime deadline = clock->now() + 30s;;) {
    const Result<kube::List> list = co_await api->list(kind, "", {.limit = 1});
    if (list) co_return Result<void>{};
    if (clock->now() > deadline) co_return fail(list.error().within(kind.kind));
    co_await clock->sleep_for(50ms);
  }
}

Task<Result<void>> apply_crds(kube::Api* api, base::Clock* clock, std::filesystem::path folder) {
  std::vector<Json> crds;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
    if (file.path().extension() != ".yaml") continue;
    const Result<Objects> objects = read_objects(file.path());
    if (!objects) co_return fail(objects.error());
    for (const auto& [name, crd] : *objects) crds.push_back(crd);
  }
  for (const Json& crd : crds) {
    const Result<Json> made = co_await api->create(resources::crds, "", crd, {});
    if (!made) co_return fail(made.error().within(kube::name_of(crd)));
  }
  for (const Json& crd : crds) {
    Result<void> served = co_await wait_served(api, clock, crd);
    if (!served) co_return served;
  }
  co_return Result<void>{};
}

/// One performance, from the first process to the last.
class Performance {
 public:
  Performance(Setting setting, asio::io_context& context)
      : setting_(std::move(setting)),
        executor_(context.get_executor()),
        random_(base::Random::from_system()),
        server_(make_server({setting_.folder, executor_, clock_, random_})),
        receiver_(clock_, executor_),
        spawner_(local::make_spawner(executor_)),
        services_(executor_) {}

  Task<void> run(Report* report) {
    const Result<void> ready = co_await prepare();
    if (!ready) {
      report->trouble = ready.error().message;
    } else {
      co_await play(report);
      co_await stay_idle(report);
      report->undeletable = co_await delete_canaries();
      report->forbidden = server_->forbidden();
    }
    co_await server_->stop();
    services_.cancel();
    co_await services_.join();
  }

 private:
  Task<Result<void>> prepare() {
    Result<void> done = co_await server_->start();
    if (!done) co_return done;
    done = co_await apply_crds(&server_->api(), &clock_, setting_.source / "deploy/crds");
    if (!done) co_return done;
    done = start_services();
    if (!done) co_return done;
    done = co_await node_->join_cluster();
    if (!done) co_return done;
    std::filesystem::path kubeconfig = server_->kubeconfig();
    if (server_->has_roles()) {
      Result<std::filesystem::path> account =
          co_await install_account(&server_->api(), setting_.source / "deploy/controller", kubeconfig);
      if (!account) co_return fail(account.error());
      kubeconfig = std::move(*account);
    } else {
      Json ns = Json::object({{"metadata", Json::object({{"name", "flagger-system"}})}});
      const Result<Json> made = co_await server_->api().create(resources::namespaces, "", std::move(ns), {});
      if (!made) co_return fail(made.error());
    }
    co_return start_controller(kubeconfig);
  }

  Result<void> start_services() {
    auto metrics = http::make_server(
        executor_, {},
        [this](http::Request request, http::Responder& responder) {
          return metrics_.serve(std::move(request), responder);
        },
        base::Logger());
    auto hooks = http::make_server(
        executor_, {},
        [this](http::Request request, http::Responder& responder) {
          return receiver_.serve(std::move(request), responder);
        },
        base::Logger());
    if (!metrics) return fail(metrics.error());
    if (!hooks) return fail(hooks.error());
    metrics_server_ = std::move(*metrics);
    hook_server_ = std::move(*hooks);
    node_ = std::make_unique<NodeStandIn>(server_->api(), clock_, random_, executor_);
    services_.spawn(metrics_server_->run());
    services_.spawn(hook_server_->run());
    services_.spawn(node_->run());
    return {};
  }

  Result<void> start_controller(const std::filesystem::path& kubeconfig) {
    const auto port = free_ports(1);
    if (!port) return fail(port.error());
    auto child = spawner_->spawn(
        {setting_.serin.string(), "controller", "-kubeconfig", kubeconfig.string(), "-mesh-provider=linkerd",
         "-enable-leader-election", "-leader-election-namespace=flagger-system",
         fmt::format("-metrics-server=http://127.0.0.1:{}", metrics_server_->port()),
         fmt::format("-event-webhook=http://127.0.0.1:{}/events", hook_server_->port()), "-port",
         std::to_string(port->front())},
        setting_.folder / "controller.log");
    if (!child) return fail(child.error());
    controller_ = std::move(*child);
    return {};
  }

  Task<void> play(Report* report) {
    const Theatre theatre{.api = server_->api(),
                          .clock = clock_,
                          .metrics = metrics_,
                          .receiver = receiver_,
                          .webhooks = fmt::format("127.0.0.1:{}", hook_server_->port()),
                          .prometheus = fmt::format("http://127.0.0.1:{}", metrics_server_->port()),
                          .files = setting_.source / "tests/kubernetes"};
    std::vector<std::unique_ptr<Stage>> stages;
    base::TaskGroup plays(executor_);
    for (const Scenario& scenario : scenarios()) {
      Stage& stage = *stages.emplace_back(std::make_unique<Stage>(theatre, scenario.name));
      plays.spawn(scenario.play(&stage));
    }
    co_await wait_for(&plays);
    for (const auto& stage : stages) {
      report->problems[stage->name()] = stage->problems();
      report->events[stage->name()] = stage->events();
    }
  }

  /// Every scenario ends by itself: each of its steps has a deadline.
  Task<void> wait_for(base::TaskGroup* plays) {
    while (plays->running() > 0) co_await clock_.sleep_for(100ms);
    co_await plays->join();
  }

  /// One analysis interval and more in which nothing happens.
  Task<void> stay_idle(Report* report) {
    co_await clock_.sleep_for(2s);
    const std::map<std::string, std::uint64_t> before = server_->requests();
    co_await clock_.sleep_for(11s);
    for (const auto& [request, count] : before) report->requests += count;
    for (const auto& [request, count] : server_->requests()) {
      const auto asked = before.find(request);
      if (asked == before.end() || count > asked->second) report->idle_requests.push_back(request);
    }
  }

  /// Returns those that are still there after a while.
  Task<std::vector<std::string>> delete_canaries() {
    const Result<kube::List> all = co_await server_->api().list(resources::canaries, "", {});
    if (!all) co_return std::vector{all.error().message};
    for (const Json& canary : all->items)
      co_await server_->api().remove(resources::canaries, kube::namespace_of(canary), kube::name_of(canary),
                                     {});
    std::vector<std::string> left;
    const base::MonoTime deadline = clock_.now() + 60s;
    do {
      co_await clock_.sleep_for(100ms);
      const Result<kube::List> now = co_await server_->api().list(resources::canaries, "", {});
      if (!now) continue;
      left.clear();
      for (const Json& canary : now->items) left.push_back(kube::ref_of(canary).dotted());
    } while (!left.empty() && clock_.now() < deadline);
    co_return left;
  }

  Setting setting_;
  base::Executor executor_;
  base::SystemClock clock_;
  base::Random random_;
  std::unique_ptr<Server> server_;
  MetricsStandIn metrics_;
  WebhookReceiver receiver_;
  std::unique_ptr<local::Spawner> spawner_;
  std::unique_ptr<http::Server> metrics_server_, hook_server_;
  std::unique_ptr<NodeStandIn> node_;
  std::unique_ptr<local::Child> controller_;
  base::TaskGroup services_;
};

Setting setting_here() {
  Setting setting;
  std::string folder = (std::filesystem::temp_directory_path() / "serin-kubernetes-XXXXXX").string();
  if (::mkdtemp(folder.data()) != nullptr) setting.folder = folder;
  return setting;
}

class KubernetesTest : public testing::Test {
 public:
  static void SetUpTestSuite() {
    const Setting setting = setting_here();
    folder_ = setting.folder;
    asio::io_context context;
    Performance performance(setting, context);
    std::exception_ptr failure;
    asio::co_spawn(context, performance.run(&report_), [&](std::exception_ptr e) { failure = e; });
    context.run();
    if (failure) std::rethrow_exception(failure);
  }

  static void TearDownTestSuite() {
    if (testing::UnitTest::GetInstance()->Failed()) {
      fmt::print("logs and data are kept in {}\n", folder_.string());
    } else {
      std::filesystem::remove_all(folder_);
    }
  }

 protected:
  void SetUp() override { ASSERT_EQ(report_.trouble, ""); }

  static void expect_no_problems(const std::string& scenario) {
    EXPECT_EQ(fmt::format("{}", fmt::join(report_.problems.at(scenario), "\n")), "");
  }

  static base::MonoTime when(const std::string& scenario, std::string_view text) {
    for (const Event& event : report_.events.at(scenario)) {
      if (event.message.contains(text)) return event.at;
    }
    ADD_FAILURE() << scenario << ": no event: " << text;
    return {};
  }

  static Report report_;
  static std::filesystem::path folder_;
};
Report KubernetesTest::report_;
std::filesystem::path KubernetesTest::folder_;

TEST_F(KubernetesTest, Promote) {
  expect_no_problems("promote");
}
TEST_F(KubernetesTest, RollbackErrors) {
  expect_no_problems("rollback-errors");
}
TEST_F(KubernetesTest, Custom404) {
  expect_no_problems("custom-404");
}
TEST_F(KubernetesTest, RestartMidway) {
  expect_no_problems("restart-midway");
}
TEST_F(KubernetesTest, ConfigChange) {
  expect_no_problems("config-change");
}
TEST_F(KubernetesTest, RevertDelete) {
  expect_no_problems("revert-delete");
}
TEST_F(KubernetesTest, Skip) {
  expect_no_problems("skip");
}
TEST_F(KubernetesTest, Gates) {
  expect_no_problems("gates");
}
TEST_F(KubernetesTest, BlueGreen) {
  expect_no_problems("bluegreen");
}
TEST_F(KubernetesTest, DaemonSet) {
  expect_no_problems("daemonset");
}
TEST_F(KubernetesTest, GatewayApi) {
  expect_no_problems("gatewayapi");
}
TEST_F(KubernetesTest, AbTestByNginx) {
  expect_no_problems("abtest-nginx");
}
TEST_F(KubernetesTest, Keda) {
  expect_no_problems("keda");
}

/// Three intervals, the drain period of 3 s, the primary's rollout (it is ready after 0.3 s and available
/// after its minReadySeconds of 1 s), and 1 s for everything else.
TEST_F(KubernetesTest, PromotionTakesItsIntervals) {
  const base::Duration took = when("promote", "Promotion completed") - when("promote", "canary weight 20");
  EXPECT_GE(took, 33s);
  EXPECT_LE(took, 33s + 1300ms + 1s);
}

TEST_F(KubernetesTest, RestingCanariesCostNoRequests) {
  EXPECT_GT(report_.requests, 100u);
  EXPECT_EQ(fmt::format("{}", fmt::join(report_.idle_requests, "\n")), "");
}

TEST_F(KubernetesTest, EveryCanaryCanBeDeleted) {
  EXPECT_EQ(fmt::format("{}", fmt::join(report_.undeletable, "\n")), "");
}

/// The controller has no rights but those of deploy/controller.
TEST_F(KubernetesTest, NothingItAsksForIsForbidden) {
  EXPECT_EQ(fmt::format("{}", fmt::join(report_.forbidden, "\n")), "");
}

}  // namespace
}  // namespace serin::kubernetes_test
