#include "local/apiserver/registry.h"

#include <fmt/format.h>

#include <utility>

namespace serin::local {

using base::Errc;
using base::Result;
using kube::ObjectRef;

Registry::Registry(Store& store, base::Clock& clock, base::Random& random, ClusterIps cluster_ips,
                   std::size_t history)
    : store_(store),
      clock_(clock),
      random_(random),
      cluster_ips_(std::move(cluster_ips)),
      catalog_(history) {}

Result<std::unique_ptr<Registry>> Registry::open(Store& store, base::Clock& clock, base::Random& random,
                                                 RegistryOptions options) {
  Result<ClusterIps> cluster_ips = ClusterIps::parse(options.service_cidr);
  if (!cluster_ips) return base::fail(cluster_ips.error());
  std::unique_ptr<Registry> registry(
      new Registry(store, clock, random, std::move(*cluster_ips), options.history_max));
  Result<void> loaded = registry->load();
  if (!loaded) return base::fail(loaded.error());
  Result<void> made = registry->make_defaults();
  if (!made) return base::fail(made.error());
  return registry;
}

Result<void> Registry::load() {
  Result<StoreContents> contents = store_.load();
  if (!contents) return base::fail(contents.error());
  revision_ = contents->revision;
  for (StoredObject& stored : contents->objects) {
    catalog_.collection(stored.key.group, stored.key.plural)->load(std::move(stored.object));
  }
  for (const auto& [key, collection] : catalog_.collections()) collection->begin_history(revision_);
  const kube::Resource& crds = kube::resources::crds;
  for (const auto& [ref, crd] : catalog_.collection(crds.group, crds.plural)->objects()) {
    Result<void> served = catalog_.serve(*crd);
    if (!served)
      return base::fail(served.error().within(fmt::format("CustomResourceDefinition {}", ref.name)));
  }
  for (const auto& [ref, service] : catalog_.collection("", "services")->objects())
    cluster_ips_.claim(*service);
  return {};
}

Result<void> Registry::make_defaults() {
  const WriteFlags flags{.manager = "serin-apiserver"};
  std::vector<std::pair<kube::Resource, Json>> wanted;
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    wanted.emplace_back(kube::resources::namespaces,
                        Json::object({{"metadata", Json::object({{"name", name}})}}));
  }
  const Json labels = Json::object({{"component", "apiserver"}, {"provider", "kubernetes"}});
  const Json port =
      Json::object({{"name", "https"}, {"port", 443}, {"protocol", "TCP"}, {"targetPort", 6443}});
  wanted.emplace_back(
      kube::resources::services,
      Json::object(
          {{"metadata", Json::object({{"name", "kubernetes"}, {"namespace", "default"}, {"labels", labels}})},
           {"spec", Json::object({{"clusterIP", cluster_ips_.first()},
                                  {"ports", Json::array({port})},
                                  {"type", "ClusterIP"}})}}));
  for (auto& [resource, object] : wanted) {
    StatusResult<Written> made = create(resource, kube::namespace_of(object), object, flags);
    if (!made && made.error().reason != "AlreadyExists") return base::fail(to_error(made.error()));
  }
  return {};
}

std::string Registry::now_text() const {
  return base::format_rfc3339(clock_.wall_now());
}

StatusResult<std::shared_ptr<const Served>> Registry::serve(const kube::Resource& resource) const {
  std::shared_ptr<const Served> served = catalog_.find(resource.group, resource.version, resource.plural);
  if (served == nullptr) return std::unexpected(no_such_resource());
  return served;
}

StatusResult<Registry::Target> Registry::find(const kube::Resource& resource, const ObjectRef& ref,
                                              std::string_view subresource) const {
  StatusResult<std::shared_ptr<const Served>> served = serve(resource);
  if (!served) return std::unexpected(served.error());
  if (!subresource.empty() && !(*served)->has_subresource(subresource)) {
    return std::unexpected(no_such_resource());
  }
  ObjectPtr stored = (*served)->collection->find(ref);
  ObjectPtr view = stored == nullptr ? nullptr : (*served)->view(stored);
  return Target{std::move(*served), std::move(stored), std::move(view), std::string(subresource)};
}

StatusResult<ObjectPtr> Registry::get(const kube::Resource& resource, const ObjectRef& ref,
                                      std::string_view subresource) const {
  StatusResult<Target> target = find(resource, ref, subresource);
  if (!target) return std::unexpected(target.error());
  if (target->stored == nullptr) return std::unexpected(target->served->not_found(ref.name));
  if (subresource == "scale") {
    return std::make_shared<const Json>(scale_of(*target->served->builtin, *target->view));
  }
  return target->view;
}

StatusResult<ObjectPtr> Registry::commit(const Served& served, ObjectPtr previous, Json object) {
  const std::uint64_t revision = revision_ + 1;
  object.set("metadata", "resourceVersion") = std::to_string(revision);
  auto stored = std::make_shared<const Json>(std::move(object));
  const StoreKey key = served.collection->key(kube::ref_of(*stored));
  const Result<void> written = store_.put(key, stored, revision);
  if (!written) return std::unexpected(internal_error(written.error().message));
  revision_ = revision;
  const ChangeType type = previous == nullptr ? ChangeType::added : ChangeType::modified;
  served.collection->record({revision, type, stored, previous});
  after_commit(served, previous, *stored);
  return stored;
}

StatusResult<ObjectPtr> Registry::commit_removal(const Served& served, const ObjectPtr& previous) {
  const std::uint64_t revision = revision_ + 1;
  Json last = *previous;
  last.set("metadata", "resourceVersion") = std::to_string(revision);
  const Result<void> written = store_.remove(served.collection->key(kube::ref_of(last)), revision);
  if (!written) return std::unexpected(internal_error(written.error().message));
  revision_ = revision;
  auto object = std::make_shared<const Json>(std::move(last));
  served.collection->record({revision, ChangeType::deleted, object, previous});
  after_removal(served, *object);
  return object;
}

void Registry::after_commit(const Served& served, const ObjectPtr& previous, const Json& object) {
  if (served.is(kube::resources::services)) {
    if (previous != nullptr) cluster_ips_.release(*previous);
    cluster_ips_.claim(object);
  }
  // The schema was compiled once during validation, so this cannot fail any more.
  if (served.is(kube::resources::crds)) (void)catalog_.serve(object);
}

void Registry::after_removal(const Served& served, const Json& object) {
  if (served.is(kube::resources::services)) cluster_ips_.release(object);
  if (served.is(kube::resources::crds)) catalog_.withdraw(object);
  if (served.builtin != nullptr) return;
  const kube::Resource& crds = kube::resources::crds;
  const ObjectPtr crd = catalog_.collection(crds.group, crds.plural)
                            ->find({"", served.resource.plural + "." + served.resource.group});
  if (crd != nullptr && kube::is_being_deleted(*crd)) finish_crd_if_empty(*crd);
}

void Registry::forget_events(base::Duration older_than) {
  const std::shared_ptr<const Served> events = catalog_.find("", "v1", "events");
  const base::WallTime oldest =
      clock_.wall_now() - std::chrono::duration_cast<std::chrono::milliseconds>(older_than);
  std::vector<ObjectPtr> old;
  for (const auto& [ref, event] : events->collection->objects()) {
    const Json& last = (*event)["lastTimestamp"].is_string() ? (*event)["lastTimestamp"]
                                                             : event->get("metadata", "creationTimestamp");
    const Result<base::WallTime> time = base::parse_rfc3339(last.str());
    if (time && *time < oldest) old.push_back(event);
  }
  for (const ObjectPtr& event : old) (void)commit_removal(*events, event);
}

base::Error to_error(const StatusError& status) {
  static const std::map<std::string_view, Errc> codes{{"NotFound", Errc::not_found},
                                                      {"AlreadyExists", Errc::already_exists},
                                                      {"Conflict", Errc::conflict},
                                                      {"Expired", Errc::gone},
                                                      {"Gone", Errc::gone},
                                                      {"Invalid", Errc::invalid},
                                                      {"BadRequest", Errc::invalid},
                                                      {"Unauthorized", Errc::forbidden},
                                                      {"Forbidden", Errc::forbidden},
                                                      {"Timeout", Errc::timeout},
                                                      {"TooManyRequests", Errc::unavailable},
                                                      {"ServiceUnavailable", Errc::unavailable}};
  const auto found = codes.find(status.reason);
  if (found != codes.end()) return {found->second, status.message};
  return {status.code >= 500 ? Errc::unavailable : Errc::rejected, status.message};
}

Json success_status(const Served& served, const Json& object) {
  Json details = Json::object({{"name", kube::name_of(object)}});
  if (!served.resource.group.empty()) details.set("group") = served.resource.group;
  details.set("kind") = served.resource.plural;
  details.set("uid") = kube::uid_of(object);
  return Json::object({{"kind", "Status"},
                       {"apiVersion", "v1"},
                       {"metadata", Json::object()},
                       {"status", "Success"},
                       {"details", std::move(details)}});
}

}  // namespace serin::local
