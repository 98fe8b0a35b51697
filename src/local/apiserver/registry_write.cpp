#include <fmt/format.h>

#include <utility>

#include "local/apiserver/registry.h"
#include "local/machinery/patch.h"

namespace serin::local {
namespace {

using kube::ObjectRef;

constexpr std::size_t name_max = 63;
constexpr std::size_t suffix_length = 5;
constexpr std::string_view stale_text =
    "the object has been modified; please apply your changes to the latest version and try again";

std::unexpected<StatusError> bad_request(std::string text) {
  return std::unexpected(StatusError::bad_request(std::move(text)));
}

/// Fills in what the URL says and the body may leave out, and refuses contradictions.
StatusResult<void> identify(const Served& served, Json& object, const std::string& ns,
                            const std::string& name) {
  const kube::Resource& resource = served.resource;
  if (!object.is_object()) return bad_request("the request body is no object");
  if (object["kind"].str().empty()) object.set("kind") = resource.kind;
  if (object["apiVersion"].str().empty()) object.set("apiVersion") = resource.api_version();
  if (object["kind"].str() != resource.kind) {
    return bad_request(fmt::format(
        "{} in version \"{}\" cannot be handled as a {}: converting ({}).{} to ({}).{}: unknown conversion",
        object["kind"].str(), resource.version, resource.kind, resource.api_version(), object["kind"].str(),
        resource.api_version(), resource.kind));
  }
  if (object["apiVersion"].str() != resource.api_version()) {
    return bad_request(
        fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                    object["apiVersion"].str(), resource.api_version()));
  }
  Json& metadata = object.set("metadata");
  if (resource.namespaced) {
    if (metadata["namespace"].str().empty()) metadata.set("namespace") = ns;
    if (metadata["namespace"].str() != ns) {
      return bad_request(
          "the namespace of the provided object does not match the namespace sent on the request");
    }
  } else {
    metadata.erase("namespace");
  }
  if (name.empty()) return {};
  if (metadata["name"].str().empty()) metadata.set("name") = name;
  if (metadata["name"].str() != name) {
    return bad_request(fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                   metadata["name"].str(), name));
  }
  return {};
}

/// A write never decides over these; absent in what came, they are as before.
void keep_server_metadata(Json& object, const Json& old) {
  Json& metadata = object.set("metadata");
  for (const char* field :
       {"creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"}) {
    const Json& before = old.get("metadata", field);
    if (before.is_null()) {
      metadata.erase(field);
    } else {
      metadata.set(field) = before;
    }
  }
  if (metadata["uid"].str().empty()) metadata.set("uid") = old.get("metadata", "uid");
  metadata.set("resourceVersion") = old.get("metadata", "resourceVersion");
  metadata.erase("selfLink");
}

/// Whether an object under deletion has nothing left to wait for.
bool may_go(const Served& served, const Json& object) {
  if (!kube::is_being_deleted(object)) return false;
  if (!object.get("metadata", "finalizers").empty()) return false;
  if (object.get("metadata", "deletionGracePeriodSeconds").int_or(0) > 0) return false;
  return !served.is(kube::resources::namespaces) || object.get("spec", "finalizers").empty();
}

}  // namespace

FieldManager Registry::manager_of(const Target& target, const WriteFlags& flags) const {
  return {flags.manager, target.served->resource.api_version(), target.subresource, clock_.wall_now()};
}

StatusResult<void> Registry::check_namespace(const Served& served, const std::string& ns,
                                             const std::string& name) const {
  if (!served.resource.namespaced) return {};
  if (ns.empty()) return bad_request("an empty namespace may not be set during creation");
  const ObjectPtr found = catalog_.find("", "v1", "namespaces")->collection->find({"", ns});
  if (found == nullptr) return std::unexpected(StatusError::not_found("", "namespaces", ns));
  if (!kube::is_being_deleted(*found)) return {};
  StatusError error = served.forbidden(
      name, fmt::format("unable to create new content in namespace {} because it is being terminated", ns));
  error.details.set("causes") =
      Json::array({Json::object({{"reason", "NamespaceTerminating"},
                                 {"message", fmt::format("namespace {} is being terminated", ns)},
                                 {"field", "metadata.namespace"}})});
  return std::unexpected(std::move(error));
}

void Registry::set_birth_metadata(const Served& served, Json& object) {
  Json& metadata = object.set("metadata");
  for (const char* field :
       {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"}) {
    metadata.erase(field);
  }
  if (metadata["name"].str().empty() && !metadata["generateName"].str().empty()) {
    const std::string base = metadata["generateName"].str().substr(0, name_max - suffix_length);
    metadata.set("name") = base + random_.name_suffix(suffix_length);
  }
  metadata.set("uid") = random_.uuid();
  metadata.set("creationTimestamp") = now_text();
  metadata.erase("generation");
  if (served.has_generation()) metadata.set("generation") = 1;
}

FieldErrors Registry::complete(const Served& served, Json& object, const Json& old) const {
  if (served.is(kube::resources::services)) return cluster_ips_.assign(object, old);
  if (served.is(kube::resources::namespaces)) {
    object.set("metadata", "labels", "kubernetes.io/metadata.name") = kube::name_of(object);
    if (old.is_null()) object.set("spec", "finalizers") = Json::array({"kubernetes"});
    object.set("status", "phase") = kube::is_being_deleted(object) ? "Terminating" : "Active";
    return {};
  }
  if (!served.is(kube::resources::crds)) return {};
  FieldErrors errors = validate_crd(object);
  if (!errors.empty()) return errors;
  if (!old.is_null()) object.set("status") = old["status"];
  complete_crd(object, now_text());
  if (old.is_null()) object.set("metadata", "finalizers").push_back(crd_finalizer);
  return {};
}

StatusResult<Written> Registry::create(const kube::Resource& resource, const std::string& ns, Json object,
                                       const WriteFlags& flags) {
  StatusResult<std::shared_ptr<const Served>> served = serve(resource);
  if (!served) return std::unexpected(served.error());
  if (!kube::resource_version_of(object).empty()) {
    return std::unexpected(internal_error("resourceVersion should not be set on objects to be created"));
  }
  return create_object(Target{std::move(*served), nullptr, nullptr, ""}, ns, std::move(object), flags,
                       Tracking::update);
}

StatusResult<Written> Registry::create_object(const Target& target, const std::string& ns, Json object,
                                              const WriteFlags& flags, Tracking tracking) {
  const Served& served = *target.served;
  StatusResult<void> identified = identify(served, object, ns, "");
  if (!identified) return std::unexpected(identified.error());
  StatusResult<Decoded> decoded = served.decode(std::move(object), flags.validation);
  if (!decoded) return std::unexpected(decoded.error());
  object = std::move(decoded->object);

  StatusResult<void> home = check_namespace(served, ns, kube::name_of(object));
  if (!home) return std::unexpected(home.error());
  set_birth_metadata(served, object);
  if (served.collection->find(kube::ref_of(object)) != nullptr) {
    return std::unexpected(served.already_exists(kube::name_of(object)));
  }
  served.prepare(object, Json(), target.subresource);
  FieldErrors errors = served.validate(object, Json(), target.subresource);
  // The writer doesn't own an address that is allotted to its Service.
  const bool allots = served.is(kube::resources::services);
  if (errors.empty() && !allots) errors = complete(served, object, Json());
  if (errors.empty() && tracking == Tracking::update) {
    track_update(Json(), object, served.type(), manager_of(target, flags));
  }
  if (errors.empty() && allots) errors = complete(served, object, Json());
  if (!errors.empty()) return std::unexpected(served.invalid(kube::name_of(object), errors));

  Written written{.created = true, .warnings = std::move(decoded->warnings)};
  if (flags.dry_run) {
    written.object = std::make_shared<const Json>(std::move(object));
    return written;
  }
  served.to_storage(object);
  StatusResult<ObjectPtr> stored = commit(served, nullptr, std::move(object));
  if (!stored) return std::unexpected(stored.error());
  written.object = served.view(*stored);
  return written;
}

StatusResult<Written> Registry::replace(const kube::Resource& resource, const ObjectRef& ref,
                                        std::string_view subresource, Json object, const WriteFlags& flags) {
  StatusResult<Target> target = find(resource, ref, subresource);
  if (!target) return std::unexpected(target.error());
  const Served& served = *target->served;
  if (target->stored == nullptr) return std::unexpected(served.not_found(ref.name));
  if (subresource == "scale") return update_scale(*target, object, flags);
  StatusResult<void> identified = identify(served, object, ref.ns, ref.name);
  if (!identified) return std::unexpected(identified.error());
  if (served.builtin == nullptr && kube::resource_version_of(object).empty()) {
    FieldError missing =
        FieldError::invalid("metadata.resourceVersion", Json(0), "must be specified for an update");
    missing.message = "Invalid value: 0x0: must be specified for an update";
    return std::unexpected(served.invalid(ref.name, {missing}));
  }
  if (subresource == "finalize") {
    Json finalized = *target->view;
    finalized.set("spec", "finalizers") = object.get("spec", "finalizers");
    object.set("spec") = finalized["spec"];
    finalized.set("metadata", "resourceVersion") = kube::resource_version_of(object);
    object = std::move(finalized);
  }
  return update_object(*target, std::move(object), flags, Tracking::update);
}

StatusResult<Written> Registry::update_object(const Target& target, Json object, const WriteFlags& flags,
                                              Tracking tracking) {
  const Served& served = *target.served;
  const Json& old = *target.view;
  const std::string name = kube::name_of(old);
  StatusResult<void> identified = identify(served, object, kube::namespace_of(old), name);
  if (!identified) return std::unexpected(identified.error());
  const std::string uid = kube::uid_of(object);
  if (!uid.empty() && uid != kube::uid_of(old)) {
    return std::unexpected(served.conflict(
        name, fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", uid,
                          kube::uid_of(old))));
  }
  const std::string revision = kube::resource_version_of(object);
  if (!revision.empty() && revision != kube::resource_version_of(old)) {
    return std::unexpected(served.conflict(name, stale_text));
  }
  StatusResult<Decoded> decoded = served.decode(std::move(object), flags.validation);
  if (!decoded) return std::unexpected(decoded.error());
  object = std::move(decoded->object);

  keep_server_metadata(object, old);
  served.prepare(object, old, target.subresource == "scale" ? "" : target.subresource);
  FieldErrors errors = complete(served, object, old);
  if (errors.empty())
    errors = served.validate(object, old, target.subresource == "scale" ? "" : target.subresource);
  if (!errors.empty()) return std::unexpected(served.invalid(name, errors));
  if (target.subresource != "status" && served.has_generation() && served.changes_generation(old, object)) {
    object.set("metadata", "generation") = old.get("metadata", "generation").int_or(0) + 1;
  }
  if (tracking == Tracking::update) track_update(old, object, served.type(), manager_of(target, flags));

  Written written{.object = target.view, .warnings = std::move(decoded->warnings)};
  if (object == old && !may_go(served, object)) return written;
  if (flags.dry_run) {
    written.object = std::make_shared<const Json>(std::move(object));
    return written;
  }
  const bool goes = may_go(served, object);
  served.to_storage(object);
  StatusResult<ObjectPtr> stored =
      goes ? commit_removal(served, std::make_shared<const Json>(std::move(object)))
           : commit(served, target.stored, std::move(object));
  if (!stored) return std::unexpected(stored.error());
  written.object = served.view(*stored);
  return written;
}

StatusResult<Json> Registry::patched(const Target& target, kube::PatchType type, const Json& patch) const {
  const Json& base = *target.view;
  switch (type) {
    case kube::PatchType::json:
      return json_patch(base, patch);
    case kube::PatchType::merge:
      if (!patch.is_object()) return bad_request("the merge patch is no object");
      return merge_patch(base, patch);
    case kube::PatchType::strategic:
      if (target.served->builtin == nullptr) {
        return std::unexpected(StatusError{
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            {}});
      }
      return strategic_merge_patch(base, patch, target.served->type());
    case kube::PatchType::apply:
      break;
  }
  return std::unexpected(internal_error("apply is no plain patch"));
}

StatusResult<Written> Registry::patch(const kube::Resource& resource, const ObjectRef& ref,
                                      std::string_view subresource, kube::PatchType type, const Json& patch,
                                      const WriteFlags& flags) {
  StatusResult<Target> target = find(resource, ref, subresource);
  if (!target) return std::unexpected(target.error());
  if (type == kube::PatchType::apply && subresource != "scale") return apply(*target, ref, patch, flags);
  const Served& served = *target->served;
  if (target->stored == nullptr) return std::unexpected(served.not_found(ref.name));
  if (subresource == "scale") {
    const Json scale = scale_of(*served.builtin, *target->view);
    StatusResult<Json> changed = type == kube::PatchType::json
                                     ? json_patch(scale, patch)
                                     : StatusResult<Json>(merge_patch(scale, patch));
    if (!changed) return std::unexpected(changed.error());
    return update_scale(*target, *changed, flags);
  }
  StatusResult<Json> changed = patched(*target, type, patch);
  if (!changed) return std::unexpected(changed.error());
  return update_object(*target, std::move(*changed), flags, Tracking::update);
}

StatusResult<Written> Registry::update_scale(const Target& target, const Json& scale,
                                             const WriteFlags& flags) {
  const Served& served = *target.served;
  const std::string name = kube::name_of(*target.view);
  if (!kube::name_of(scale).empty() && kube::name_of(scale) != name) {
    return bad_request(fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                   kube::name_of(scale), name));
  }
  Json object = *target.view;
  set_scale(object, scale);
  object.set("metadata", "resourceVersion") = kube::resource_version_of(scale);
  StatusResult<Written> written = update_object(target, std::move(object), flags, Tracking::update);
  if (!written) return written;
  written->object = std::make_shared<const Json>(scale_of(*served.builtin, *written->object));
  return written;
}

StatusResult<Written> Registry::apply(const Target& target, const ObjectRef& ref, const Json& configuration,
                                      const WriteFlags& flags) {
  const Served& served = *target.served;
  Json wanted = configuration;
  StatusResult<void> identified = identify(served, wanted, ref.ns, ref.name);
  if (!identified) return std::unexpected(identified.error());
  if (!wanted.get("metadata", "managedFields").empty()) {
    return bad_request("metadata.managedFields must be nil");
  }
  if (target.stored == nullptr && !target.subresource.empty())
    return std::unexpected(served.not_found(ref.name));
  if (target.stored == nullptr && !kube::uid_of(wanted).empty()) {
    return std::unexpected(served.conflict(
        ref.name,
        fmt::format("uid mismatch: the provided object specified uid {}, and no existing object was found",
                    kube::uid_of(wanted))));
  }
  // Unknown fields are reported from what was written, not from what the merge made of it.
  StatusResult<Decoded> decoded = served.decode(wanted, flags.validation);
  if (!decoded) return std::unexpected(decoded.error());
  if (served.builtin == nullptr) served.custom->schema.prune(wanted);
  StatusResult<Json> merged = server_side_apply(target.view ? *target.view : Json(), wanted, served.type(),
                                                manager_of(target, flags), flags.force);
  if (!merged) return std::unexpected(merged.error());
  WriteFlags quiet = flags;
  quiet.validation = FieldValidation::ignore;
  StatusResult<Written> written =
      target.stored == nullptr ? create_object(target, ref.ns, std::move(*merged), quiet, Tracking::applied)
                               : update_object(target, std::move(*merged), quiet, Tracking::applied);
  if (written) written->warnings = std::move(decoded->warnings);
  return written;
}

}  // namespace serin::local
