#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "local/apiserver/collection.h"
#include "local/machinery/builtin.h"
#include "local/machinery/openapi.h"
#include "local/machinery/schema.h"

namespace serin::local {

/// One version of a custom resource, as its CRD describes it.
struct CustomVersion {
  CrdSchema schema;
  Json printer_columns;  ///< spec.versions[].additionalPrinterColumns; null if none
  bool status_subresource = false;
};

/// One resource in one version, as a path of the API names it: built-in, or from a CRD. Everything that
/// differs between the two is in here, so that the verbs are written once.
struct Served {
  kube::Resource resource;
  std::string singular, list_kind;
  std::vector<std::string> short_names, categories, verbs, subresources, selectable_fields;
  std::string storage_version;                       ///< version (without group) that objects are kept in
  std::string storage_group;                         ///< the storage's group; differs for events.k8s.io
  const BuiltinResource* builtin = nullptr;          ///< null for custom resources
  const BuiltinResource* storage_builtin = nullptr;  ///< built-ins: the version that is kept
  std::optional<CustomVersion> custom;
  std::shared_ptr<Collection> collection;

  [[nodiscard]] bool has_subresource(std::string_view name) const;
  [[nodiscard]] bool is(const kube::Resource& other) const;
  [[nodiscard]] const Type& type() const { return builtin ? *builtin->type : custom->schema.type(); }

  /// The stored object as this version shows it (the same pointer where nothing differs).
  [[nodiscard]] ObjectPtr view(const ObjectPtr& stored) const;
  /// Turns an object of this version into the one that is kept.
  void to_storage(Json& object) const;

  /// Checks the shape of a written object, reports and removes unknown fields, fills in schema defaults.
  [[nodiscard]] StatusResult<Decoded> decode(Json object, FieldValidation validation) const;
  /// Defaults, and what a write through this subresource may not change (`old` null: creation).
  void prepare(Json& object, const Json& old, std::string_view subresource) const;
  /// Whether the change is one that metadata.generation counts.
  [[nodiscard]] bool changes_generation(const Json& before, const Json& after) const;
  [[nodiscard]] bool has_generation() const { return !builtin || builtin->has_generation; }
  [[nodiscard]] FieldErrors validate(const Json& object, const Json& old, std::string_view subresource) const;

  [[nodiscard]] StatusError not_found(std::string_view name) const;
  [[nodiscard]] StatusError already_exists(std::string_view name) const;
  [[nodiscard]] StatusError conflict(std::string_view name, std::string_view why) const;
  [[nodiscard]] StatusError invalid(std::string_view name, const FieldErrors& errors) const;
  /// 403: `deployments.apps "x" is forbidden: <why>`
  [[nodiscard]] StatusError forbidden(std::string_view name, std::string_view why) const;
};

/// 405: `<verb> is not supported on resources of kind "<plural>"`, in the API server's words.
StatusError method_not_supported(const kube::Resource& resource, std::string_view verb);
/// 404 for a path or resource that isn't served.
StatusError no_such_resource();
/// 410 Expired, for a revision that watches can't start from any more.
StatusError expired(std::string message);
StatusError internal_error(std::string_view why);

/// What every creation of a built-in resource starts from.
std::shared_ptr<Served> serve_builtin(const BuiltinResource& builtin, std::shared_ptr<Collection> collection);
/// One version of a CRD. Error (invalid): a schema that cannot be compiled.
base::Result<std::shared_ptr<Served>> serve_custom(const Json& crd, const Json& version,
                                                   std::shared_ptr<Collection> collection);

}  // namespace serin::local
