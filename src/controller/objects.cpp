#include "controller/objects.h"

namespace serin::controller {

using base::fail;
using canary::Done;

World::Value Objects::find(const kube::Resource& resource, const kube::ObjectRef& ref) const {
  World::Value object = world_.find(resource, ref);
  if (!object || kube::is_being_deleted(*object)) return nullptr;
  const Json& owner = kube::controller_owner(*object);
  const bool of_earlier =
      owner["kind"].str() == "Canary" && owner["name"].str() == spec_.name && owner["uid"].str() != spec_.uid;
  return of_earlier ? nullptr : object;
}

World::Value Objects::find(const kube::Resource& resource, const std::string& name) const {
  return find(resource, kube::ObjectRef{spec_.ns, name});
}

Done Objects::conclude(const kube::Resource& resource, base::Result<Json> written, const std::string& attempt,
                       std::string done) {
  if (!written) return fail(written.error().within(attempt));
  world_.wrote(resource, std::move(*written));
  if (!done.empty()) note(std::move(done));
  return {};
}

base::Task<Done> Objects::create(kube::Resource resource, Json object, std::string attempt,
                                 std::string done) {
  const std::string ns = kube::namespace_of(object);
  base::Result<Json> created = co_await api().create(resource, ns, std::move(object), {});
  co_return conclude(resource, std::move(created), attempt, std::move(done));
}

base::Task<Done> Objects::replace(kube::Resource resource, Json object, std::string attempt,
                                  std::string done) {
  base::Result<Json> replaced = co_await api().replace(resource, std::move(object), "", {});
  co_return conclude(resource, std::move(replaced), attempt, std::move(done));
}

base::Task<Done> Objects::remove(kube::Resource resource, Json object, std::string attempt,
                                 std::string done) {
  const kube::ObjectRef ref = kube::ref_of(object);
  const Done removed = co_await api().remove(resource, ref.ns, ref.name, {.uid = kube::uid_of(object)});
  if (!removed && removed.error().code != base::Errc::not_found)
    co_return fail(removed.error().within(attempt));
  world_.removed(resource, ref);
  if (!done.empty()) note(std::move(done));
  co_return Done();
}

base::Task<Done> Objects::patch(kube::Resource resource, std::string name, Json merge, std::string attempt,
                                std::string done) {
  base::Result<Json> patched = co_await api().patch(resource, spec_.ns, std::move(name),
                                                    kube::PatchType::merge, std::move(merge), "", {});
  co_return conclude(resource, std::move(patched), attempt, std::move(done));
}

base::Task<void> Objects::refresh(kube::Resource resource, kube::ObjectRef ref) {
  base::Result<Json> now = co_await api().get(resource, ref.ns, ref.name);
  if (now) {
    world_.wrote(resource, std::move(*now));
  } else if (now.error().code == base::Errc::not_found) {
    world_.removed(resource, ref);
  }
}

}  // namespace serin::controller
