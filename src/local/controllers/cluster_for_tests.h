#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "base/yaml.h"
#include "kube/virtual_time_for_tests.h"
#include "local/apiserver/in_process_api.h"
#include "local/controllers/controllers.h"
#include "local/controllers/objects.h"

namespace serin::local::testing {

using namespace std::chrono_literals;
namespace res = kube::resources;

struct FakeMetrics final : PodMetrics {
  std::map<kube::ObjectRef, PodUsage> by_pod;
  std::optional<PodUsage> everyone;
  std::optional<PodUsage> usage(const kube::ObjectRef& pod) const override {
    const auto found = by_pod.find(pod);
    return found == by_pod.end() ? everyone : found->second;
  }
};

/// The API as the controllers see it: counts their requests, and can refuse to create a kind of object.
class CountedApi final : public kube::Api {
 public:
  explicit CountedApi(kube::Api& api) : api_(api) {}
  int requests = 0;
  std::string refused;  ///< plural

  base::Task<base::Result<Json>> get(kube::Resource r, std::string ns, std::string name) override {
    ++requests;
    return api_.get(r, ns, name);
  }
  base::Task<base::Result<kube::List>> list(kube::Resource r, std::string ns, kube::ListOptions o) override {
    ++requests;
    return api_.list(r, ns, o);
  }
  base::Task<base::Result<std::unique_ptr<kube::Watch>>> watch(kube::Resource r, std::string ns,
                                                               std::string version,
                                                               kube::ListOptions o) override {
    ++requests;
    return api_.watch(r, ns, version, o);
  }
  base::Task<base::Result<Json>> create(kube::Resource r, std::string ns, Json object,
                                        kube::WriteOptions o) override {
    ++requests;
    return r.plural == refused ? refuse() : api_.create(r, ns, object, o);
  }
  base::Task<base::Result<Json>> replace(kube::Resource r, Json object, std::string sub,
                                         kube::WriteOptions o) override {
    ++requests;
    return api_.replace(r, object, sub, o);
  }
  base::Task<base::Result<Json>> patch(kube::Resource r, std::string ns, std::string name,
                                       kube::PatchType type, Json patch, std::string sub,
                                       kube::WriteOptions o) override {
    ++requests;
    return api_.patch(r, ns, name, type, patch, sub, o);
  }
  base::Task<base::Result<void>> remove(kube::Resource r, std::string ns, std::string name,
                                        kube::DeleteOptions o) override {
    ++requests;
    return api_.remove(r, ns, name, o);
  }
  base::Task<base::Result<Json>> get_path(std::string path) override {
    ++requests;
    return api_.get_path(path);
  }

 private:
  static base::Task<base::Result<Json>> refuse() {
    co_return base::fail(base::Errc::forbidden, "exceeded quota");
  }
  kube::Api& api_;
};

/// A cluster in virtual time: the real registry, the controllers, and a node that marks pods ready.
class Cluster {
 public:
  explicit Cluster(ControllerOptions options = {}) {
    registry = std::move(Registry::open(store, world.clock, random, {}).value());
    api = std::make_unique<InProcessApi>(world.context.get_executor(), *registry, world.clock);
    counted = std::make_unique<CountedApi>(*api);
    controllers = std::make_unique<Controllers>(*counted, world.clock, random, base::Logger(), metrics,
                                                world.context.get_executor(), std::move(options));
    tasks.spawn(controllers->run());
    tasks.spawn(run_node());
    settle(1ms);
  }
  ~Cluster() {
    tasks.cancel();
    world.run(tasks.join());
  }

  /// Lets the world run for so long.
  void settle(base::Duration time = 5s) { world.run(world.clock.sleep_for(time)); }

  Json create(const kube::Resource& resource, const std::string& ns, const Json& object) {
    auto created = world.get(api->create(resource, ns, object, {}));
    EXPECT_TRUE(created) << (created ? "" : created.error().message);
    return created.value_or(Json());
  }
  Json create_yaml(const kube::Resource& resource, const std::string& ns, std::string_view yaml) {
    return create(resource, ns, base::parse_yaml(yaml).value().at(0));
  }
  Json get(const kube::Resource& resource, const std::string& ns, const std::string& name) {
    return world.get(api->get(resource, ns, name)).value_or(Json());
  }
  std::vector<Json> list(const kube::Resource& resource, const std::string& ns) {
    auto listed = world.get(api->list(resource, ns, {}));
    return listed ? listed->items : std::vector<Json>{};
  }
  void merge(const kube::Resource& resource, const std::string& ns, const std::string& name,
             const char* yaml) {
    auto patched = world.get(
        api->patch(resource, ns, name, kube::PatchType::merge, base::parse_yaml(yaml).value().at(0), "", {}));
    EXPECT_TRUE(patched) << (patched ? "" : patched.error().message);
  }
  void remove(const kube::Resource& resource, const std::string& ns, const std::string& name,
              kube::DeleteOptions options = {}) {
    auto removed = world.get(api->remove(resource, ns, name, std::move(options)));
    EXPECT_TRUE(removed) << (removed ? "" : removed.error().message);
  }
  std::vector<std::string> event_messages(const std::string& ns, const std::string& reason) {
    std::vector<std::string> messages;
    for (const Json& event : list(res::events, ns)) {
      if (event["reason"].str() == reason) messages.push_back(event["message"].str());
    }
    std::ranges::sort(messages);
    return messages;
  }
  std::uint64_t revision() const { return registry->revision(); }

  kube::testing::World world;
  base::Random random{42};
  MemoryStore store;
  FakeMetrics metrics;
  base::Duration ready_after = 300ms;
  bool pods_become_ready = true;
  /// Called after each look of the node.
  std::function<void(const std::vector<Json>& pods)> observe_pods;
  std::unique_ptr<Registry> registry;
  std::unique_ptr<InProcessApi> api;
  std::unique_ptr<CountedApi> counted;
  std::unique_ptr<Controllers> controllers;
  base::TaskGroup tasks{world.context.get_executor()};

 private:
  /// Looks every 100 ms; a test's node may poll.
  base::Task<void> run_node() {
    while (true) {
      co_await world.clock.sleep_for(100ms);
      const auto pods = co_await api->list(res::pods, "", {});
      if (!pods) continue;
      for (const Json& pod : pods->items) co_await run_pod(pod);
      if (observe_pods) observe_pods(pods->items);
    }
  }

  base::Task<void> run_pod(Json pod) {
    const kube::ObjectRef ref = kube::ref_of(pod);
    if (kube::is_being_deleted(pod)) {
      kube::DeleteOptions now;
      now.grace_seconds = 0;
      const auto removed = co_await api->remove(res::pods, ref.ns, ref.name, now);
      (void)removed;
      co_return;
    }
    const base::WallTime time = world.clock.wall_now();
    if (pod.get("status", "phase").str() != "Running") {
      if (pod.get("spec", "nodeName").str().empty()) {
        const Json binding = base::Json::object({{"spec", Json::object({{"nodeName", "local"}})}});
        const auto bound =
            co_await api->patch(res::pods, ref.ns, ref.name, kube::PatchType::merge, binding, "", {});
        (void)bound;
      }
      started_[ref] = time;
      co_await set_status(ref, "False");
    } else if (!is_ready(pod) && pods_become_ready && time - started_[ref] >= ready_after) {
      co_await set_status(ref, "True");
    }
  }

  base::Task<void> set_status(kube::ObjectRef ref, std::string ready) {
    const std::string now = time_text(world.clock.wall_now());
    Json condition = Json::object({{"type", "Ready"}, {"status", ready}, {"lastTransitionTime", now}});
    Json status = Json::object({{"phase", "Running"},
                                {"podIP", "10.244.0." + std::to_string(2 + ip_++ % 200)},
                                {"startTime", time_text(started_[ref])},
                                {"conditions", Json::array({std::move(condition)})}});
    const Json patch = Json::object({{"status", std::move(status)}});
    const auto patched =
        co_await api->patch(res::pods, ref.ns, ref.name, kube::PatchType::merge, patch, "status", {});
    (void)patched;
  }

  std::map<kube::ObjectRef, base::WallTime> started_;
  int ip_ = 0;
};

inline constexpr const char* podinfo_yaml = R"(
apiVersion: apps/v1
kind: Deployment
metadata:
  name: podinfo
  labels: {app: podinfo}
  annotations: {note: x}
spec:
  replicas: 2
  minReadySeconds: 1
  progressDeadlineSeconds: 60
  revisionHistoryLimit: 1
  selector: {matchLabels: {app: podinfo}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1}}
  template:
    metadata: {labels: {app: podinfo}}
    spec:
      containers:
      - name: podinfod
        image: podinfo:6.0.0
        ports: [{name: http, containerPort: 9898}]
        resources: {requests: {cpu: 100m, memory: 64Mi}}
)";

}  // namespace serin::local::testing
