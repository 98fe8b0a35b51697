#include "controller/controller.h"

#include <fmt/format.h>

#include <tuple>

namespace serin::controller {

namespace resources = kube::resources;

Controller::Controller(Shared& shared, canary::SpecDefaults defaults, base::Logger log,
                       base::Executor executor)
    : shared_(shared), defaults_(defaults), log_(std::move(log)), group_(std::move(executor)) {}

base::Task<void> Controller::run() {
  co_await shared_.world.wait_synced();
  shared_.world.listen(
      [this](const kube::Resource& resource, const kube::ObjectRef& ref) { changed(resource, ref); });
  for (const World::Value& canary : shared_.world.all(resources::canaries)) start(kube::ref_of(*canary));
  log_.info("Started operator workers");
  // The group lives as long as this: an actor may start at any time.
  base::Wakeup never(group_.executor());
  group_.spawn(never.wait());
  co_await group_.join();
}

std::map<std::string, int> Controller::counts() const {
  std::map<std::string, int> counts;
  for (const auto& [ns, actors] : actors_) counts[ns] = static_cast<int>(actors.size());
  return counts;
}

void Controller::changed(const kube::Resource& resource, const kube::ObjectRef& ref) {
  if (resource == resources::canaries) {
    if (shared_.world.find(resource, ref)) start(ref);
    settle_conflicts(ref.ns);
  }
  if (resource == resources::namespaces) {
    if (const auto it = actors_.find(ref.name); it != actors_.end()) {
      for (const auto& [name, actor] : it->second) actor->notify();
    }
    return;
  }
  const auto it = actors_.find(ref.ns);
  if (it == actors_.end()) return;
  for (const auto& [name, actor] : it->second) {
    if (actor->depends_on(resource, ref.name)) actor->notify();
  }
}

void Controller::start(const kube::ObjectRef& ref) {
  std::unique_ptr<Actor>& actor = actors_[ref.ns][ref.name];
  if (actor) return;
  actor = std::make_unique<Actor>(shared_, ref, defaults_, group_.executor());
  settle_conflicts(ref.ns);
  group_.spawn(drive(ref));
}

base::Task<void> Controller::drive(kube::ObjectRef ref) {
  log_.info(fmt::format("Synced {}/{}", ref.ns, ref.name));
  Actor& actor = *actors_[ref.ns][ref.name];
  while (shared_.world.find(resources::canaries, ref)) {
    std::string bug;
    try {
      co_await actor.run();
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      bug = e.what();
    }
    if (bug.empty()) continue;
    log_.error(fmt::format("canary {}: internal error, trying again in 5s: {}", ref.dotted(), bug));
    co_await shared_.clock.sleep_for(std::chrono::seconds(5));
  }
  log_.info(fmt::format("Deleting {} from cache", ref.dotted()));
  actors_[ref.ns].erase(ref.name);
  if (actors_[ref.ns].empty()) actors_.erase(ref.ns);
}

/// Two canaries on one target would fight over its replicas, Services and weights: the older one has it.
void Controller::settle_conflicts(const std::string& ns) {
  struct Claim {
    std::tuple<std::string, std::string> age;  ///< creation time, then name
    std::string name;
  };
  std::map<std::string, Claim> owners;
  const auto target_of = [](const Json& canary) {
    const Json& target = canary.get("spec", "targetRef");
    return target["kind"].str() + "/" + target["name"].str();
  };
  const auto it = actors_.find(ns);
  if (it == actors_.end()) return;
  for (const auto& [name, actor] : it->second) {
    const World::Value canary = shared_.world.find(resources::canaries, {ns, name});
    if (!canary) continue;
    Claim claim{{canary->get("metadata", "creationTimestamp").str(), name}, name};
    const auto [owner, first] = owners.try_emplace(target_of(*canary), claim);
    if (!first && claim.age < owner->second.age) owner->second = claim;
  }
  for (const auto& [name, actor] : it->second) {
    const World::Value canary = shared_.world.find(resources::canaries, {ns, name});
    if (!canary) continue;
    const std::string target = target_of(*canary);
    const Claim& owner = owners.at(target);
    actor->set_conflict(owner.name == name ? ""
                                           : fmt::format("spec.targetRef: {} is already the target of canary "
                                                         "{}.{}, which is older: delete one of the two",
                                                         target, owner.name, ns));
  }
}

}  // namespace serin::controller
