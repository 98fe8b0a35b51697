#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <vector>

#include "controller/controller.h"
#include "kube/authorized_api_for_tests.h"
#include "local/controllers/cluster_for_tests.h"

namespace serin::controller::testing {

namespace res = kube::resources;
using namespace std::chrono_literals;

/// KEDA's kind, as the tests' cluster serves it.
inline const kube::Resource scaled_objects{"keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"};

struct StageOptions {
  bool config_tracking = true;
  std::size_t rollouts_max = 0;
};

/// The unmodified controller on a cluster in virtual time with one node; hooks and checks pass. It has the
/// rights that deploy/controller/role.yaml gives it, and a test that needs more fails.
class Stage final : private Analyst, private Caller, private Announcer, private Meter {
 public:
  explicit Stage(StageOptions options = {})
      : configs_(world_, options.config_tracking), fleet_(world_, options.rollouts_max) {
    for (const auto& [plural, group, kind, version] :
         {std::tuple("canaries", "flagger.app", "Canary", "v1beta1"),
          std::tuple("trafficsplits", "split.smi-spec.io", "TrafficSplit", "v1alpha1"),
          std::tuple("scaledobjects", "keda.sh", "ScaledObject", "v1alpha1")}) {
      cluster.create_yaml(res::crds, "", fmt::format(crd, plural, group, kind, version));
    }
    cluster.create_yaml(res::nodes, "", "{metadata: {name: local, labels: {disk: ssd}}}");
    cluster.settle(1s);
    tasks_.spawn(world_.run());
    tasks_.spawn(controller_.run());
  }
  ~Stage() override {
    tasks_.cancel();
    cluster.world.run(tasks_.join());
    EXPECT_THAT(api.refused, ::testing::IsEmpty());
  }

  local::testing::Cluster cluster;
  kube::testing::AuthorizedApi api{*cluster.api, kube::testing::Rights(SERIN_CONTROLLER_ROLE)};
  std::vector<std::string> texts;  ///< of the canary's events
  std::vector<std::string> notes;  ///< in the log
  std::function<void(const std::string& text)> on_event = [](const std::string&) {};

  void create(const kube::Resource& resource, std::string_view yaml) {
    cluster.create_yaml(resource, "default", yaml);
  }
  Json get(const kube::Resource& resource, const std::string& name) {
    return cluster.get(resource, "default", name);
  }
  void merge(const kube::Resource& resource, const std::string& name, const char* yaml) {
    cluster.merge(resource, "default", name, yaml);
  }
  /// Lets the world run until the canary is in this phase; false if it takes longer.
  bool reaches(const std::string& phase, base::Duration within = std::chrono::minutes(10)) {
    const base::MonoTime end = cluster.world.clock.now() + within;
    while (cluster.world.clock.now() < end) {
      if (get(res::canaries, "podinfo").get("status", "phase").str() == phase) return true;
      cluster.settle(200ms);
    }
    return false;
  }
  /// A pod template change: a new revision of podinfo.
  void set_image(const kube::Resource& resource, const std::string& image) {
    const Json patch = Json::array({Json::object(
        {{"op", "replace"}, {"path", "/spec/template/spec/containers/0/image"}, {"value", image}})});
    const auto patched = cluster.world.get(
        cluster.api->patch(resource, "default", "podinfo", kube::PatchType::json, patch, "", {}));
    EXPECT_TRUE(patched) << (patched ? "" : patched.error().message);
  }

 private:
  static constexpr std::string_view crd = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {0}.{1}}}
spec:
  group: {1}
  names: {{plural: {0}, kind: {2}}}
  scope: Namespaced
  versions:
  - name: {3}
    served: true
    storage: true
    subresources: {{status: {{}}}}
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
)";

  base::Task<base::Result<void>> check_providers(canary::Spec) override { co_return base::Result<void>(); }
  base::Task<canary::CheckReply> evaluate(canary::Spec) override { co_return canary::CheckReply(); }
  base::Task<base::Result<void>> call(canary::Spec, canary::CallHook) override {
    co_return base::Result<void>();
  }
  void announce(const Json&, const canary::Spec&, const canary::Announce& event, Delivery) override {
    texts.push_back(event.text);
    on_event(event.text);
  }
  void note(const canary::Spec&, const canary::Note& note) override { notes.push_back(note.text); }
  void alert(const canary::Spec&, const canary::Alert&, Delivery) override {}
  void status(const canary::Spec&, canary::Phase) override {}
  void weight(const canary::Spec&, canary::Routes) override {}
  void judged(const canary::Spec&, base::Duration) override {}
  void outcome(const canary::Spec&, const canary::CountOutcome&) override {}
  void gone(const canary::Spec&) override {}

  base::Executor executor_ = cluster.world.context.get_executor();
  base::Random random_{7};
  World world_{api, cluster.world.clock, random_, base::Logger(), executor_, ""};
  ConfigTracker configs_;
  Fleet fleet_;
  Shared shared_{world_, configs_,  *this, *this, *this, *this,  cluster.world.clock,
                 {},     "linkerd", 3s,    {},    {},    &fleet_};
  Controller controller_{shared_, {}, base::Logger(), executor_};
  base::TaskGroup tasks_{executor_};
};

}  // namespace serin::controller::testing
