#include "controller/effects.h"

#include <fmt/format.h>

#include "routing/services.h"
#include "routing/smi.h"

namespace serin::controller {

using base::Errc;
using base::fail;
using canary::Done;
namespace resources = kube::resources;

namespace {

const kube::Resource& split_resource() {
  return resources::trafficsplits_v1alpha1;
}

/// An object that is on its way out, or belongs to an earlier Canary of the same name, is not there for us.
bool is_foreign(const Json& object, const canary::Spec& spec) {
  if (kube::is_being_deleted(object)) return true;
  const Json& owner = kube::controller_owner(object);
  return owner["kind"].str() == "Canary" && owner["name"].str() == spec.name &&
         owner["uid"].str() != spec.uid;
}

}  // namespace

Effects::Effects(Shared& shared, canary::Spec spec, World::Value canary)
    : shared_(shared), spec_(std::move(spec)), canary_(std::move(canary)) {}

World::Value Effects::find(const kube::Resource& resource, const std::string& name) const {
  return shared_.world.find(resource, ref(name));
}

base::Result<workload::SelectorLabel> Effects::label() const {
  const World::Value target = find(resources::deployments, spec_.target_name);
  if (!target) {
    return fail(Errc::not_found,
                fmt::format("deployment {} get query error: deployments.apps \"{}\" not found",
                            spec_.target_dotted(), spec_.target_name));
  }
  return workload::selector_label(*target, shared_.options);
}

base::Task<Done> Effects::create(kube::Resource resource, Json object, std::string attempt) {
  base::Result<Json> created = co_await shared_.world.api().create(resource, spec_.ns, std::move(object), {});
  if (!created) co_return fail(created.error().within(attempt));
  shared_.world.wrote(resource, std::move(*created));
  co_return Done();
}

base::Task<Done> Effects::replace(kube::Resource resource, Json object, std::string attempt) {
  base::Result<Json> replaced = co_await shared_.world.api().replace(resource, std::move(object), "", {});
  if (!replaced) co_return fail(replaced.error().within(attempt));
  shared_.world.wrote(resource, std::move(*replaced));
  co_return Done();
}

// --- looking

base::Task<canary::Observation> Effects::observe() {
  canary::Observation seen;
  if (const World::Value ns = shared_.world.find(resources::namespaces, {"", spec_.ns})) {
    seen.namespace_terminating = kube::is_being_deleted(*ns);
  }
  const World::Value target = find(resources::deployments, spec_.target_name);
  if (const base::Result<workload::SelectorLabel> found = label(); !found)
    seen.target_problem = found.error().message;
  if (target && !kube::is_being_deleted(*target)) {
    seen.target = canary::view_deployment(*target);
    base::Result<TrackedConfigs> tracked =
        co_await shared_.configs.track(spec_.ns, target->get("spec", "template"));
    if (tracked) {
      seen.configs = std::move(tracked->checksums);
    } else {
      seen.config_problem = tracked.error().message;
    }
  }
  const World::Value primary = find(resources::deployments, spec_.primary_name());
  if (primary && !is_foreign(*primary, spec_)) {
    seen.primary = canary::view_deployment(*primary);
    seen.primary_id = workload::primary_id(*primary);
  }
  const World::Value split = find(split_resource(), spec_.service.name);
  if (split && !is_foreign(*split, spec_)) {
    const base::Result<canary::Routes> routes = routing::read_traffic_split(*split, spec_);
    if (routes) {
      seen.routes = *routes;
    } else {
      seen.route_problem = routes.error().message;
    }
  }
  co_return seen;
}

// --- doing

base::Task<canary::Reply> Effects::carry_out(canary::Action action) {
  if (std::holds_alternative<canary::Observe>(action)) {
    canary::Observation seen = co_await observe();
    co_return seen;
  }
  if (std::holds_alternative<canary::EnsureApex>(action)) {
    canary::ApexReply reply = co_await ensure_apex();
    co_return reply;
  }
  if (std::holds_alternative<canary::EvaluateMetrics>(action)) {
    canary::CheckReply reply = co_await shared_.analyst.evaluate(spec_);
    co_return reply;
  }
  Done done = co_await dispatch(std::move(action));
  co_return done;
}

base::Task<Done> Effects::dispatch(canary::Action action) {
  if (const auto* event = std::get_if<canary::Announce>(&action)) {
    shared_.announcer.announce(*canary_, spec_, *event);
    co_return Done();
  }
  if (const auto* note = std::get_if<canary::Note>(&action)) {
    shared_.announcer.note(spec_, *note);
    co_return Done();
  }
  if (const auto* outcome = std::get_if<canary::CountOutcome>(&action)) {
    shared_.meter.outcome(spec_, *outcome);
    co_return Done();
  }
  if (std::holds_alternative<canary::Drain>(action)) {
    co_await shared_.clock.sleep_for(shared_.drain);
    co_return Done();
  }
  base::Task<Done> task = [&]() -> base::Task<Done> {
    if (auto* a = std::get_if<canary::SaveStatus>(&action)) return save_status(a->status);
    if (auto* a = std::get_if<canary::EnsurePrimary>(&action)) return ensure_primary(*a);
    if (auto* a = std::get_if<canary::EnsurePrimaryScaler>(&action)) return ensure_primary_scaler(*a);
    if (auto* a = std::get_if<canary::SetRoutes>(&action)) return set_routes(a->routes);
    if (auto* a = std::get_if<canary::ScaleTarget>(&action)) return scale_target(a->to);
    if (auto* a = std::get_if<canary::Promote>(&action)) return promote(*a);
    if (auto* a = std::get_if<canary::CallHook>(&action)) return shared_.caller.call(spec_, *a);
    if (std::holds_alternative<canary::EnsureServices>(action)) return ensure_services();
    if (std::holds_alternative<canary::EnsureRoute>(action)) return ensure_route();
    if (std::holds_alternative<canary::RestorePrimary>(action)) return restore_primary();
    if (std::holds_alternative<canary::ReleaseApex>(action)) return release_apex();
    if (std::holds_alternative<canary::RemoveFinalizer>(action)) return remove_finalizer();
    return shared_.analyst.check_providers(spec_);
  }();
  Done done = co_await std::move(task);
  co_return done;
}

base::Task<Done> Effects::save_status(canary::Status status) {
  Json object = *canary_;
  object.set("status") = canary::write_status(*canary_, status, spec_.target_kind, shared_.clock.wall_now());
  base::Result<Json> written =
      co_await shared_.world.api().replace(resources::canaries, std::move(object), "status", {});
  if (!written) co_return fail(std::move(written.error()));
  shared_.world.wrote(resources::canaries, *written);
  canary_ = std::make_shared<const Json>(std::move(*written));
  shared_.meter.status(spec_, status.phase);
  co_return Done();
}

base::Task<Done> Effects::ensure_service(int role_number) {
  const auto role = static_cast<routing::Role>(role_number);
  const std::string name = routing::service_name(spec_, role);
  const base::Result<workload::SelectorLabel> found = label();
  if (!found) co_return fail(found.error());
  const World::Value target = find(resources::deployments, spec_.target_name);
  const World::Value live = find(resources::services, name);
  if (!live || is_foreign(*live, spec_)) {
    Json wanted = routing::new_service(spec_, role, *found, *target);
    const Done done =
        co_await create(resources::services, std::move(wanted),
                        fmt::format("reconcileService failed: service {}.{} create error", name, spec_.ns));
    if (done) shared_.announcer.note(spec_, {fmt::format("Service {}.{} created", name, spec_.ns)});
    co_return done;
  }
  Json wanted = routing::reconciled_service(*live, spec_, role, *found, *target);
  if (wanted == *live) co_return Done();
  // The cache keeps no status, and the API ignores it here.
  const Done done = co_await replace(resources::services, std::move(wanted),
                                     fmt::format("reconcileService failed: service {} update error", name));
  if (done) shared_.announcer.note(spec_, {fmt::format("Service {} updated", name)});
  co_return done;
}

base::Task<Done> Effects::ensure_services() {
  const Done canary = co_await ensure_service(static_cast<int>(routing::Role::canary));
  if (!canary) co_return canary;
  const Done primary = co_await ensure_service(static_cast<int>(routing::Role::primary));
  co_return primary;
}

base::Task<canary::ApexReply> Effects::ensure_apex() {
  const World::Value live = find(resources::services, spec_.service.name);
  const base::Result<workload::SelectorLabel> found = label();
  const bool there = live && !is_foreign(*live, spec_);
  const bool elsewhere =
      there && found && live->get("spec", "selector", found->key).str() != found->primary_value();
  Done done = co_await ensure_service(static_cast<int>(routing::Role::apex));
  co_return canary::ApexReply{std::move(done), elsewhere};
}

base::Task<Done> Effects::copy_configs(TrackedConfigs tracked, Json pod_template) {
  for (const workload::ConfigRef& config : workload::config_refs(pod_template)) {
    if (!tracked.checksums.contains(config.key())) continue;
    const kube::Resource resource = resource_of(config);
    const std::string noun = config.secret ? "secret" : "configmap";
    kube::Api& api = shared_.world.api();
    base::Result<Json> source = co_await api.get(resource, spec_.ns, config.name);
    if (!source) {
      co_return fail(source.error().within(fmt::format(
          "CreatePrimaryConfigs failed: {} {}.{} get query failed ", noun, config.name, spec_.ns)));
    }
    source->set("kind") = resource.kind;
    const base::Result<Json> existing = co_await api.get(resource, spec_.ns, config.name + "-primary");
    if (!existing && existing.error().code != Errc::not_found) co_return fail(existing.error());
    Json copy = workload::primary_config(*source, existing.value_or(Json()), spec_, shared_.options);
    const std::string verb = existing ? "updating" : "creating";
    base::Task<base::Result<Json>> write = existing ? api.replace(resource, std::move(copy), "", {})
                                                    : api.create(resource, spec_.ns, std::move(copy), {});
    const base::Result<Json> written = co_await std::move(write);
    if (!written) {
      co_return fail(written.error().within(fmt::format(
          "CreatePrimaryConfigs failed: {} {} {}-primary.{} failed", verb, noun, config.name, spec_.ns)));
    }
    shared_.announcer.note(spec_, {fmt::format("{} {}-primary synced", resource.kind, config.name)});
  }
  co_return Done();
}

base::Task<Done> Effects::ensure_primary(canary::EnsurePrimary wanted) {
  const World::Value primary = find(resources::deployments, spec_.primary_name());
  if (primary && !is_foreign(*primary, spec_)) co_return Done();
  const World::Value target = find(resources::deployments, spec_.target_name);
  const base::Result<workload::SelectorLabel> found = label();
  if (!found) co_return fail(found.error());
  const base::Result<TrackedConfigs> tracked =
      co_await shared_.configs.track(spec_.ns, target->get("spec", "template"));
  if (!tracked) co_return fail(tracked.error().within("createPrimaryDeployment failed"));
  const Done copied = co_await copy_configs(*tracked, target->get("spec", "template"));
  if (!copied) co_return fail(copied.error().within("createPrimaryDeployment failed"));
  const workload::PrimarySource source{*target, *found, tracked->keys(), wanted.id};
  Json object = workload::new_primary(source, spec_, shared_.options);
  const Done done = co_await create(
      resources::deployments, std::move(object),
      fmt::format("createPrimaryDeployment failed: creating deployment {} failed", spec_.primary_dotted()));
  if (done) shared_.announcer.note(spec_, {fmt::format("Deployment {} created", spec_.primary_dotted())});
  co_return done;
}

base::Task<Done> Effects::ensure_primary_scaler(canary::EnsurePrimaryScaler wanted) {
  if (!spec_.autoscaler) co_return Done();
  const std::string name = spec_.autoscaler->name;
  const std::string primary_name = name + "-primary";
  const World::Value hpa = find(resources::hpas, name);
  if (!hpa) {
    co_return fail(Errc::not_found, fmt::format("HorizontalPodAutoscaler {}.{} get query error: "
                                                "horizontalpodautoscalers.autoscaling \"{}\" not found",
                                                name, spec_.ns, name));
  }
  const World::Value live = find(resources::hpas, primary_name);
  if (!live || is_foreign(*live, spec_)) {
    Json created = workload::new_primary_hpa(*hpa, spec_);
    const Done done = co_await create(
        resources::hpas, std::move(created),
        fmt::format("creating HorizontalPodAutoscaler v2 {}.{} failed", primary_name, spec_.ns));
    if (done)
      shared_.announcer.note(
          spec_, {fmt::format("HorizontalPodAutoscaler v2 {}.{} created", primary_name, spec_.ns)});
    co_return done;
  }
  if (!wanted.update) co_return Done();
  Json updated = workload::updated_primary_hpa(*live, *hpa, spec_);
  if (updated == *live) co_return Done();
  const Done done = co_await replace(
      resources::hpas, std::move(updated),
      fmt::format("updating HorizontalPodAutoscaler v2 {}.{} failed", primary_name, spec_.ns));
  if (done)
    shared_.announcer.note(spec_,
                           {fmt::format("HorizontalPodAutoscaler v2 {}.{} updated", primary_name, spec_.ns)});
  co_return done;
}

base::Task<Done> Effects::ensure_route() {
  const std::string dotted = spec_.service.name + "." + spec_.ns;
  const World::Value live = find(split_resource(), spec_.service.name);
  if (!live || is_foreign(*live, spec_)) {
    Json split = routing::new_traffic_split(spec_, {});
    const Done done = co_await create(split_resource(), std::move(split),
                                      fmt::format("TrafficSplit {} create error", dotted));
    if (done) shared_.announcer.note(spec_, {fmt::format("TrafficSplit {} created", dotted)});
    co_return done;
  }
  Json wanted = routing::reconciled_traffic_split(*live, spec_);
  if (wanted == *live) co_return Done();
  const Done done = co_await replace(split_resource(), std::move(wanted),
                                     fmt::format("TrafficSplit {} update error", dotted));
  if (done) shared_.announcer.note(spec_, {fmt::format("TrafficSplit {} updated", dotted)});
  co_return done;
}

base::Task<Done> Effects::set_routes(canary::Routes routes) {
  const std::string dotted = spec_.service.name + "." + spec_.ns;
  const World::Value live = find(split_resource(), spec_.service.name);
  if (!live) {
    co_return fail(
        Errc::not_found,
        fmt::format("TrafficSplit {} get query error trafficsplits.split.smi-spec.io \"{}\" not found",
                    dotted, spec_.service.name));
  }
  Json wanted = routing::weighted_traffic_split(*live, spec_, routes);
  const Done done = co_await replace(split_resource(), std::move(wanted),
                                     fmt::format("TrafficSplit {} update error", dotted));
  if (done) shared_.meter.weight(spec_, routes);
  co_return done;
}

base::Task<Done> Effects::scale_target(canary::ScaleTarget::To to) {
  const World::Value target = find(resources::deployments, spec_.target_name);
  if (!target) {
    co_return fail(Errc::not_found,
                   fmt::format("deployment {} get query error: deployments.apps \"{}\" not found",
                               spec_.target_dotted(), spec_.target_name));
  }
  const World::Value primary = find(resources::deployments, spec_.primary_name());
  const World::Value scaler = spec_.autoscaler ? find(resources::hpas, spec_.autoscaler->name) : nullptr;
  const Json none;
  std::int64_t replicas = 0;
  if (to == canary::ScaleTarget::To::from_zero || !primary) {
    replicas =
        workload::replicas_from_zero(*target, primary ? *primary : none, spec_, scaler ? *scaler : none);
  } else if (to == canary::ScaleTarget::To::primary) {
    replicas = std::max<std::int64_t>(1, primary->get("spec", "replicas").int_or(1));
  }
  if (to == canary::ScaleTarget::To::zero) replicas = 0;
  if (target->get("spec", "replicas").int_or(1) == replicas) co_return Done();
  Json patch;
  patch.set("spec", "replicas") = replicas;
  base::Result<Json> patched = co_await shared_.world.api().patch(
      resources::deployments, spec_.ns, spec_.target_name, kube::PatchType::merge, std::move(patch), "", {});
  if (!patched) {
    const std::string attempt =
        replicas == 0 ? fmt::format("deployment {} patch query error", spec_.target_dotted())
                      : fmt::format("scaling up {} to {} failed", spec_.target_dotted(), replicas);
    co_return fail(patched.error().within(attempt));
  }
  shared_.world.wrote(resources::deployments, std::move(*patched));
  co_return Done();
}

base::Task<Done> Effects::promote(canary::Promote wanted) {
  const std::string attempt =
      fmt::format("updating deployment {} template spec failed", spec_.primary_dotted());
  // Read now, not from the cache: what is copied must be what was analysed.
  kube::Api& api = shared_.world.api();
  const base::Result<Json> target = co_await api.get(resources::deployments, spec_.ns, spec_.target_name);
  if (!target) co_return fail(target.error().within(attempt));
  if (canary::view_deployment(*target).revision != wanted.revision) {
    co_return fail(Errc::conflict,
                   fmt::format("{}: {} has changed since it was analysed", attempt, spec_.target_dotted()));
  }
  const base::Result<Json> primary = co_await api.get(resources::deployments, spec_.ns, spec_.primary_name());
  if (!primary) co_return fail(primary.error().within(attempt));
  if (workload::primary_id(*primary) == wanted.id) co_return Done();
  const base::Result<workload::SelectorLabel> found = workload::selector_label(*target, shared_.options);
  if (!found) co_return fail(found.error().within(attempt));
  const base::Result<TrackedConfigs> tracked =
      co_await shared_.configs.track(spec_.ns, target->get("spec", "template"));
  if (!tracked) co_return fail(tracked.error().within(attempt));
  const Done copied = co_await copy_configs(*tracked, target->get("spec", "template"));
  if (!copied) co_return fail(copied.error().within(attempt));
  const workload::PrimarySource source{*target, *found, tracked->keys(), wanted.id};
  Json promoted = workload::promoted_primary(*primary, source, spec_, shared_.options);
  const Done done = co_await replace(resources::deployments, std::move(promoted), attempt);
  co_return done;
}

base::Task<Done> Effects::restore_primary() {
  const std::string attempt = fmt::format("restoring deployment {} failed", spec_.primary_dotted());
  kube::Api& api = shared_.world.api();
  const base::Result<Json> primary = co_await api.get(resources::deployments, spec_.ns, spec_.primary_name());
  if (!primary) co_return fail(primary.error().within(attempt));
  const base::Result<kube::List> replicasets = co_await api.list(resources::replicasets, spec_.ns, {});
  if (!replicasets) co_return fail(replicasets.error().within(attempt));
  const auto revision_of = [](const Json& object) {
    const std::string& text =
        object.get("metadata", "annotations", "deployment.kubernetes.io/revision").str();
    return text.empty() ? 0 : std::atoi(text.c_str());
  };
  const Json* previous = nullptr;
  for (const Json& replicaset : replicasets->items) {
    const bool own = kube::controller_owner(replicaset)["uid"].str() == kube::uid_of(*primary);
    const bool current = workload::primary_id(replicaset) == workload::primary_id(*primary);
    if (own && !current && (!previous || revision_of(replicaset) > revision_of(*previous)))
      previous = &replicaset;
  }
  if (!previous)
    co_return fail(Errc::not_found, attempt + ": it has no earlier ReplicaSet; repair it by hand");
  Json restored = workload::restored_primary(*primary, *previous);
  const Done done = co_await replace(resources::deployments, std::move(restored), attempt);
  if (done)
    shared_.announcer.note(
        spec_, {fmt::format("Deployment {} has its previous template again", spec_.primary_dotted())});
  co_return done;
}

base::Task<Done> Effects::release_apex() {
  const base::Result<workload::SelectorLabel> found = label();
  if (!found) co_return Done();
  const World::Value live = find(resources::services, spec_.service.name);
  if (!live) co_return Done();
  Json released = routing::released_service(*live, spec_, *found);
  if (released == *live) co_return Done();
  const Done done =
      co_await replace(resources::services, std::move(released),
                       fmt::format("failed revert router: service {} update error", spec_.service.name));
  if (done) shared_.announcer.note(spec_, {fmt::format("{} router reverted", spec_.dotted())});
  co_return done;
}

base::Task<Done> Effects::remove_finalizer() {
  Json object = *canary_;
  Json& finalizers = object.set("metadata", "finalizers");
  std::erase(finalizers.make_array(), Json("finalizer.flagger.app"));
  base::Result<Json> written =
      co_await shared_.world.api().replace(resources::canaries, std::move(object), "", {});
  if (!written) co_return fail(std::move(written.error()));
  shared_.world.removed(resources::canaries, kube::ref_of(*canary_));
  co_return Done();
}

}  // namespace serin::controller
