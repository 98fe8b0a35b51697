#include "local/machinery/openapi_schemas.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "local/machinery/type_table.h"

namespace serin::local {

namespace {

using Kind = Type::Kind;

constexpr std::string_view object_meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
constexpr std::string_view list_meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

Json reference(std::string_view name, OpenApi version) {
  const std::string_view root = version == OpenApi::v2 ? "#/definitions/" : "#/components/schemas/";
  return Json::object({{"$ref", fmt::format("{}{}", root, name)}});
}

Json plain(std::string_view type, std::string_view format = {}) {
  Json schema = Json::object({{"type", type}});
  if (!format.empty()) schema.set("format") = format;
  return schema;
}

Json int_or_string(OpenApi version) {
  if (version == OpenApi::v2) return plain("string", "int-or-string");
  return Json::object(
      {{"format", "int-or-string"}, {"oneOf", Json::array({plain("integer"), plain("string")})}});
}

void add_list_type(const Type& type, Json& schema) {
  switch (type.list) {
    case Type::ListKind::atomic:
      schema.set("x-kubernetes-list-type") = "atomic";
      return;
    case Type::ListKind::set:
      schema.set("x-kubernetes-list-type") = "set";
      return;
    case Type::ListKind::map:
      schema.set("x-kubernetes-list-type") = "map";
      for (const std::string& key : type.list_keys) schema.set("x-kubernetes-list-map-keys").push_back(key);
      return;
  }
}

Json schema_of(const Type& type, OpenApi version) {
  if (const std::string name = builtin_types().openapi_name(type); !name.empty())
    return reference(name, version);
  switch (type.kind) {
    case Kind::any:
    case Kind::object:
      return plain("object");
    case Kind::boolean:
      return plain("boolean");
    case Kind::integer:
      return plain("integer", type.go_name);
    case Kind::number:
      return plain("number", "double");
    case Kind::string:
      return plain("string");
    case Kind::quantity:
      if (version == OpenApi::v2) return plain("string");
      return Json::object({{"oneOf", Json::array({plain("string"), plain("number")})}});
    case Kind::int_or_string:
      return int_or_string(version);
    case Kind::time:
      return plain("string", "date-time");
    case Kind::bytes:
      return plain("string", "byte");
    case Kind::map: {
      Json schema = plain("object");
      if (type.element) schema.set("additionalProperties") = schema_of(*type.element, version);
      if (type.atomic) schema.set("x-kubernetes-map-type") = "atomic";
      return schema;
    }
    case Kind::array: {
      Json schema = plain("array");
      schema.set("items") = type.element ? schema_of(*type.element, version) : plain("object");
      add_list_type(type, schema);
      return schema;
    }
  }
  return {};
}

Json field_schema(const Type::Field& field, OpenApi version) {
  Json schema = schema_of(*field.type, version);
  if (version == OpenApi::v3 && schema.contains("$ref")) {
    schema = Json::object({{"allOf", Json::array({std::move(schema)})}});  // a reference must stand alone
  }
  if (!field.patch_strategy.empty()) schema.set("x-kubernetes-patch-strategy") = field.patch_strategy;
  if (!field.patch_merge_key.empty()) schema.set("x-kubernetes-patch-merge-key") = field.patch_merge_key;
  return schema;
}

Json definition_of(const Type& type, OpenApi version) {
  Json schema = plain("object");
  Json required = Json::array();
  for (const Type::Field& field : type.fields) {
    schema.set("properties", field.name) = field_schema(field, version);
    if (field.required) required.push_back(field.name);
  }
  if (!required.empty()) schema.set("required") = std::move(required);
  if (type.atomic) schema.set("x-kubernetes-map-type") = "atomic";
  return schema;
}

void add_referenced(Json& definitions, const Type& type, OpenApi version) {
  if (const std::string name = builtin_types().openapi_name(type); !name.empty()) {
    add_definition(definitions, name, version);
  }
  if (type.element) add_referenced(definitions, *type.element, version);
}

Json list_definition(const std::string& item, OpenApi version) {
  Json items = plain("array");
  items.set("items") = reference(item, version);
  Json schema = plain("object");
  schema.set("required") = Json::array({"items"});
  schema.set("properties") = Json::object({{"apiVersion", plain("string")},
                                           {"items", std::move(items)},
                                           {"kind", plain("string")},
                                           {"metadata", reference(list_meta, version)}});
  return schema;
}

/// A custom schema as documents show it. Version 2 has no words for alternatives, null and mixed types.
Json custom_schema(const Json& schema, OpenApi version) {
  if (version == OpenApi::v3 || !schema.is_object()) return schema;
  Json result = Json::object();
  if (schema["x-kubernetes-preserve-unknown-fields"].bool_or(false)) {
    if (const Json* description = schema.find("description")) result.set("description") = *description;
    result.set("x-kubernetes-preserve-unknown-fields") = true;
    return result;
  }
  for (const Json::Member& member : schema.members()) {
    const std::string& key = member.key;
    if (key == "properties") {
      for (const Json::Member& property : member.value.members()) {
        result.set("properties", property.key) = custom_schema(property.value, version);
      }
    } else if (key == "items" || (key == "additionalProperties" && member.value.is_object())) {
      result.set(key) = custom_schema(member.value, version);
    } else if (key == "type" || key == "format" || key == "description" || key == "required" ||
               key.starts_with("x-kubernetes-")) {
      result.set(key) = member.value;
    }
  }
  const bool nullable = schema["nullable"].bool_or(false);
  if (nullable || schema["x-kubernetes-int-or-string"].bool_or(false)) result.erase("type");
  return result;
}

}  // namespace

Json group_version_kind(std::string_view group, std::string_view version, std::string_view kind) {
  return Json::object({{"group", group}, {"kind", kind}, {"version", version}});
}

std::string definition_name(const BuiltinResource& resource) {
  return builtin_types().openapi_name(*resource.type);
}

std::string definition_name(const CustomResource& resource) {
  std::vector<std::string> parts;
  std::string_view group = resource.group;
  while (true) {
    const auto dot = group.rfind('.');
    parts.emplace_back(group.substr(dot == std::string_view::npos ? 0 : dot + 1));
    if (dot == std::string_view::npos) break;
    group = group.substr(0, dot);
  }
  return fmt::format("{}.{}.{}", fmt::join(parts, "."), resource.version, resource.kind);
}

void add_definition(Json& definitions, const std::string& name, OpenApi version) {
  if (definitions.contains(name)) return;
  const auto& known = builtin_types().definitions();
  const auto found = known.find(name);
  if (found == known.end()) return;
  definitions.set(name) = definition_of(*found->second, version);
  for (const Type::Field& field : found->second->fields) add_referenced(definitions, *field.type, version);
}

void add_builtin(Json& definitions, const BuiltinResource& resource, OpenApi version) {
  const std::string name = definition_name(resource);
  add_definition(definitions, name, version);
  definitions.set(name, "x-kubernetes-group-version-kind") =
      Json::array({group_version_kind(resource.group, resource.version, resource.kind)});
  add_definition(definitions, std::string(list_meta), version);
  Json list = list_definition(name, version);
  list.set("x-kubernetes-group-version-kind") =
      Json::array({group_version_kind(resource.group, resource.version, resource.list_kind)});
  definitions.set(name + "List") = std::move(list);
}

void add_custom(Json& definitions, const CustomResource& resource, OpenApi version) {
  const std::string name = definition_name(resource);
  add_definition(definitions, std::string(object_meta), version);
  add_definition(definitions, std::string(list_meta), version);
  Json schema = custom_schema(resource.schema, version);
  schema.make_object();
  if (!schema.contains("type") && !schema.contains("x-kubernetes-preserve-unknown-fields"))
    schema.set("type") = "object";
  schema.set("properties", "apiVersion") = plain("string");
  schema.set("properties", "kind") = plain("string");
  Json metadata = reference(object_meta, version);
  if (version == OpenApi::v3) metadata = Json::object({{"allOf", Json::array({std::move(metadata)})}});
  schema.set("properties", "metadata") = std::move(metadata);
  schema.set("x-kubernetes-group-version-kind") =
      Json::array({group_version_kind(resource.group, resource.version, resource.kind)});
  definitions.set(name) = std::move(schema);
  Json list = list_definition(name, version);
  const std::string list_kind = resource.list_kind.empty() ? resource.kind + "List" : resource.list_kind;
  list.set("x-kubernetes-group-version-kind") =
      Json::array({group_version_kind(resource.group, resource.version, list_kind)});
  definitions.set(name + "List") = std::move(list);
}

}  // namespace serin::local
