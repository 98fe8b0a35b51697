#include "tests/simulation/simulation.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "kube/authorized_api_for_tests.h"

namespace serin::simulation {

namespace res = kube::resources;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view crd_template = R"(
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

constexpr std::string_view deployment = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: podinfo, labels: {app: podinfo}}
spec:
  replicas: 2
  selector: {matchLabels: {app: podinfo}}
  template:
    metadata: {labels: {app: podinfo}}
    spec: {containers: [{name: podinfod, image: "podinfo:6.0.0"}]}
)";

constexpr std::string_view canary = R"(
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  progressDeadlineSeconds: 60
  service: {port: 9898}
  analysis:
    interval: 10s
    threshold: 3
    maxWeight: 60
    stepWeight: 20
    webhooks: [{name: acceptance-test, type: pre-rollout, url: "http://hooks.test/"}]
    metrics: [{name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}]
)";

}  // namespace

/// One life of the controller process.
struct Simulation::Incarnation final : controller::Analyst,
                                       controller::Caller,
                                       controller::Announcer,
                                       controller::Meter {
  Incarnation(Simulation& s, int dies_at)
      : sim(s),
        executor(s.cluster.world.context.get_executor()),
        life(executor, dies_at, s.death_),
        authorized(*s.cluster.api, kube::testing::Rights(SERIN_CONTROLLER_ROLE)),
        api(
            authorized, life, [&s] { s.check_rules(); }, s.plan_.reroutes_late),
        world(api, s.cluster.world.clock, random, base::Logger(), executor, ""),
        configs(world),
        shared{world, configs, *this, *this, *this, *this, s.cluster.world.clock, {}, "linkerd", 3s},
        controller(shared, {}, base::Logger(), executor),
        tasks(executor) {
    tasks.spawn(world.run());
    tasks.spawn(controller.run());
  }
  ~Incarnation() override { EXPECT_THAT(authorized.refused, testing::IsEmpty()); }

  base::Task<base::Result<void>> check_providers(canary::Spec) override {
    co_await life.pass("check providers");
    co_return base::Result<void>();
  }
  base::Task<canary::CheckReply> evaluate(canary::Spec) override {
    co_await life.pass("evaluate");
    const std::string text = sim.check();
    canary::CheckReply reply;
    reply.passed = text.empty();
    if (!reply.passed) reply.texts.push_back(text);
    co_return reply;
  }
  base::Task<base::Result<void>> call(canary::Spec, canary::CallHook call) override {
    co_await life.pass("hook " + call.hook.name);
    co_return base::Result<void>();
  }
  void announce(const Json&, const canary::Spec&, const canary::Announce& event,
                controller::Delivery delivery) override {
    if (life.over() || sim.has_heard(delivery.id)) return;
    const bool normal = event.kind == canary::Announce::Kind::normal;
    sim.events.push_back(
        fmt::format("{} {} {}", normal ? "Normal" : "Warning", canary::name_of(event.phase), event.text));
  }
  void note(const canary::Spec&, const canary::Note&) override {}
  void alert(const canary::Spec&, const canary::Alert& alert, controller::Delivery delivery) override {
    if (life.over() || sim.has_heard(delivery.id)) return;
    sim.alerts.push_back(alert.text);
  }
  void status(const canary::Spec&, canary::Phase) override {}
  void weight(const canary::Spec&, canary::Routes) override {}
  void judged(const canary::Spec&, base::Duration) override {}
  void outcome(const canary::Spec&, const canary::CountOutcome&) override {}
  void gone(const canary::Spec&) override {}

  Simulation& sim;
  base::Executor executor;
  base::Random random{7};
  Life life;
  kube::testing::AuthorizedApi authorized;  ///< with the rights of deploy/controller/role.yaml
  MortalApi api;
  controller::World world;
  controller::ConfigTracker configs;
  controller::Shared shared;
  controller::Controller controller;
  base::TaskGroup tasks;
};

Simulation::Simulation(Plan plan)
    : plan_(plan),
      death_(cluster.world.context.get_executor()),
      keeper_(cluster.world.context.get_executor()) {
  for (const auto& [plural, group, kind, version] :
       {std::tuple("canaries", "flagger.app", "Canary", "v1beta1"),
        std::tuple("trafficsplits", "split.smi-spec.io", "TrafficSplit", "v1alpha1")}) {
    cluster.create_yaml(res::crds, "", fmt::format(crd_template, plural, group, kind, version));
  }
  cluster.settle(1s);
  start_controller(-1);
  keeper_.spawn(keep_one_alive());
}

Simulation::~Simulation() {
  keeper_.cancel();
  cluster.world.run(keeper_.join());
  stop_controller();
}

void Simulation::start_controller(int dies_at) {
  now_ = std::make_unique<Incarnation>(*this, dies_at);
}

void Simulation::stop_controller() {
  now_->tasks.cancel();
  cluster.world.run(now_->tasks.join());
}

base::Task<void> Simulation::keep_one_alive() {
  while (true) {
    co_await death_.wait();
    if (!now_->life.over()) continue;
    last_words_ = now_->life.last();
    points_ = now_->life.points();
    now_->tasks.cancel();
    co_await now_->tasks.join();
    start_controller(-1);
  }
}

bool Simulation::has_heard(const std::string& id) {
  return !id.empty() && !heard_.insert(id).second;
}

void Simulation::make_unreadable(const std::string& plural) {
  now_->api.unreadable = plural;
}

void Simulation::bootstrap(const std::function<void(Json&)>& change) {
  cluster.create_yaml(res::deployments, "default", deployment);
  cluster.settle(2s);
  Json made = base::parse_yaml(canary).value().at(0);
  if (change) change(made);
  cluster.create(res::canaries, "default", made);
  EXPECT_TRUE(reaches("Initialized"));
  cluster.settle(1s);
  // The points of the story count from here.
  stop_controller();
  start_controller(plan_.dies_at);
  cluster.settle(1s);
  events.clear();
  alerts.clear();
}

void Simulation::set_image(const std::string& tag) {
  const Json patch = Json::array({Json::object(
      {{"op", "replace"}, {"path", "/spec/template/spec/containers/0/image"}, {"value", "podinfo:" + tag}})});
  const auto patched = cluster.world.get(
      cluster.api->patch(res::deployments, "default", "podinfo", kube::PatchType::json, patch, "", {}));
  EXPECT_TRUE(patched) << (patched ? "" : patched.error().message);
}

bool Simulation::reaches(const std::string& phase, base::Duration within) {
  const base::MonoTime end = cluster.world.clock.now() + within;
  while (cluster.world.clock.now() < end) {
    if (get(res::canaries, "podinfo").get("status", "phase").str() == phase) return true;
    cluster.settle(200ms);
  }
  return false;
}

Json Simulation::get(const kube::Resource& resource, const std::string& name) {
  return cluster.get(resource, "default", name);
}

int Simulation::points() const {
  return points_ >= 0 ? points_ : now_->life.points();
}

std::vector<std::string> Simulation::texts() const {
  std::vector<std::string> texts;
  for (const std::string& event : events) {
    if (event.find("not ready") == std::string::npos)
      texts.push_back(event.substr(event.find(' ', event.find(' ') + 1) + 1));
  }
  return texts;
}

std::string Simulation::trace() {
  std::string text = fmt::format("{}\n", fmt::join(events, "\n"));
  for (const kube::Resource& resource :
       {res::canaries, res::deployments, res::services, res::trafficsplits_v1alpha1}) {
    for (const Json& object : cluster.list(resource, "default")) text += object.dump() + "\n";
  }
  return text;
}

void Simulation::check_rules() {
  const auto read = [&](const kube::Resource& resource) {
    const auto object = cluster.registry->get(resource, {"default", "podinfo"});
    return object ? **object : Json();
  };
  const Json split = read(res::trafficsplits_v1alpha1), target = read(res::deployments);
  if (split.is_null()) return;
  const auto weight = [&](std::size_t i) {
    return std::atoi(split.get("spec", "backends").at(i)["weight"].str().c_str());
  };
  if (weight(0) + weight(1) != 100) violations.push_back("weights do not add up to 100");
  if (weight(0) > 0 && target.get("spec", "replicas") == Json(0)) {
    violations.push_back(fmt::format("the target has no replicas but {} % of the traffic", weight(0)));
  }
}

}  // namespace serin::simulation
