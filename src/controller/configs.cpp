#include "controller/configs.h"

#include <fmt/format.h>

namespace serin::controller {

std::set<std::string> TrackedConfigs::keys() const {
  std::set<std::string> keys;
  for (const auto& [key, checksum] : checksums) keys.insert(key);
  return keys;
}

const kube::Resource& resource_of(const workload::ConfigRef& ref) {
  return ref.secret ? kube::resources::secrets : kube::resources::configmaps;
}

base::Task<base::Result<ConfigTracker::Known>> ConfigTracker::look_up(kube::Resource resource,
                                                                      kube::ObjectRef ref,
                                                                      std::string version) {
  Known& known = known_[{resource.plural, ref}];
  if (!version.empty() && known.version == version) co_return known;
  base::Result<Json> object = co_await world_.api().get(resource, ref.ns, ref.name);
  if (!object) co_return base::fail(std::move(object.error()));
  if ((*object)["kind"].is_null()) object->set("kind") = resource.kind;
  Known fresh{kube::resource_version_of(*object), workload::is_tracked(*object),
              workload::config_checksum(*object)};
  known_[{resource.plural, ref}] = fresh;
  co_return fresh;
}

base::Task<base::Result<TrackedConfigs>> ConfigTracker::track(std::string ns, Json pod_template) {
  TrackedConfigs result;
  if (!enabled_) co_return result;
  for (const workload::ConfigRef& ref : workload::config_refs(pod_template)) {
    const kube::Resource resource = resource_of(ref);
    const kube::ObjectRef object{ns, ref.name};
    const World::Value metadata = world_.find(resource, object);
    const std::string version = metadata ? kube::resource_version_of(*metadata) : "";
    if (!metadata && ref.optional) continue;
    const base::Result<Known> known = co_await look_up(resource, object, version);
    if (!known && known.error().code == base::Errc::not_found && ref.optional) continue;
    if (!known) {
      const std::string_view noun = ref.secret ? "secret" : "configmap";
      co_return base::fail(known.error().code,
                           fmt::format("GetTargetConfigs failed: {} {} get query error: {}", noun,
                                       object.dotted(), known.error().message));
    }
    if (known->tracked) result.checksums[ref.key()] = known->checksum;
  }
  co_return result;
}

}  // namespace serin::controller
