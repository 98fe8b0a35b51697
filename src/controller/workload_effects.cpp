#include "controller/workload_effects.h"

#include <fmt/format.h>

#include "workload/service.h"

namespace serin::controller {

using base::Errc;
using base::fail;
using canary::Done;
namespace resources = kube::resources;

namespace {

std::int64_t revision_of(const Json& history) {
  if (const std::optional<std::int64_t> number = history["revision"].as_int()) return *number;
  const std::string& text = history.get("metadata", "annotations", "deployment.kubernetes.io/revision").str();
  return text.empty() ? 0 : std::atoll(text.c_str());
}

}  // namespace

// --- looking

base::Error WorkloadEffects::target_missing() const {
  return {Errc::not_found,
          fmt::format("{} {} get query error: {} \"{}\" not found", kind_.noun(), spec_.target_dotted(),
                      kind_.resource().group_resource(), spec_.target_name)};
}

base::Result<workload::SelectorLabel> WorkloadEffects::label() const {
  const World::Value found = target();
  if (!found) return fail(target_missing());
  return label_of(*found, primary().get());
}

base::Result<workload::SelectorLabel> WorkloadEffects::label_of(const Json& target,
                                                                const Json* primary) const {
  if (primary && kind_.has_pods()) {
    if (std::optional<workload::SelectorLabel> fixed = workload::established_label(target, *primary))
      return *std::move(fixed);
  }
  return kind_.label(target, options_);
}

std::string WorkloadEffects::problem_with(const Json& target, const Json* primary) const {
  if (const base::Result<workload::SelectorLabel> label = label_of(target, primary); !label)
    return label.error().message;
  if (const base::Result<void> releasable = kind_.check(target); !releasable)
    return releasable.error().message;
  if (!primary || !kind_.has_pods() || workload::established_label(target, *primary)) return "";
  const Json& fixed = primary->get("spec", "selector", "matchLabels");
  return fmt::format("{} {} spec.selector.matchLabels must contain {}, by which {} was made: add it again",
                     kind_.noun(), spec_.target_dotted(),
                     fixed.empty() ? "a label" : fixed.members().begin()->key, spec_.primary_dotted());
}

base::Task<void> WorkloadEffects::observe(canary::Observation& seen) {
  const World::Value stable = primary();
  if (const World::Value found = target()) {
    seen.target_problem = problem_with(*found, stable.get());
    seen.target = kind_.view(*found);
    if (kind_.has_pods() && configs_.enabled()) {
      base::Result<TrackedConfigs> tracked = co_await configs_.track(spec_.ns, kind_.pod_template(*found));
      if (tracked) {
        seen.configs = std::move(tracked->checksums);
      } else {
        seen.config_problem = tracked.error().message;
      }
    }
  } else {
    seen.target_problem = target_missing().message;
  }
  if (stable) {
    seen.primary = kind_.view(*stable);
    seen.primary_id = kind_.primary_id(*stable);
  }
  canary::settle_placement(seen.target, seen.primary);
}

base::Task<bool> WorkloadEffects::primary_carries_target() {
  const World::Value source = target(), stable = primary();
  const base::Result<workload::SelectorLabel> found = label();
  if (!source || !stable || !found) co_return false;
  std::set<std::string> keys;
  if (kind_.has_pods()) {
    const base::Result<TrackedConfigs> tracked =
        co_await configs_.track(spec_.ns, kind_.pod_template(*source));
    if (!tracked) co_return false;
    keys = tracked->keys();
  }
  const workload::PrimarySource from{*source, *found, std::move(keys), kind_.primary_id(*stable)};
  const Json promoted = kind_.promoted_primary(*stable, from, spec_, options_);
  co_return kind_.view(promoted).revision == kind_.view(*stable).revision;
}

// --- doing

base::Task<base::Result<std::set<std::string>>> WorkloadEffects::copy_configs(Json target,
                                                                              std::string primary_id) {
  if (!kind_.has_pods()) co_return std::set<std::string>();
  base::Result<std::set<std::string>> copied =
      co_await copies_.copy(kind_.pod_template(target), std::move(primary_id));
  co_return copied;
}

base::Task<Done> WorkloadEffects::ensure_primary(canary::EnsurePrimary wanted) {
  if (primary()) co_return Done();
  const std::string attempt = fmt::format("createPrimary{} failed", kind_.resource().kind);
  const World::Value source = target();
  const base::Result<workload::SelectorLabel> found = label();
  if (!found) co_return fail(found.error());
  base::Result<std::set<std::string>> copied = co_await copy_configs(*source, "");
  if (!copied) co_return fail(copied.error().within(attempt));
  Json object = kind_.new_primary({*source, *found, std::move(*copied), wanted.id}, spec_, options_);
  Done done =
      co_await objects_.create(kind_.resource(), std::move(object), kind_.creating(spec_),
                               fmt::format("{} {} created", kind_.resource().kind, spec_.primary_dotted()));
  co_return done;
}

base::Task<Done> WorkloadEffects::ensure_canary_service() {
  if (kind_.has_pods()) co_return Done();
  const World::Value source = target();
  if (!source) co_return fail(target_missing());
  const std::string name = spec_.target_name + "-canary";
  const World::Value live = objects_.find(resources::services, name);
  Json wanted = workload::canary_service(*source, live ? *live : Json(), spec_);
  if (!live) {
    Done done = co_await objects_.create(
        resources::services, std::move(wanted),
        fmt::format("reconcileCanaryService failed: creating service {} query error", spec_.dotted()),
        fmt::format("Service {}.{} created", name, spec_.ns));
    co_return done;
  }
  if (wanted == *live) co_return Done();
  Done done = co_await objects_.replace(resources::services, std::move(wanted),
                                        fmt::format("updating service {}.{} failed", name, spec_.ns), "");
  co_return done;
}

base::Task<Done> WorkloadEffects::scale_target(canary::ScaleTarget::To to) {
  const World::Value found = target();
  if (!found) co_return fail(target_missing());
  const Done paused = co_await scalers_.pause(to == canary::ScaleTarget::To::zero);
  if (!paused) co_return paused;
  const World::Value stable = primary(), scaler = scalers_.of_target();
  const Json none;
  Json patch = kind_.scaled(*found, stable ? *stable : none, spec_, scaler ? *scaler : none, to);
  if (patch.is_null()) co_return Done();
  const std::string attempt = kind_.scaling(spec_, patch, to);
  Done done = co_await objects_.patch(kind_.resource(), spec_.target_name, std::move(patch), attempt, "");
  co_return done;
}

base::Task<Done> WorkloadEffects::grow_primary(int replicas) {
  const World::Value stable = primary();
  if (!stable) co_return Done();
  Json patch = kind_.grown(*stable, replicas);
  if (patch.is_null()) co_return Done();
  Done done =
      co_await objects_.patch(kind_.resource(), spec_.primary_name(), std::move(patch),
                              fmt::format("scaling up {} to {} failed", spec_.primary_dotted(), replicas),
                              fmt::format("Scaling up {} {} to {}: it takes the traffic back",
                                          kind_.resource().kind, spec_.primary_dotted(), replicas));
  co_return done;
}

base::Task<Done> WorkloadEffects::promote(canary::Promote wanted) {
  const std::string attempt = kind_.promoting(spec_);
  // Read now, not from the cache: what is copied must be what was analysed.
  const base::Result<Json> source =
      co_await objects_.api().get(kind_.resource(), spec_.ns, spec_.target_name);
  if (!source) co_return fail(source.error().within(attempt));
  if (kind_.view(*source).revision != wanted.revision) {
    co_return fail(Errc::conflict,
                   fmt::format("{}: {} has changed since it was analysed", attempt, spec_.target_dotted()));
  }
  base::Result<Json> stable = co_await objects_.api().get(kind_.resource(), spec_.ns, spec_.primary_name());
  if (!stable) co_return fail(stable.error().within(attempt));
  if (kind_.primary_id(*stable) == wanted.id) co_return Done();
  const base::Result<workload::SelectorLabel> found = label_of(*source, &*stable);
  if (!found) co_return fail(found.error().within(attempt));
  base::Result<std::set<std::string>> copied = co_await copy_configs(*source, kind_.primary_id(*stable));
  if (!copied) co_return fail(copied.error().within(attempt));
  Json promoted = kind_.promoted_primary(std::move(*stable), {*source, *found, std::move(*copied), wanted.id},
                                         spec_, options_);
  Done done = co_await objects_.replace(kind_.resource(), std::move(promoted), attempt, "");
  co_return done;
}

base::Task<base::Result<Json>> WorkloadEffects::earlier_revision(Json primary) {
  const std::string id = kind_.primary_id(primary);
  Json kept = kind_.kept_revision(primary);
  if (!kept.is_null() && kind_.primary_id(kept) != id) co_return kept;
  const kube::Resource* history = kind_.history();
  if (!history)
    co_return fail(Errc::not_found, "it keeps no earlier template; repair it by hand, or push a fix");
  const base::Result<kube::List> listed = co_await objects_.api().list(*history, spec_.ns, {});
  if (!listed) co_return fail(listed.error());
  const Json* previous = nullptr;
  for (const Json& candidate : listed->items) {
    const bool own = kube::controller_owner(candidate)["uid"].str() == kube::uid_of(primary);
    const bool current = kind_.primary_id(candidate) == id;
    if (own && !current && (!previous || revision_of(candidate) > revision_of(*previous)))
      previous = &candidate;
  }
  if (previous) co_return *previous;
  co_return fail(Errc::not_found,
                 fmt::format("it has no earlier {}; repair it by hand, or push a fix", history->kind));
}

base::Task<Done> WorkloadEffects::restore_primary() {
  const std::string attempt = fmt::format("restoring {} {} failed", kind_.noun(), spec_.primary_dotted());
  base::Result<Json> stable = co_await objects_.api().get(kind_.resource(), spec_.ns, spec_.primary_name());
  if (!stable) co_return fail(stable.error().within(attempt));
  const base::Result<Json> earlier = co_await earlier_revision(*stable);
  if (!earlier) co_return fail(earlier.error().within(attempt));
  Json restored = kind_.restored_primary(std::move(*stable), *earlier);
  if (kind_.has_pods()) {
    // First: its pods are started anew with the template.
    const Done contents = co_await copies_.restore(kind_.pod_template(restored), kind_.primary_id(restored));
    if (!contents) co_return fail(contents.error().within(attempt));
  }
  Done done = co_await objects_.replace(
      kind_.resource(), std::move(restored), attempt,
      fmt::format("{} {} has its previous template again", kind_.resource().kind, spec_.primary_dotted()));
  co_return done;
}

base::Task<Done> WorkloadEffects::forget_earlier_configs() {
  const World::Value stable = primary();
  if (stable && kind_.has_pods()) co_await copies_.forget(kind_.pod_template(*stable));
  co_return Done();
}

}  // namespace serin::controller
