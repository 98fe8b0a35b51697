#include "controller/service_effects.h"

#include <fmt/format.h>

namespace serin::controller {

using canary::Done;
namespace resources = kube::resources;

base::Task<Done> ServiceEffects::ensure_one(routing::Role role, workload::SelectorLabel label,
                                            World::Value target) {
  const std::string name = routing::service_name(spec_, role);
  const World::Value live = objects_.find(resources::services, name);
  if (!live) {
    Json wanted = routing::new_service(spec_, role, label, *target);
    Done done = co_await objects_.create(
        resources::services, std::move(wanted),
        fmt::format("reconcileService failed: service {}.{} create error", name, spec_.ns),
        fmt::format("Service {}.{} created", name, spec_.ns));
    co_return done;
  }
  const Json& owner = kube::controller_owner(*live);
  if (owner["kind"].str() == "Canary" && owner["name"].str() != spec_.name) {
    co_return base::fail(
        base::Errc::rejected,
        fmt::format("Service {}.{} belongs to canary {}.{}: give spec.service.name another value", name,
                    spec_.ns, owner["name"].str(), spec_.ns));
  }
  Json wanted = routing::reconciled_service(*live, spec_, role, label, *target);
  if (wanted == *live) co_return Done();
  // The cache keeps no status, and the API ignores it here.
  Done done = co_await objects_.replace(resources::services, std::move(wanted),
                                        fmt::format("reconcileService failed: service {} update error", name),
                                        fmt::format("Service {} updated", name));
  co_return done;
}

base::Task<Done> ServiceEffects::ensure(workload::SelectorLabel label, World::Value target) {
  Done canary = co_await ensure_one(routing::Role::canary, label, target);
  if (!canary) co_return canary;
  Done primary = co_await ensure_one(routing::Role::primary, label, target);
  co_return primary;
}

base::Task<canary::ApexReply> ServiceEffects::ensure_apex(workload::SelectorLabel label,
                                                          World::Value target) {
  const World::Value live = objects_.find(resources::services, spec_.service.name);
  const bool elsewhere = live && live->get("spec", "selector", label.key).str() != label.primary_value();
  Done done = co_await ensure_one(routing::Role::apex, label, target);
  co_return canary::ApexReply{std::move(done), elsewhere};
}

base::Task<Done> ServiceEffects::release_apex(workload::SelectorLabel label) {
  const World::Value live = objects_.find(resources::services, spec_.service.name);
  if (!live) co_return Done();
  Json released = routing::released_service(*live, spec_, label);
  if (released == *live) co_return Done();
  Done done = co_await objects_.replace(
      resources::services, std::move(released),
      fmt::format("failed revert router: service {} update error", spec_.service.name),
      fmt::format("{} router reverted", spec_.dotted()));
  co_return done;
}

}  // namespace serin::controller
