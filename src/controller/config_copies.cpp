#include "controller/config_copies.h"

#include <fmt/format.h>

namespace serin::controller {

using base::Errc;
using base::fail;
using canary::Done;
using workload::ConfigRef;

base::Task<base::Result<std::set<std::string>>> ConfigCopies::copy(Json pod_template,
                                                                   std::string primary_id) {
  const base::Result<TrackedConfigs> tracked = co_await configs_.track(spec_.ns, pod_template);
  if (!tracked) co_return fail(tracked.error());
  for (const ConfigRef& config : workload::config_refs(pod_template)) {
    if (!tracked->checksums.contains(config.key())) continue;
    const Done copied = co_await copy_one(config, primary_id);
    if (!copied) co_return fail(copied.error());
  }
  co_return tracked->keys();
}

base::Task<Done> ConfigCopies::copy_one(ConfigRef config, std::string primary_id) {
  const kube::Resource resource = resource_of(config);
  const std::string noun = config.secret ? "secret" : "configmap";
  base::Result<Json> source = co_await objects_.api().get(resource, spec_.ns, config.name);
  if (!source) {
    co_return fail(source.error().within(
        fmt::format("CreatePrimaryConfigs failed: {} {}.{} get query failed ", noun, config.name, spec_.ns)));
  }
  source->set("kind") = resource.kind;
  config.name += "-primary";
  base::Result<Json> existing = co_await read(config);
  if (!existing) co_return fail(existing.error());
  Json copy = workload::primary_config(*source, *existing, spec_, options_);
  if (!primary_id.empty() && !existing->is_null() && !workload::same_contents(*existing, copy)) {
    const Done kept = co_await keep(config, *existing, primary_id);
    if (!kept) co_return kept;
  }
  const std::string attempt =
      fmt::format("CreatePrimaryConfigs failed: {} {} {}.{} failed",
                  existing->is_null() ? "creating" : "updating", noun, config.name, spec_.ns);
  Done written = co_await put(resource, *std::move(existing), std::move(copy), attempt);
  if (written) objects_.note(fmt::format("{} {} synced", resource.kind, config.name));
  co_return written;
}

base::Task<Done> ConfigCopies::keep(ConfigRef config, Json copy, std::string primary_id) {
  const std::string attempt =
      fmt::format("CreatePrimaryConfigs failed: keeping the contents of {} failed", config.name);
  Json kept = workload::kept_config(copy, primary_id);
  config.name = kube::name_of(kept);
  base::Result<Json> there = co_await read(config);
  if (!there) co_return fail(there.error().within(attempt));
  if (!there->is_null() && workload::kept_for(*there).empty()) {
    co_return fail(
        Errc::rejected,
        fmt::format("{}: {} {}.{} is somebody else's: delete it, its name is needed while a promotion "
                    "is under way",
                    attempt, config.secret ? "secret" : "configmap", config.name, spec_.ns));
  }
  // A promotion that was interrupted has kept it already; what is in the copy now may be half of that one.
  if (workload::kept_for(*there) == primary_id) co_return Done();
  Done written = co_await put(resource_of(config), *std::move(there), std::move(kept), attempt);
  co_return written;
}

base::Task<Done> ConfigCopies::restore(Json pod_template, std::string primary_id) {
  for (const ConfigRef& copy : workload::config_refs(pod_template)) {
    const Done restored = co_await restore_one(copy, primary_id);
    if (!restored) co_return restored;
  }
  co_return Done();
}

base::Task<Done> ConfigCopies::restore_one(ConfigRef copy, std::string primary_id) {
  const std::string attempt =
      fmt::format("restoring {} {} failed", copy.secret ? "secret" : "configmap", copy.name);
  ConfigRef kept_ref = copy;
  kept_ref.name = workload::kept_name(copy.name);
  const base::Result<Json> kept = co_await read(kept_ref);
  if (!kept) co_return fail(kept.error().within(attempt));
  if (workload::kept_for(*kept) != primary_id) co_return Done();
  base::Result<Json> there = co_await read(copy);
  if (!there) co_return fail(there.error().within(attempt));
  Json restored = workload::restored_config(*kept, copy.name);
  Done written = co_await put(resource_of(copy), *std::move(there), std::move(restored), attempt);
  if (written)
    objects_.note(fmt::format("{} {} has its previous contents again", resource_of(copy).kind, copy.name));
  co_return written;
}

base::Task<void> ConfigCopies::forget(Json pod_template) {
  for (const ConfigRef& copy : workload::config_refs(pod_template)) {
    const kube::Resource resource = resource_of(copy);
    const World::Value kept = objects_.find(resource, workload::kept_name(copy.name));
    if (!kept || workload::kept_for(*kept).empty()) continue;  // somebody else's object of that name stays
    const Done removed = co_await objects_.remove(
        resource, *kept, fmt::format("deleting {} failed", kube::name_of(*kept)), "");
    if (!removed) objects_.note(removed.error().message);
  }
}

base::Task<base::Result<Json>> ConfigCopies::read(ConfigRef ref) {
  const kube::Resource resource = resource_of(ref);
  base::Result<Json> object = co_await objects_.api().get(resource, spec_.ns, ref.name);
  if (!object && object.error().code == Errc::not_found) co_return Json();
  if (object) object->set("kind") = resource.kind;
  co_return object;
}

base::Task<Done> ConfigCopies::put(kube::Resource resource, Json there, Json object, std::string attempt) {
  if (!there.is_null() && workload::must_be_replaced(there, object)) {
    const Done removed = co_await objects_.api().remove(resource, spec_.ns, kube::name_of(there),
                                                        {.uid = kube::uid_of(there)});
    if (!removed) co_return fail(removed.error().within(attempt));
    there = Json();
  }
  base::Task<base::Result<Json>> write =
      there.is_null() ? objects_.api().create(resource, spec_.ns, std::move(object), {})
                      : objects_.api().replace(resource, std::move(object), "", {});
  const base::Result<Json> written = co_await std::move(write);
  if (!written) co_return fail(written.error().within(attempt));
  co_return Done();
}

}  // namespace serin::controller
