#include "controller/actor.h"

#include <fmt/format.h>

#include <algorithm>

#include "controller/commands.h"

namespace serin::controller {
namespace {

constexpr std::string_view finalizer = "finalizer.flagger.app";

bool has_finalizer(const Json& canary) {
  const auto& finalizers = canary.get("metadata", "finalizers").items();
  return std::ranges::find(finalizers, Json(finalizer)) != finalizers.end();
}

}  // namespace

Actor::Actor(Shared& shared, kube::ObjectRef ref, canary::SpecDefaults defaults, base::Executor executor)
    : shared_(shared),
      ref_(std::move(ref)),
      defaults_(defaults),
      wakeup_(std::move(executor)),
      announcements_(shared.announcer, wakeup_) {}

std::string Actor::target() const {
  return spec_.target_kind + "/" + spec_.target_name;
}

void Actor::set_conflict(std::string text) {
  if (std::exchange(conflict_, text) != text) notify();
}

bool Actor::depends_on(const kube::Resource& resource, const std::string& name) const {
  namespace resources = kube::resources;
  if (resource == resources::canaries) return name == ref_.name;
  if (kind_ && resource == kind_->resource() && (name == spec_.target_name || name == spec_.primary_name()))
    return true;
  if (resource == resources::services) {
    return name == spec_.service.name || name == spec_.service.name + "-primary" ||
           name == spec_.service.name + "-canary";
  }
  if (const std::optional<kube::Resource> scaler = workload::scaler_resource(spec_); scaler == resource)
    return name == spec_.autoscaler->name || name == spec_.autoscaler->name + "-primary";
  if (router_) {
    const auto is_it = [&](const routing::ObjectKey& key) {
      return key.resource == resource && key.ref.name == name;
    };
    if (std::ranges::any_of(router_->objects(spec_), is_it)) return true;
  }
  return configs_.contains(resource.plural + "/" + name);
}

base::Task<bool> Actor::follow(kube::Resource resource, World::Value canary) {
  const bool at_once = co_await shared_.world.follow(resource, World::Need::useful);
  if (at_once) co_return true;
  const std::string refusal = shared_.world.refusal(resource);
  if (!refusal.empty() && refusals_.insert(resource.group_resource()).second) {
    const std::string text =
        fmt::format("{} waits for the right to watch {}: {}: give it to the controller's account",
                    spec_.dotted(), resource.group_resource(), refusal);
    shared_.announcer.announce(*canary, spec_, {canary::Announce::Kind::warning, text}, {});
  }
  const bool followed = co_await shared_.world.follow(resource);
  co_return followed;
}

base::Task<std::vector<std::string>> Actor::equip(World::Value canary) {
  namespace resources = kube::resources;
  std::vector<std::string> problems;
  base::Result<std::unique_ptr<workload::Kind>> kind = workload::kind_of(spec_.target_kind);
  if (!kind) problems.push_back(kind.error().message);
  kind_ = kind ? std::move(*kind) : *workload::kind_of("Deployment");
  const std::string& provider = spec_.provider.empty() ? shared_.provider : spec_.provider;
  if (provider_ != provider || routers_.empty()) {
    provider_ = provider;
    base::Result<std::vector<std::unique_ptr<routing::Router>>> routers =
        routing::routers_for(provider, shared_.routing);
    if (!routers) {
      problems.push_back(routers.error().message);
      routers = routing::routers_for("kubernetes", shared_.routing);
      provider_.clear();
    }
    routers_ = std::move(*routers);
  }
  std::vector<kube::Resource> needed = {kind_->resource(), resources::services};
  if (shared_.configs.enabled()) needed.insert(needed.end(), {resources::configmaps, resources::secrets});
  if (const std::optional<kube::Resource> scaler = workload::scaler_resource(spec_))
    needed.push_back(*scaler);
  for (const kube::Resource& resource : needed) co_await follow(resource, canary);
  router_ = nullptr;
  for (const std::unique_ptr<routing::Router>& router : routers_) {
    bool offered = true;
    for (const kube::Resource& resource : router->kinds()) {
      const bool is_its_own = resource == router->kinds().front();
      base::Task<bool> following =
          is_its_own ? follow(resource, canary) : shared_.world.follow(resource, World::Need::useful);
      const bool found = co_await std::move(following);
      offered = offered && (found || !is_its_own);
    }
    if (!offered) continue;
    router_ = router.get();
    break;
  }
  if (!router_) router_ = routers_.front().get();
  std::ranges::copy(router_->problems(spec_), std::back_inserter(problems));
  co_return problems;
}

base::Task<void> Actor::run() {
  while (true) {
    const World::Value canary = shared_.world.find(kube::resources::canaries, ref_);
    if (!canary) {
      shared_.meter.gone(spec_);
      if (shared_.fleet) shared_.fleet->leave(ref_);
      co_return;
    }
    co_await turn(canary);
    if (wake_) {
      co_await wakeup_.wait_until(shared_.clock, *wake_);
    } else {
      co_await wakeup_.wait();
    }
  }
}

/// Deletion must find the workload serving, with revertOnDeletion or without (docs/differences.md), and
/// without a finalizer the Canary's objects would be collected before anybody can see to that.
base::Task<bool> Actor::ensure_finalizer(World::Value canary) {
  if (kube::is_being_deleted(*canary) || has_finalizer(*canary)) co_return true;
  Json object = *canary;
  object.set("metadata", "finalizers").push_back(finalizer);
  base::Result<Json> written =
      co_await shared_.world.api().replace(kube::resources::canaries, std::move(object), "", {});
  if (written) shared_.world.wrote(kube::resources::canaries, std::move(*written));
  co_return written.has_value();
}

base::Task<void> Actor::turn(World::Value found) {
  canary::ReadSpec read = canary::read_spec(*found, defaults_);
  spec_ = read.spec;
  const base::Result<canary::Status> status = canary::read_status(*found);
  if (!status) read.problems.push_back(status.error().message);
  if (!conflict_.empty()) read.problems.push_back(conflict_);
  std::vector<std::string> unsupported = co_await equip(found);
  std::ranges::move(unsupported, std::back_inserter(read.problems));
  if (!spec_.suspend && read.problems.empty()) {
    const bool kept = co_await ensure_finalizer(found);
    if (!kept) {
      wake_ = shared_.clock.now() + std::chrono::seconds(1);
      co_return;
    }
    found = shared_.world.find(kube::resources::canaries, ref_);
    if (!found) co_return;
  }
  announcements_.tell(*found, spec_);  // what an earlier controller left behind
  Effects effects(shared_, announcements_, spec_, found, *router_, *kind_);
  canary::Input input;
  input.spec = spec_;
  input.problems = std::move(read.problems);
  input.status = status.value_or(canary::Status{});
  input.memory = memory_;
  input.seen = co_await effects.observe();
  shared_.meter.status(spec_, input.status.phase);
  if (input.seen.routes) shared_.meter.weight(spec_, *input.seen.routes);
  input.command = read_command(*found);
  input.settings = shared_.settings;
  const bool rests = !canary::is_run(input.status.phase);
  if (shared_.fleet && rests && !shared_.fleet->enter(ref_)) {
    input.no_room = fmt::format("other rollouts are under way, at most {} at once (-max-rollouts)",
                                shared_.fleet->runs_max());
  }
  input.deleting = kube::is_being_deleted(*found);
  input.has_finalizer = has_finalizer(*found);
  configs_.clear();
  if (const World::Value target = shared_.world.find(kind_->resource(), {ref_.ns, spec_.target_name})) {
    for (const workload::ConfigRef& config : workload::config_refs(kind_->pod_template(*target)))
      configs_.insert(resource_of(config).plural + "/" + config.name);
  }
  canary::Turn turn(std::move(input), shared_.clock.now());
  while (!turn.done()) {
    canary::Action action = turn.asked();
    canary::Reply reply = co_await effects.carry_out(std::move(action));
    turn.reply(std::move(reply), shared_.clock.now());
  }
  if (shared_.fleet && !canary::is_run(turn.outcome().status.phase)) shared_.fleet->leave(ref_);
  memory_ = turn.outcome().memory;
  wake_ = turn.outcome().wake;
  co_await write_off();
}

/// Takes what has been announced off the status, unless a step has just done so.
base::Task<void> Actor::write_off() {
  const World::Value canary = shared_.world.find(kube::resources::canaries, ref_);
  if (!canary || !announcements_.is_due(*canary)) co_return;
  Json object = *canary;
  announcements_.enter(object, {}, shared_.clock.wall_now());
  base::Result<Json> written =
      co_await shared_.world.api().replace(kube::resources::canaries, std::move(object), "status", {});
  if (written) {
    shared_.world.wrote(kube::resources::canaries, std::move(*written));
  } else {
    const base::MonoTime later = shared_.clock.now() + std::chrono::seconds(1);
    wake_ = wake_ ? std::min(*wake_, later) : later;
  }
}

}  // namespace serin::controller
