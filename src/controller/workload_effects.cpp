#include "controller/workload_effects.h"

#include <fmt/format.h>

#include "workload/configs.h"

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
  return kind_.label(*found, options_);
}

base::Task<void> WorkloadEffects::observe(canary::Observation& seen) {
  if (const base::Result<workload::SelectorLabel> found = label(); !found)
    seen.target_problem = found.error().message;
  if (const World::Value found = target()) {
    seen.target = kind_.view(*found);
    if (kind_.has_pods()) {
      base::Result<TrackedConfigs> tracked = co_await configs_.track(spec_.ns, kind_.pod_template(*found));
      if (tracked) {
        seen.configs = std::move(tracked->checksums);
      } else {
        seen.config_problem = tracked.error().message;
      }
    }
  }
  if (const World::Value found = primary()) {
    seen.primary = kind_.view(*found);
    seen.primary_id = kind_.primary_id(*found);
  }
}

// --- doing

base::Task<base::Result<std::set<std::string>>> WorkloadEffects::copy_configs(Json target) {
  if (!kind_.has_pods()) co_return std::set<std::string>();
  const Json& pod_template = kind_.pod_template(target);
  const base::Result<TrackedConfigs> tracked = co_await configs_.track(spec_.ns, pod_template);
  if (!tracked) co_return fail(tracked.error());
  for (const workload::ConfigRef& config : workload::config_refs(pod_template)) {
    if (!tracked->checksums.contains(config.key())) continue;
    const kube::Resource resource = resource_of(config);
    const std::string noun = config.secret ? "secret" : "configmap";
    kube::Api& api = objects_.api();
    base::Result<Json> source = co_await api.get(resource, spec_.ns, config.name);
    if (!source) {
      co_return fail(source.error().within(fmt::format(
          "CreatePrimaryConfigs failed: {} {}.{} get query failed ", noun, config.name, spec_.ns)));
    }
    source->set("kind") = resource.kind;
    const base::Result<Json> existing = co_await api.get(resource, spec_.ns, config.name + "-primary");
    if (!existing && existing.error().code != Errc::not_found) co_return fail(existing.error());
    Json copy = workload::primary_config(*source, existing.value_or(Json()), spec_, options_);
    const std::string verb = existing ? "updating" : "creating";
    base::Task<base::Result<Json>> write = existing ? api.replace(resource, std::move(copy), "", {})
                                                    : api.create(resource, spec_.ns, std::move(copy), {});
    const base::Result<Json> written = co_await std::move(write);
    if (!written) {
      co_return fail(written.error().within(fmt::format(
          "CreatePrimaryConfigs failed: {} {} {}-primary.{} failed", verb, noun, config.name, spec_.ns)));
    }
    objects_.note(fmt::format("{} {}-primary synced", resource.kind, config.name));
  }
  co_return tracked->keys();
}

base::Task<Done> WorkloadEffects::ensure_primary(canary::EnsurePrimary wanted) {
  if (primary()) co_return Done();
  const std::string attempt = fmt::format("createPrimary{} failed", kind_.resource().kind);
  const World::Value source = target();
  const base::Result<workload::SelectorLabel> found = label();
  if (!found) co_return fail(found.error());
  base::Result<std::set<std::string>> copied = co_await copy_configs(*source);
  if (!copied) co_return fail(copied.error().within(attempt));
  Json object = kind_.new_primary({*source, *found, std::move(*copied), wanted.id}, spec_, options_);
  Done done = co_await objects_.create(
      kind_.resource(), std::move(object),
      fmt::format("{}: creating {} {} failed", attempt, kind_.noun(), spec_.primary_dotted()),
      fmt::format("{} {} created", kind_.resource().kind, spec_.primary_dotted()));
  co_return done;
}

base::Task<Done> WorkloadEffects::ensure_primary_scaler(canary::EnsurePrimaryScaler wanted) {
  if (!spec_.autoscaler) co_return Done();
  const std::string name = spec_.autoscaler->name;
  const std::string primary_name = name + "-primary";
  const World::Value hpa = objects_.find(resources::hpas, name);
  if (!hpa) {
    co_return fail(Errc::not_found, fmt::format("HorizontalPodAutoscaler {}.{} get query error: "
                                                "horizontalpodautoscalers.autoscaling \"{}\" not found",
                                                name, spec_.ns, name));
  }
  const std::string noun = fmt::format("HorizontalPodAutoscaler v2 {}.{}", primary_name, spec_.ns);
  const World::Value live = objects_.find(resources::hpas, primary_name);
  if (!live) {
    Json created = workload::new_primary_hpa(*hpa, spec_);
    Done done = co_await objects_.create(resources::hpas, std::move(created),
                                         fmt::format("creating {} failed", noun), noun + " created");
    co_return done;
  }
  if (!wanted.update) co_return Done();
  Json updated = workload::updated_primary_hpa(*live, *hpa, spec_);
  if (updated == *live) co_return Done();
  Done done = co_await objects_.replace(resources::hpas, std::move(updated),
                                        fmt::format("updating {} failed", noun), noun + " updated");
  co_return done;
}

base::Task<Done> WorkloadEffects::scale_target(canary::ScaleTarget::To to) {
  const World::Value found = target();
  if (!found) co_return fail(target_missing());
  const World::Value stable = primary();
  const World::Value scaler =
      spec_.autoscaler ? objects_.find(resources::hpas, spec_.autoscaler->name) : nullptr;
  const Json none;
  Json patch = kind_.scaled(*found, stable ? *stable : none, spec_, scaler ? *scaler : none, to);
  if (patch.is_null()) co_return Done();
  const std::string attempt =
      to == canary::ScaleTarget::To::zero
          ? fmt::format("{} {} patch query error", kind_.noun(), spec_.target_dotted())
          : fmt::format("scaling up {} to {} failed", spec_.target_dotted(),
                        patch.get("spec", "replicas").int_or(1));
  Done done = co_await objects_.patch(kind_.resource(), spec_.target_name, std::move(patch), attempt, "");
  co_return done;
}

base::Task<Done> WorkloadEffects::grow_primary(int replicas) {
  const World::Value stable = primary();
  if (!stable || stable->get("spec", "replicas").int_or(1) >= replicas) co_return Done();
  Json patch;
  patch.set("spec", "replicas") = replicas;
  Done done =
      co_await objects_.patch(kind_.resource(), spec_.primary_name(), std::move(patch),
                              fmt::format("scaling up {} to {} failed", spec_.primary_dotted(), replicas),
                              fmt::format("Scaling up {} {} to {}: it takes the traffic back",
                                          kind_.resource().kind, spec_.primary_dotted(), replicas));
  co_return done;
}

base::Task<Done> WorkloadEffects::promote(canary::Promote wanted) {
  const std::string attempt =
      fmt::format("updating {} {} template spec failed", kind_.noun(), spec_.primary_dotted());
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
  const base::Result<workload::SelectorLabel> found = kind_.label(*source, options_);
  if (!found) co_return fail(found.error().within(attempt));
  base::Result<std::set<std::string>> copied = co_await copy_configs(*source);
  if (!copied) co_return fail(copied.error().within(attempt));
  Json promoted = kind_.promoted_primary(std::move(*stable), {*source, *found, std::move(*copied), wanted.id},
                                         spec_, options_);
  Done done = co_await objects_.replace(kind_.resource(), std::move(promoted), attempt, "");
  co_return done;
}

base::Task<Done> WorkloadEffects::restore_primary() {
  const std::string attempt = fmt::format("restoring {} {} failed", kind_.noun(), spec_.primary_dotted());
  kube::Api& api = objects_.api();
  base::Result<Json> stable = co_await api.get(kind_.resource(), spec_.ns, spec_.primary_name());
  if (!stable) co_return fail(stable.error().within(attempt));
  const kube::Resource* history = kind_.history();
  if (!history)
    co_return fail(Errc::not_found, attempt + ": it keeps no earlier template; repair it by hand");
  const base::Result<kube::List> kept = co_await api.list(*history, spec_.ns, {});
  if (!kept) co_return fail(kept.error().within(attempt));
  const Json* previous = nullptr;
  for (const Json& candidate : kept->items) {
    const bool own = kube::controller_owner(candidate)["uid"].str() == kube::uid_of(*stable);
    const bool current = kind_.primary_id(candidate) == kind_.primary_id(*stable);
    if (own && !current && (!previous || revision_of(candidate) > revision_of(*previous)))
      previous = &candidate;
  }
  if (!previous)
    co_return fail(Errc::not_found,
                   fmt::format("{}: it has no earlier {}; repair it by hand", attempt, history->kind));
  Json restored = kind_.restored_primary(std::move(*stable), *previous);
  Done done = co_await objects_.replace(
      kind_.resource(), std::move(restored), attempt,
      fmt::format("{} {} has its previous template again", kind_.resource().kind, spec_.primary_dotted()));
  co_return done;
}

}  // namespace serin::controller
