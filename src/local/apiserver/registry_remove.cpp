#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "local/apiserver/registry.h"

namespace serin::local {
namespace {

using kube::ObjectRef;

constexpr int grace_default = 30;

bool has_finalizer(const Json& object, std::string_view name) {
  const Json::Array& list = object.get("metadata", "finalizers").items();
  return std::any_of(list.begin(), list.end(), [&](const Json& item) { return item.str() == name; });
}

void set_finalizer(Json& object, std::string_view name, bool wanted) {
  if (has_finalizer(object, name) == wanted) return;
  Json::Array& list = object.set("metadata", "finalizers").make_array();
  if (wanted) {
    list.emplace_back(name);
  } else {
    std::erase_if(list, [&](const Json& item) { return item.str() == name; });
    if (list.empty()) object.set("metadata").erase("finalizers");
  }
}

/// The garbage collector acts on these marks. No policy leaves the object's own marks alone.
void mark_propagation(Json& object, const std::string& policy) {
  if (policy.empty()) return;
  set_finalizer(object, "foregroundDeletion", policy == "Foreground");
  set_finalizer(object, "orphan", policy == "Orphan");
}

/// Seconds a pod keeps running after its deletion: nothing where no process can be there.
int grace_of(const Json& pod, const kube::DeleteOptions& options) {
  const std::string& phase = pod.get("status", "phase").str();
  if (pod.get("spec", "nodeName").str().empty() || phase == "Succeeded" || phase == "Failed") return 0;
  const auto configured = pod.get("spec", "terminationGracePeriodSeconds").int_or(grace_default);
  const int grace = options.grace_seconds.value_or(static_cast<int>(configured));
  return grace < 0 ? 1 : grace;
}

StatusResult<void> check_preconditions(const Served& served, const Json& object,
                                       const kube::DeleteOptions& options) {
  const std::string name = kube::name_of(object);
  if (!options.uid.empty() && options.uid != kube::uid_of(object)) {
    return std::unexpected(served.conflict(
        name, fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", options.uid,
                          kube::uid_of(object))));
  }
  const std::string revision = kube::resource_version_of(object);
  if (!options.resource_version.empty() && options.resource_version != revision) {
    return std::unexpected(served.conflict(
        name,
        fmt::format("Precondition failed: ResourceVersion in precondition: {}, ResourceVersion in object "
                    "meta: {}",
                    options.resource_version, revision)));
  }
  return {};
}

bool is_protected_namespace(std::string_view name) {
  return name == "default" || name == "kube-system" || name == "kube-public";
}

}  // namespace

StatusResult<Removed> Registry::remove(const kube::Resource& resource, const ObjectRef& ref,
                                       const RemoveFlags& flags) {
  StatusResult<Target> target = find(resource, ref, "");
  if (!target) return std::unexpected(target.error());
  if (target->stored == nullptr) return std::unexpected(target->served->not_found(ref.name));
  return remove_target(*target, flags);
}

StatusResult<Removed> Registry::remove_target(const Target& target, const RemoveFlags& flags) {
  const Served& served = *target.served;
  const std::string& policy = flags.options.propagation;
  if (!policy.empty() && policy != "Background" && policy != "Foreground" && policy != "Orphan") {
    const FieldErrors errors{
        FieldError::not_supported("propagationPolicy", Json(policy), {"Background", "Foreground", "Orphan"})};
    return std::unexpected(StatusError::invalid("meta.k8s.io", "DeleteOptions", "", errors));
  }
  const bool is_namespace = served.is(kube::resources::namespaces);
  if (is_namespace && is_protected_namespace(kube::name_of(*target.stored))) {
    return std::unexpected(
        served.forbidden(kube::name_of(*target.stored), "this namespace may not be deleted"));
  }
  StatusResult<void> allowed = check_preconditions(served, *target.stored, flags.options);
  if (!allowed) return std::unexpected(allowed.error());

  Json object = *target.stored;
  Json& metadata = object.set("metadata");
  const bool was_deleted = kube::is_being_deleted(object);
  int grace = served.is(kube::resources::pods) ? grace_of(object, flags.options) : 0;
  if (was_deleted)
    grace = std::min<int>(grace, static_cast<int>(metadata["deletionGracePeriodSeconds"].int_or(0)));
  mark_propagation(object, policy);
  const bool waits = grace > 0 || !metadata["finalizers"].empty() ||
                     (is_namespace && !object.get("spec", "finalizers").empty());
  if (flags.dry_run) return Removed{target.view, !waits};
  if (!waits) {
    StatusResult<ObjectPtr> gone = commit_removal(served, target.stored);
    if (!gone) return std::unexpected(gone.error());
    return Removed{served.view(*gone), true};
  }
  if (!was_deleted || metadata["deletionGracePeriodSeconds"].int_or(0) > grace) {
    metadata.set("deletionTimestamp") = base::format_rfc3339(clock_.wall_now() + std::chrono::seconds(grace));
    metadata.set("deletionGracePeriodSeconds") = grace;
    const auto generation = metadata["generation"].as_int();
    if (generation && !was_deleted) metadata.set("generation") = *generation + 1;
  }
  if (is_namespace) object.set("status", "phase") = "Terminating";
  const bool is_crd = served.is(kube::resources::crds);
  if (is_crd) mark_crd_terminating(object, now_text());
  if (object == *target.stored) return Removed{target.view, false};
  StatusResult<ObjectPtr> stored = commit(served, target.stored, std::move(object));
  if (!stored) return std::unexpected(stored.error());
  if (is_crd) {
    StatusResult<void> emptied = empty_crd(**stored);
    if (!emptied) return std::unexpected(emptied.error());
  }
  return Removed{served.view(*stored), false};
}

StatusResult<Listed> Registry::remove_all(const kube::Resource& resource, const std::string& ns,
                                          const ListFlags& which, const RemoveFlags& flags) {
  StatusResult<Listed> listed = list(resource, ns, which);
  if (!listed) return listed;
  for (const ObjectPtr& object : listed->items) {
    const StatusResult<Removed> removed = remove(resource, kube::ref_of(*object), flags);
    // Another deletion of this batch may have taken it along.
    if (!removed && removed.error().reason != "NotFound") return std::unexpected(removed.error());
  }
  return listed;
}

StatusResult<void> Registry::empty_crd(const Json& crd) {
  const std::shared_ptr<Collection> instances =
      catalog_.collection(crd.get("spec", "group").str(), crd.get("spec", "names", "plural").str());
  std::shared_ptr<const Served> served;
  for (const auto& candidate : catalog_.all()) {
    if (candidate->collection == instances && candidate->builtin == nullptr) served = candidate;
  }
  std::vector<ObjectPtr> objects;
  for (const auto& [ref, object] : instances->objects()) objects.push_back(object);
  for (const ObjectPtr& object : objects) {
    if (served == nullptr) break;
    StatusResult<Removed> removed = remove_target(Target{served, object, served->view(object), ""}, {});
    if (!removed) return std::unexpected(removed.error());
  }
  finish_crd_if_empty(crd);
  return {};
}

void Registry::finish_crd_if_empty(const Json& crd) {
  const kube::Resource& crds = kube::resources::crds;
  const std::shared_ptr<const Served> served = catalog_.find(crds.group, crds.version, crds.plural);
  const ObjectPtr stored = served->collection->find(kube::ref_of(crd));
  const auto instances =
      catalog_.collections().find({crd.get("spec", "group").str(), crd.get("spec", "names", "plural").str()});
  if (stored == nullptr ||
      (instances != catalog_.collections().end() && !instances->second->objects().empty())) {
    return;
  }
  Json released = *stored;
  set_finalizer(released, crd_finalizer, false);
  const bool waits = !released.get("metadata", "finalizers").empty();
  // A store that cannot be written leaves the CRD as it is; deleting it again goes on from here.
  if (waits) {
    (void)commit(*served, stored, std::move(released));
  } else {
    (void)commit_removal(*served, std::make_shared<const Json>(std::move(released)));
  }
}

StatusResult<Json> Registry::create_in(const kube::Resource& resource, const ObjectRef& ref,
                                       std::string_view subresource, const Json& body,
                                       const WriteFlags& flags) {
  StatusResult<Target> target = find(resource, ref, subresource);
  if (!target) return std::unexpected(target.error());
  const Served& served = *target->served;
  if (target->stored == nullptr) return std::unexpected(served.not_found(ref.name));
  if (subresource == "eviction") {
    const Json& options = body["deleteOptions"];
    RemoveFlags removal{.dry_run = flags.dry_run};
    const auto grace = options["gracePeriodSeconds"].as_int();
    if (grace) removal.options.grace_seconds = static_cast<int>(*grace);
    removal.options.uid = options.get("preconditions", "uid").str();
    StatusResult<Removed> removed = remove_target(*target, removal);
    if (!removed) return std::unexpected(removed.error());
  } else if (subresource == "binding") {
    if (!target->view->get("spec", "nodeName").str().empty()) {
      return std::unexpected(
          served.conflict(ref.name, fmt::format("pod {} is already assigned to node \"{}\"", ref.name,
                                                target->view->get("spec", "nodeName").str())));
    }
    Json bound = *target->stored;
    bound.set("spec", "nodeName") = body.get("target", "name");
    bound.set("status", "conditions")
        .push_back(Json::object({{"lastProbeTime", nullptr},
                                 {"lastTransitionTime", now_text()},
                                 {"status", "True"},
                                 {"type", "PodScheduled"}}));
    StatusResult<ObjectPtr> stored = commit(served, target->stored, std::move(bound));
    if (!stored) return std::unexpected(stored.error());
  } else {
    return std::unexpected(method_not_supported(resource, "create"));
  }
  return Json::object({{"kind", "Status"},
                       {"apiVersion", "v1"},
                       {"metadata", Json::object()},
                       {"status", "Success"},
                       {"code", 201}});
}

}  // namespace serin::local
