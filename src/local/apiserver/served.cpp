#include "local/apiserver/served.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace serin::local {
namespace {

constexpr std::size_t reported_fields_max = 50;

std::vector<std::string> texts(const Json& list) {
  std::vector<std::string> result;
  for (const Json& item : list.items()) result.push_back(item.str());
  return result;
}

/// Unknown fields of a custom object: an error, warnings or nothing, as the caller asked.
StatusResult<Decoded> decode_custom(const Served& served, Json object, FieldValidation validation) {
  const CrdSchema& schema = served.custom->schema;
  Decoded decoded;
  if (validation != FieldValidation::ignore) {
    std::string joined;
    std::size_t count = 0;
    for (const std::string& field : schema.unknown_fields(object)) {
      if (++count > reported_fields_max) break;
      decoded.warnings.push_back(fmt::format("unknown field \"{}\"", field));
      joined += (joined.empty() ? "" : ", ") + decoded.warnings.back();
    }
    if (validation == FieldValidation::strict && !joined.empty()) {
      return std::unexpected(StatusError::bad_request(
          fmt::format("{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
                      served.resource.kind, served.resource.version, served.resource.kind, joined)));
    }
  }
  schema.prune(object);
  schema.apply_defaults(object);
  decoded.object = std::move(object);
  return decoded;
}

/// A custom object's main write keeps the status, its status write keeps everything else.
void prepare_custom(const Served& served, Json& object, const Json& old, std::string_view subresource) {
  if (!served.custom->status_subresource) return;
  if (subresource == "status") {
    Json result = old;
    Json managed = object.get("metadata", "managedFields");
    if (!managed.is_null()) result.set("metadata", "managedFields") = std::move(managed);
    if (const Json* status = object.find("status")) {
      result.set("status") = *status;
    } else {
      result.erase("status");
    }
    object = std::move(result);
    return;
  }
  if (old.is_null() || !old.contains("status")) {
    object.erase("status");
  } else {
    object.set("status") = old["status"];
  }
}

/// Whether two custom objects differ outside of metadata (and status, where that is a subresource).
bool custom_spec_differs(const Json& before, const Json& after, bool skip_status) {
  Json left = before;
  Json right = after;
  for (Json* side : {&left, &right}) {
    side->erase("metadata");
    if (skip_status) side->erase("status");
  }
  return left != right;
}

}  // namespace

bool Served::has_subresource(std::string_view name) const {
  return std::find(subresources.begin(), subresources.end(), name) != subresources.end();
}

bool Served::is(const kube::Resource& other) const {
  return resource.group == other.group && resource.plural == other.plural;
}

ObjectPtr Served::view(const ObjectPtr& stored) const {
  if (resource.version == storage_version && resource.group == storage_group) return stored;
  Json object = *stored;
  if (builtin != nullptr) {
    convert(*storage_builtin, *builtin, object);
  } else {
    object.set("apiVersion") = resource.api_version();
  }
  return std::make_shared<const Json>(std::move(object));
}

void Served::to_storage(Json& object) const {
  if (resource.version == storage_version && resource.group == storage_group) return;
  if (builtin != nullptr) {
    convert(*builtin, *storage_builtin, object);
  } else {
    object.set("apiVersion") = resource.group + "/" + storage_version;
  }
}

StatusResult<Decoded> Served::decode(Json object, FieldValidation validation) const {
  if (builtin == nullptr) return decode_custom(*this, std::move(object), validation);
  return decode_object(std::move(object), *builtin->type, resource.version, resource.kind, validation);
}

void Served::prepare(Json& object, const Json& old, std::string_view subresource) const {
  if (builtin == nullptr) return prepare_custom(*this, object, old, subresource);
  default_object(*builtin, object);
  prepare_object(*builtin, object, old, subresource);
}

bool Served::changes_generation(const Json& before, const Json& after) const {
  if (builtin == nullptr) return custom_spec_differs(before, after, custom->status_subresource);
  if (!builtin->has_generation) return false;
  if (before["spec"] != after["spec"]) return true;
  // Deployments alone count their annotations too.
  return is(kube::resources::deployments) &&
         before.get("metadata", "annotations") != after.get("metadata", "annotations");
}

FieldErrors Served::validate(const Json& object, const Json& old, std::string_view subresource) const {
  if (builtin != nullptr) {
    return old.is_null() ? validate_create(*builtin, object)
                         : validate_update(*builtin, object, old, subresource);
  }
  FieldErrors errors =
      old.is_null() ? validate_metadata(object, resource.namespaced) : validate_metadata_update(object, old);
  for (FieldError& error : custom->schema.validate(object)) errors.push_back(std::move(error));
  return errors;
}

StatusError Served::not_found(std::string_view name) const {
  return StatusError::not_found(resource.group, resource.plural, name);
}
StatusError Served::already_exists(std::string_view name) const {
  return StatusError::already_exists(resource.group, resource.plural, name);
}
StatusError Served::conflict(std::string_view name, std::string_view why) const {
  return StatusError::conflict(resource.group, resource.plural, name, why);
}
StatusError Served::invalid(std::string_view name, const FieldErrors& errors) const {
  return StatusError::invalid(resource.group, resource.kind, name, errors);
}

StatusError Served::forbidden(std::string_view name, std::string_view why) const {
  Json details = Json::object();
  details.set("name") = name;
  if (!resource.group.empty()) details.set("group") = resource.group;
  details.set("kind") = resource.plural;
  return {403, "Forbidden", fmt::format("{} \"{}\" is forbidden: {}", resource.group_resource(), name, why),
          std::move(details)};
}

StatusError method_not_supported(const kube::Resource& resource, std::string_view verb) {
  Json details = Json::object();
  if (!resource.group.empty()) details.set("group") = resource.group;
  details.set("kind") = resource.plural;
  return {405, "MethodNotAllowed",
          fmt::format("{} is not supported on resources of kind \"{}\"", verb, resource.group_resource()),
          std::move(details)};
}

StatusError no_such_resource() {
  return {404, "NotFound", "the server could not find the requested resource", Json::object()};
}

StatusError expired(std::string message) {
  return {410, "Expired", std::move(message), {}};
}

StatusError internal_error(std::string_view why) {
  const Json cause = Json::object({{"message", why}});
  return {500, "InternalError", fmt::format("Internal error occurred: {}", why),
          Json::object({{"causes", Json::array({cause})}})};
}

std::shared_ptr<Served> serve_builtin(const BuiltinResource& builtin,
                                      std::shared_ptr<Collection> collection) {
  auto served = std::make_shared<Served>();
  served->resource = {builtin.group, builtin.version, builtin.plural, builtin.kind, builtin.namespaced};
  served->singular = builtin.singular;
  served->list_kind = builtin.list_kind;
  served->short_names = builtin.short_names;
  served->categories = builtin.categories;
  served->verbs = builtin.verbs;
  served->subresources = builtin.subresources;
  served->selectable_fields = builtin.selectable_fields;
  served->storage_version = builtin.storage_version;
  served->storage_group = builtin.storage_group;
  served->builtin = &builtin;
  served->storage_builtin =
      find_builtin(builtin.storage_group, builtin.storage_version, builtin.storage_plural);
  served->collection = std::move(collection);
  return served;
}

base::Result<std::shared_ptr<Served>> serve_custom(const Json& crd, const Json& version,
                                                   std::shared_ptr<Collection> collection) {
  base::Result<CrdSchema> schema = CrdSchema::compile(version.get("schema", "openAPIV3Schema"));
  if (!schema) return base::fail(schema.error());
  const Json& spec = crd["spec"];
  auto served = std::make_shared<Served>();
  served->resource = {spec["group"].str(), version["name"].str(), spec.get("names", "plural").str(),
                      spec.get("names", "kind").str(), spec["scope"].str() == "Namespaced"};
  served->singular = spec.get("names", "singular").str();
  served->list_kind = spec.get("names", "listKind").str();
  served->short_names = texts(spec.get("names", "shortNames"));
  served->categories = texts(spec.get("names", "categories"));
  served->verbs = {"delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"};
  const bool status = version.get("subresources", "status").is_object();
  if (status) served->subresources = {"status"};
  for (const Json& field : version["selectableFields"].items()) {
    const std::string& path = field["jsonPath"].str();
    if (!path.empty()) served->selectable_fields.push_back(path.substr(path.front() == '.' ? 1 : 0));
  }
  for (const Json& other : spec["versions"].items()) {
    if (other["storage"].bool_or(false)) served->storage_version = other["name"].str();
  }
  served->storage_group = served->resource.group;
  served->custom = CustomVersion{std::move(*schema), version["additionalPrinterColumns"], status};
  served->collection = std::move(collection);
  return served;
}

}  // namespace serin::local
