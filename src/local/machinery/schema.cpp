#include "local/machinery/schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "local/machinery/schema_node.h"
#include "local/machinery/type_table.h"

namespace serin::local {

using base::Errc, base::fail, base::Result;

namespace {

using Kind = Type::Kind;

/// The one rule in CEL that we know, of the Gateway API's backend references (the Canary CRD has it too).
constexpr std::string_view port_rule = "size(self.group)==0&&self.kind=='Service'?has(self.port):true";
constexpr std::string_view port_rule_parenthesised =
    "(size(self.group)==0&&self.kind=='Service')?has(self.port):true";

std::string without_spaces(std::string text) {
  std::erase(text, ' ');
  return text;
}

std::optional<std::int64_t> integer(const Json& value) {
  return value.as_int();
}

class Compiler {
 public:
  std::string error;

  SchemaNode::Ptr node(const Json& schema, const std::string& path) {
    auto result = std::make_unique<SchemaNode>();
    scalars(schema, *result, path);
    limits(schema, *result);
    for (const Json::Member& property : schema["properties"].members()) {
      result->properties.emplace_back(
          property.key, node(property.value, fmt::format("{}.properties[{}]", path, property.key)));
    }
    if (schema["items"].is_object()) result->items = node(schema["items"], path + ".items");
    if (schema["not"].is_object()) result->negated = node(schema["not"], path + ".not");
    const Json& additional = schema["additionalProperties"];
    if (additional.is_object()) result->additional = node(additional, path + ".additionalProperties");
    if (additional.as_bool() == true) result->keep_unknown = true;
    result->all_of = nodes(schema["allOf"], path + ".allOf");
    result->any_of = nodes(schema["anyOf"], path + ".anyOf");
    result->one_of = nodes(schema["oneOf"], path + ".oneOf");
    return result;
  }

 private:
  std::vector<SchemaNode::Ptr> nodes(const Json& list, const std::string& path) {
    std::vector<SchemaNode::Ptr> result;
    for (const Json& schema : list.items())
      result.push_back(node(schema, fmt::format("{}[{}]", path, result.size())));
    return result;
  }

  void scalars(const Json& schema, SchemaNode& node, const std::string& path) {
    node.type = schema["type"].str();
    node.format = schema["format"].str();
    node.int_or_string = schema["x-kubernetes-int-or-string"].bool_or(false);
    node.nullable = schema["nullable"].bool_or(false);
    node.keep_unknown = schema["x-kubernetes-preserve-unknown-fields"].bool_or(false);
    node.embedded = schema["x-kubernetes-embedded-resource"].bool_or(false);
    node.no_additional = schema["additionalProperties"].as_bool() == false;
    node.list_type = schema["x-kubernetes-list-type"].str();
    node.atomic_map = schema["x-kubernetes-map-type"].str() == "atomic";
    for (const Json& key : schema["x-kubernetes-list-map-keys"].items()) node.list_keys.push_back(key.str());
    for (const Json& name : schema["required"].items()) node.required.push_back(name.str());
    for (const Json& value : schema["enum"].items()) node.enumeration.push_back(value);
    if (const Json* value = schema.find("default")) node.default_value = *value;
    for (const Json& rule : schema["x-kubernetes-validations"].items()) {
      const std::string text = without_spaces(rule["rule"].str());
      if (text != port_rule && text != port_rule_parenthesised) continue;
      node.known_rule = true;
      node.rule_message = rule["message"].str_or("failed rule: " + rule["rule"].str());
    }
    if (!schema["pattern"].is_string()) return;
    node.pattern_text = schema["pattern"].str();
    RE2::Options quiet;
    quiet.set_log_errors(false);
    node.pattern = std::make_unique<const RE2>(node.pattern_text, quiet);
    if (!node.pattern->ok() && error.empty()) {
      error = FieldError::invalid(
                  path + ".pattern", node.pattern_text,
                  fmt::format("must be a valid regular expression, but isn't: {}", node.pattern->error()))
                  .text();
    }
  }

  static void limits(const Json& schema, SchemaNode& node) {
    node.minimum = schema["minimum"].as_double();
    node.maximum = schema["maximum"].as_double();
    node.multiple_of = schema["multipleOf"].as_double();
    node.exclusive_minimum = schema["exclusiveMinimum"].bool_or(false);
    node.exclusive_maximum = schema["exclusiveMaximum"].bool_or(false);
    node.min_length = integer(schema["minLength"]);
    node.max_length = integer(schema["maxLength"]);
    node.min_items = integer(schema["minItems"]);
    node.max_items = integer(schema["maxItems"]);
    node.min_properties = integer(schema["minProperties"]);
    node.max_properties = integer(schema["maxProperties"]);
  }
};

void add_object_fields(Type& type) {
  const TypeTable& table = builtin_types();
  for (const std::string_view name : {"apiVersion", "kind"}) {
    if (!type.field(name)) type.fields.push_back({std::string(name), table.find("string"), false, {}, {}});
  }
  std::erase_if(type.fields, [](const Type::Field& field) { return field.name == "metadata"; });
  type.fields.push_back({"metadata", table.find("meta/ObjectMeta"), false, {}, {}});
}

/// The type of a schema, for pruning and apply. Without Go names: the schema judges the values.
const Type* type_of(const SchemaNode& node, TypeArena& arena) {
  if (node.int_or_string) return &arena.make(Kind::int_or_string);
  if (node.type == "array") {
    Type& type = arena.make(Kind::array);
    if (node.items) type.element = type_of(*node.items, arena);
    type.list = node.list_type == "set"   ? Type::ListKind::set
                : node.list_type == "map" ? Type::ListKind::map
                                          : Type::ListKind::atomic;
    type.list_keys = node.list_keys;
    for (const std::string& key : node.list_keys) {
      const SchemaNode* property = node.items ? node.items->property(key) : nullptr;
      type.list_key_defaults.push_back(property && property->default_value ? *property->default_value
                                                                           : Json());
    }
    return &type;
  }
  if (node.type == "boolean") return &arena.make(Kind::boolean);
  if (node.type == "integer") return &arena.make(Kind::integer);
  if (node.type == "number") return &arena.make(Kind::number);
  if (node.type == "string") return &arena.make(Kind::string);
  if (node.properties.empty() && !node.additional && node.keep_unknown && !node.embedded) {
    return &arena.make(Kind::any);
  }
  Type& type = arena.make(node.additional ? Kind::map : Kind::object);
  type.atomic = node.atomic_map;
  type.keep_unknown = node.keep_unknown;
  if (node.additional) type.element = type_of(*node.additional, arena);
  for (const auto& [name, property] : node.properties) {
    type.fields.push_back({name, type_of(*property, arena), false, {}, {}});
  }
  if (node.embedded) add_object_fields(type);
  return &type;
}

void apply_defaults_to(const SchemaNode& node, Json& value) {
  if (value.is_array() && node.items) {
    for (Json& element : value.make_array()) apply_defaults_to(*node.items, element);
  }
  if (!value.is_object()) return;
  // Nulls count as absent, unless they are allowed.
  std::vector<std::string> nulls;
  for (const Json::Member& member : value.members()) {
    const SchemaNode* schema = node.property(member.key);
    if (member.value.is_null() && schema && !schema->nullable) nulls.push_back(member.key);
  }
  for (const std::string& key : nulls) value.erase(key);
  for (const auto& [name, property] : node.properties) {
    if (property->default_value && !value.contains(name)) value.set(name) = *property->default_value;
  }
  for (Json::Member& member : value.make_object()) {
    if (const SchemaNode* schema = node.member(member.key)) apply_defaults_to(*schema, member.value);
  }
}

}  // namespace

const SchemaNode* SchemaNode::property(std::string_view name) const {
  const auto found = std::ranges::find_if(properties, [&](const auto& entry) { return entry.first == name; });
  return found == properties.end() ? nullptr : found->second.get();
}

const SchemaNode* SchemaNode::member(std::string_view name) const {
  if (const SchemaNode* schema = property(name)) return schema;
  return additional.get();
}

Result<CrdSchema> CrdSchema::compile(const Json& schema) {
  auto compiled = std::make_shared<Compiled>();
  compiled->source = schema;
  Compiler compiler;
  Json keeps_everything = Json::object({{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}});
  compiled->root = compiler.node(schema.is_null() ? keeps_everything : schema, "openAPIV3Schema");
  if (!compiler.error.empty()) return fail(Errc::invalid, std::move(compiler.error));
  Type& root = compiled->arena.make(Kind::object);
  root.keep_unknown = compiled->root->keep_unknown;
  for (const auto& [name, property] : compiled->root->properties) {
    root.fields.push_back({name, type_of(*property, compiled->arena), false, {}, {}});
  }
  add_object_fields(root);
  compiled->type = &root;
  CrdSchema result;
  result.compiled_ = std::move(compiled);
  return result;
}

void CrdSchema::apply_defaults(Json& object) const {
  apply_defaults_to(*compiled_->root, object);
}

void CrdSchema::prune(Json& object) const {
  local::prune(object, *compiled_->type);
}

std::vector<std::string> CrdSchema::unknown_fields(const Json& object) const {
  std::vector<std::string> fields = local::unknown_fields(object, *compiled_->type);
  std::ranges::sort(fields);
  return fields;
}

FieldErrors CrdSchema::validate(const Json& object) const {
  FieldErrors errors = validate_value(*compiled_->root, object, "");
  for (FieldError& error : validate_list_types(*compiled_->root, object, ""))
    errors.push_back(std::move(error));
  if (!errors.empty()) return errors;  // rules may rely on the schema being met
  return validate_rules(*compiled_->root, object, "");
}

const Type& CrdSchema::type() const {
  return *compiled_->type;
}

const Json& CrdSchema::source() const {
  return compiled_->source;
}

}  // namespace serin::local
