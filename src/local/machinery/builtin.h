#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "local/machinery/types.h"

namespace serin::local {

/// A kind of object that the embedded server offers without a CRD.
struct BuiltinResource {
  std::string group, version, plural, singular, kind;
  std::string list_kind;
  std::vector<std::string> short_names;
  std::vector<std::string> categories;  ///< "all"
  bool namespaced = true;
  std::vector<std::string> verbs;  ///< create, delete, deletecollection, get, list, patch, update, watch
  std::vector<std::string> subresources;       ///< "status", "scale", "log", "exec", ...
  std::vector<std::string> selectable_fields;  ///< besides metadata.name and metadata.namespace
  /// Where it is stored: group and plural of the storage ("", "events" for events.k8s.io/v1); versions of one
  /// storage hold the same objects and are converted by convert().
  std::string storage_group, storage_plural, storage_version;
  bool has_generation = true;  ///< metadata.generation counts changes of the spec
  const Type* type = nullptr;  ///< of the whole object

  [[nodiscard]] std::string api_version() const { return group.empty() ? version : group + "/" + version; }
};

/// All of them, in the order of `kubectl api-resources` (groups as discovery lists them, preferred version
/// first).
const std::vector<BuiltinResource>& builtin_resources();
/// nullptr if there is no such one.
const BuiltinResource* find_builtin(std::string_view group, std::string_view version,
                                    std::string_view plural);
const BuiltinResource* find_builtin_kind(std::string_view api_version, std::string_view kind);
/// The type of a kind outside the table of resources: Scale, Eviction, TokenReview, DeleteOptions, Status;
/// nullptr if unknown.
const Type* find_builtin_type(std::string_view go_name);

/// Rewrites an object of one version into another one of the same storage (HPA autoscaling/v1 <-> v2, Event
/// v1 <-> events.k8s.io/v1, Ingress v1beta1 <-> v1); a mere change of apiVersion for all others.
void convert(const BuiltinResource& from, const BuiltinResource& to, Json& object);

/// Fills in what the API defaults on every write. Values that only storage can allot (clusterIP, nodePort,
/// uid) are not here; `normalise` below is.
void default_object(const BuiltinResource& resource, Json& object);
/// What the API drops or fixes on creation and update besides defaults: the status of an object that is
/// created through its main resource, `stringData` of Secrets merged into `data`, quantities in canonical
/// form, fields of the other subresource kept from `old` (null on creation). subresource: "" or "status".
void prepare_object(const BuiltinResource& resource, Json& object, const Json& old,
                    std::string_view subresource);

/// What users can get wrong; empty if the object may be stored. Both check metadata too.
FieldErrors validate_create(const BuiltinResource& resource, const Json& object);
FieldErrors validate_update(const BuiltinResource& resource, const Json& object, const Json& old,
                            std::string_view subresource = {});
/// metadata only, for objects of any kind (custom ones too).
FieldErrors validate_metadata(const Json& object, bool namespaced, bool dns_label_name = false);
FieldErrors validate_metadata_update(const Json& object, const Json& old);

/// The autoscaling/v1 Scale of a Deployment or ReplicaSet, and back: sets spec.replicas.
Json scale_of(const BuiltinResource& resource, const Json& object);
void set_scale(Json& object, const Json& scale);

}  // namespace serin::local
