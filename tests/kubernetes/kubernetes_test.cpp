/// Plays whole rollouts with the real `serin controller` against a server (make_server()), and compares what
/// it does, event by event and field by field, with what users of the reference know (docs/differences.md
/// says where it shall not be the same).
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/kubernetes/rig.h"
#include "tests/kubernetes/scenarios.h"

namespace serin::kubernetes_test {
namespace {

namespace asio = boost::asio;
namespace resources = kube::resources;
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
  std::string without_crd;                 ///< what went wrong while Canaries' CRD went and came back
  std::vector<std::string> forbidden;      ///< of the controller's requests, from first to last
};

/// One performance, from the first process to the last.
class Performance {
 public:
  Performance(Setting setting, base::Executor executor)
      : executor_(executor), rig_(std::move(setting), executor) {}

  Task<void> run(Report* report) {
    const Result<void> ready = co_await rig_.start();
    if (!ready) {
      report->trouble = ready.error().message;
    } else {
      co_await play(report);
      co_await stay_idle(report);
      report->undeletable = co_await delete_canaries();
      const Result<void> came_back = co_await lose_and_restore_crd();
      if (!came_back) report->without_crd = came_back.error().message;
      report->forbidden = rig_.server().forbidden();
    }
    co_await rig_.stop();
  }

 private:
  Theatre theatre() {
    return {.api = rig_.api(),
            .clock = rig_.clock(),
            .metrics = rig_.metrics(),
            .receiver = rig_.receiver(),
            .webhooks = rig_.webhooks(),
            .prometheus = rig_.prometheus(),
            .files = rig_.setting().source / "tests/kubernetes"};
  }

  Task<void> play(Report* report) {
    std::vector<std::unique_ptr<Stage>> stages;
    base::TaskGroup plays(executor_);
    for (const Scenario& scenario : scenarios()) {
      Stage& stage = *stages.emplace_back(std::make_unique<Stage>(theatre(), scenario.name));
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
    while (plays->running() > 0) co_await rig_.clock().sleep_for(100ms);
    co_await plays->join();
  }

  /// One analysis interval and more in which nothing happens.
  Task<void> stay_idle(Report* report) {
    co_await rig_.clock().sleep_for(2s);
    const std::map<std::string, std::uint64_t> before = rig_.server().requests();
    co_await rig_.clock().sleep_for(11s);
    for (const auto& [request, count] : before) report->requests += count;
    for (const auto& [request, count] : rig_.server().requests()) {
      const auto asked = before.find(request);
      if (asked == before.end() || count > asked->second) report->idle_requests.push_back(request);
    }
  }

  /// Returns those that are still there after a while.
  Task<std::vector<std::string>> delete_canaries() {
    const Result<kube::List> all = co_await rig_.api().list(resources::canaries, "", {});
    if (!all) co_return std::vector{all.error().message};
    for (const Json& canary : all->items)
      co_await rig_.api().remove(resources::canaries, kube::namespace_of(canary), kube::name_of(canary), {});
    std::vector<std::string> left;
    const base::MonoTime deadline = rig_.clock().now() + 60s;
    do {
      co_await rig_.clock().sleep_for(100ms);
      const Result<kube::List> now = co_await rig_.api().list(resources::canaries, "", {});
      if (!now) continue;
      left.clear();
      for (const Json& canary : now->items) left.push_back(kube::ref_of(canary).dotted());
    } while (!left.empty() && rig_.clock().now() < deadline);
    co_return left;
  }

  /// A Canary at rest, its CRD deleted and made anew, and the Canary made anew (scenario 44).
  Task<Result<void>> lose_and_restore_crd() {
    Stage stage(theatre(), "crd");
    co_await stage.install();
    co_await stage.create("canary.yaml");
    co_await stage.expect_event("Initialization done!");
    const Json crd = co_await remove_crd();
    if (crd.is_null()) co_return base::fail(base::Errc::timeout, "the CRD or its Canaries do not go");
    const Result<Json> target = co_await rig_.api().get(resources::deployments, stage.ns(), "podinfo");
    if (!target) co_return base::fail(target.error());
    if (target->get("status", "readyReplicas").int_or(0) == 0)
      co_return base::fail(base::Errc::internal, "nothing serves while the CRD is absent");
    Result<void> restored = co_await apply_crd(&rig_.api(), &rig_.clock(), crd);
    if (!restored) co_return restored;
    co_await stage.create("canary.yaml");
    co_await stage.expect_event("Initialization done!");
    if (stage.problems().empty()) co_return Result<void>();
    co_return base::fail(base::Errc::internal, fmt::format("{}", fmt::join(stage.problems(), "; ")));
  }

  /// Deletes Canaries' CRD, and returns it as it was; null if it does not go.
  Task<Json> remove_crd() {
    const std::string name = "canaries.flagger.app";
    const Result<Json> crd = co_await rig_.api().get(resources::crds, "", name);
    const Result<void> asked = co_await rig_.api().remove(resources::crds, "", name, {});
    const base::MonoTime deadline = rig_.clock().now() + 60s;
    while (crd && asked && rig_.clock().now() < deadline) {
      const Result<Json> now = co_await rig_.api().get(resources::crds, "", name);
      if (!now && now.error().code == base::Errc::not_found) {
        Json again = *crd;
        again.erase("status");
        again.set("metadata") = Json::object({{"name", name}});
        co_return again;
      }
      co_await rig_.clock().sleep_for(100ms);
    }
    co_return Json();
  }

  base::Executor executor_;
  Rig rig_;
};

Setting setting_here() {
  Setting setting;
  if (const char* bin = ::getenv("SERIN_CONTROL_PLANE_BIN")) setting.control_plane = bin;
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
    Performance performance(setting, context.get_executor());
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
TEST_F(KubernetesTest, StepWeights) {
  expect_no_problems("step-weights");
}
TEST_F(KubernetesTest, BlueGreenOnMesh) {
  expect_no_problems("bluegreen-mesh");
}
TEST_F(KubernetesTest, ProgressDeadline) {
  expect_no_problems("deadline");
}
TEST_F(KubernetesTest, FailedPromotion) {
  expect_no_problems("failed-promotion");
}
TEST_F(KubernetesTest, RevertMidway) {
  expect_no_problems("revert-midway");
}
TEST_F(KubernetesTest, RestartAtGate) {
  expect_no_problems("restart-at-gate");
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

TEST_F(KubernetesTest, CanariesMayLoseTheirCrdAndComeBack) {
  EXPECT_EQ(report_.without_crd, "");
}

/// The controller has no rights but those of deploy/controller.
TEST_F(KubernetesTest, NothingItAsksForIsForbidden) {
  EXPECT_EQ(fmt::format("{}", fmt::join(report_.forbidden, "\n")), "");
}

}  // namespace
}  // namespace serin::kubernetes_test
