#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/time.h"
#include "local/machinery/schema_node.h"

namespace serin::local {

namespace {

/// Errors of the validator as a whole, which name the field only in their text.
FieldError unplaced(std::string text) {
  return FieldError::invalid("<nil>", "", text);
}

void append(FieldErrors& errors, FieldErrors more) {
  for (FieldError& error : more) errors.push_back(std::move(error));
}

std::string member_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

bool is_integer(const Json& value) {
  const std::optional<double> number = value.as_double();
  return number && std::trunc(*number) == *number;
}

std::string_view type_name(const Json& value) {
  return value.is_number() && is_integer(value) ? "integer" : value.kind_name();
}

std::string number_text(double value) {
  return fmt::format("{}", value);
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

FieldError in_body(const std::string& path, const Json& value, std::string_view what) {
  return FieldError::invalid(path, value, fmt::format("{} in body {}", path, what));
}

void check_type(const SchemaNode& schema, const Json& value, const std::string& path, FieldErrors& errors) {
  const auto wrong = [&](std::string_view wanted) {
    const std::string_view actual = type_name(value);
    errors.push_back(FieldError::type_invalid(
        path, actual, fmt::format("{} in body must be of type {}: {}", path, wanted, go_quoted(actual))));
  };
  if (value.is_null()) {
    if (!schema.nullable && !schema.type.empty()) wrong(schema.type);
    return;
  }
  if (schema.int_or_string) {
    if (!value.is_string() && !(value.is_number() && is_integer(value))) wrong("integer,string");
    return;
  }
  if (schema.type.empty()) return;
  if (schema.type == "integer" && value.is_number()) {
    if (!is_integer(value)) {
      wrong("integer");
      errors.push_back(
          unplaced(fmt::format("Checked value must be of type integer (default format) in {}", path)));
    } else if (schema.format == "int32" &&
               std::abs(*value.as_double()) > std::numeric_limits<std::int32_t>::max()) {
      errors.push_back(
          unplaced(fmt::format("Checked value must be of type integer with format int32 in {}", path)));
    }
    return;
  }
  if (schema.type != value.kind_name()) wrong(schema.type);
}

FieldErrors check_choice(const std::vector<SchemaNode::Ptr>& choices, const Json& value,
                         const std::string& path, std::size_t& fitting) {
  std::optional<FieldErrors> best;
  fitting = 0;
  for (const SchemaNode::Ptr& choice : choices) {
    FieldErrors errors = validate_value(*choice, value, path);
    if (errors.empty()) {
      ++fitting;
    } else if (!best || errors.size() < best->size()) {
      best = std::move(errors);
    }
  }
  return fitting == 0 && best ? std::move(*best) : FieldErrors();
}

void check_combinations(const SchemaNode& schema, const Json& value, const std::string& path,
                        FieldErrors& errors) {
  std::size_t fitting = 0;
  if (!schema.any_of.empty()) {
    FieldErrors best = check_choice(schema.any_of, value, path, fitting);
    if (fitting == 0) {
      errors.push_back(
          unplaced(fmt::format("{} must validate at least one schema (anyOf)", go_quoted(path))));
      append(errors, std::move(best));
    }
  }
  if (!schema.one_of.empty()) {
    FieldErrors best = check_choice(schema.one_of, value, path, fitting);
    if (fitting != 1) {
      errors.push_back(
          unplaced(fmt::format("{} must validate one and only one schema (oneOf). {}", go_quoted(path),
                               fitting == 0 ? std::string("Found none valid")
                                            : fmt::format("Found {} valid alternatives", fitting))));
      append(errors, std::move(best));
    }
  }
  std::size_t met = 0;
  for (const SchemaNode::Ptr& part : schema.all_of) {
    FieldErrors failures = validate_value(*part, value, path);
    if (failures.empty()) ++met;
    append(errors, std::move(failures));
  }
  if (met != schema.all_of.size()) {
    errors.push_back(unplaced(fmt::format("{} must validate all the schemas (allOf){}", go_quoted(path),
                                          met == 0 ? ". None validated" : "")));
  }
  if (schema.negated && validate_value(*schema.negated, value, path).empty()) {
    errors.push_back(unplaced(fmt::format("{} must not validate the schema (not)", go_quoted(path))));
  }
}

bool is_date(const std::string& text) {
  return text.size() == 10 && base::parse_rfc3339(text + "T00:00:00Z").has_value();
}

void check_string(const SchemaNode& schema, const Json& value, const std::string& path, FieldErrors& errors) {
  const std::string& text = value.str();
  const auto length = static_cast<std::int64_t>(characters(text));
  if (schema.max_length && length > *schema.max_length) {
    errors.push_back(FieldError::too_long(path, static_cast<std::size_t>(*schema.max_length)));
  } else if (schema.min_length && length < *schema.min_length) {
    errors.push_back(
        in_body(path, value, fmt::format("should be at least {} chars long", *schema.min_length)));
  } else if (schema.pattern && !RE2::PartialMatch(text, *schema.pattern)) {
    errors.push_back(in_body(path, value, fmt::format("should match '{}'", schema.pattern_text)));
  }
  const bool bad_format = (schema.format == "date-time" && !base::parse_rfc3339(text)) ||
                          (schema.format == "date" && !is_date(text));
  if (bad_format) {
    errors.push_back(FieldError::type_invalid(
        path, value, fmt::format("{} in body must be of type {}: {}", path, schema.format, go_quoted(text))));
  }
}

void check_number(const SchemaNode& schema, const Json& value, const std::string& path, FieldErrors& errors) {
  const double number = *value.as_double();
  if (schema.multiple_of && std::fmod(number, *schema.multiple_of) != 0) {
    errors.push_back(
        in_body(path, value, fmt::format("should be a multiple of {}", number_text(*schema.multiple_of))));
  }
  if (schema.maximum) {
    if (schema.exclusive_maximum ? number >= *schema.maximum : number > *schema.maximum) {
      errors.push_back(
          in_body(path, value,
                  fmt::format("should be less than {}{}", schema.exclusive_maximum ? "" : "or equal to ",
                              number_text(*schema.maximum))));
    }
  }
  if (schema.minimum) {
    if (schema.exclusive_minimum ? number <= *schema.minimum : number < *schema.minimum) {
      errors.push_back(
          in_body(path, value,
                  fmt::format("should be greater than {}{}", schema.exclusive_minimum ? "" : "or equal to ",
                              number_text(*schema.minimum))));
    }
  }
}

void check_array(const SchemaNode& schema, const Json& value, const std::string& path, FieldErrors& errors) {
  for (std::size_t i = 0; schema.items && i < value.size(); ++i) {
    append(errors, validate_value(*schema.items, value.at(i), fmt::format("{}[{}]", path, i)));
  }
  const auto size = static_cast<std::int64_t>(value.size());
  if (schema.min_items && size < *schema.min_items) {
    errors.push_back(in_body(path, size, fmt::format("should have at least {} items", *schema.min_items)));
  }
  if (schema.max_items && size > *schema.max_items) {
    errors.push_back(FieldError::too_many(path, value.size(), static_cast<std::size_t>(*schema.max_items)));
  }
}

void check_object(const SchemaNode& schema, const Json& value, const std::string& path, FieldErrors& errors) {
  const auto size = static_cast<std::int64_t>(value.size());
  if (schema.min_properties && size < *schema.min_properties) {
    errors.push_back(
        in_body(path, size, fmt::format("should have at least {} properties", *schema.min_properties)));
  }
  if (schema.max_properties && size > *schema.max_properties) {
    errors.push_back(
        FieldError::too_many(path, value.size(), static_cast<std::size_t>(*schema.max_properties)));
  }
  for (const std::string& name : schema.required) {
    if (!value.contains(name)) errors.push_back(FieldError::required(member_path(path, name)));
  }
  for (const auto& [name, property] : schema.properties) {
    if (const Json* member = value.find(name))
      append(errors, validate_value(*property, *member, member_path(path, name)));
  }
  if (!schema.additional && !schema.no_additional) return;
  for (const Json::Member& member : value.members()) {
    if (schema.property(member.key)) continue;
    if (schema.additional) {
      append(errors, validate_value(*schema.additional, member.value, member_path(path, member.key)));
    } else {
      errors.push_back(FieldError::invalid(
          path, "", fmt::format("{}.{} in body is a forbidden property", path, member.key)));
    }
  }
}

/// Calls `check` on every value below that has a schema.
template <class Check>
void descend(const SchemaNode& schema, const Json& value, const std::string& path, Check check) {
  if (schema.items) {
    for (std::size_t i = 0; i < value.items().size(); ++i) {
      check(*schema.items, value.at(i), fmt::format("{}[{}]", path, i));
    }
  }
  for (const Json::Member& member : value.members()) {
    if (const SchemaNode* inner = schema.member(member.key))
      check(*inner, member.value, member_path(path, member.key));
  }
}

}  // namespace

FieldErrors validate_value(const SchemaNode& schema, const Json& value, const std::string& path) {
  FieldErrors errors;
  check_type(schema, value, path, errors);
  check_combinations(schema, value, path, errors);
  if (value.is_string()) check_string(schema, value, path, errors);
  if (value.is_number()) check_number(schema, value, path, errors);
  if (value.is_array()) check_array(schema, value, path, errors);
  if (!schema.enumeration.empty() && !value.is_null() &&
      std::ranges::find(schema.enumeration, value) == schema.enumeration.end()) {
    std::vector<std::string> supported;
    for (const Json& allowed : schema.enumeration) {
      supported.push_back(allowed.is_string() ? allowed.str() : allowed.dump());
    }
    errors.push_back(FieldError::not_supported(path, value, supported));
  }
  if (value.is_object()) check_object(schema, value, path, errors);
  return errors;
}

FieldErrors validate_list_types(const SchemaNode& schema, const Json& value, const std::string& path) {
  FieldErrors errors;
  const auto key_of = [&](const Json& element) {
    if (schema.list_type == "set") return element;
    Json key = Json::object();
    for (const std::string& name : schema.list_keys) {
      if (const Json* part = element.find(name)) key.set(name) = *part;
    }
    return key;
  };
  if (value.is_array() && (schema.list_type == "set" || schema.list_type == "map")) {
    std::vector<Json> seen;
    for (std::size_t i = 0; i < value.size(); ++i) {
      Json key = key_of(value.at(i));
      if (std::ranges::find(seen, key) != seen.end()) {
        errors.push_back(FieldError::duplicate(fmt::format("{}[{}]", path, i), key));
      } else {
        seen.push_back(std::move(key));
      }
    }
  }
  descend(schema, value, path, [&](const SchemaNode& inner, const Json& member, const std::string& at) {
    append(errors, validate_list_types(inner, member, at));
  });
  return errors;
}

FieldErrors validate_rules(const SchemaNode& schema, const Json& value, const std::string& path) {
  FieldErrors errors;
  const bool needs_port = schema.known_rule && value["group"].is_string() && value["group"].str().empty() &&
                          value["kind"].str() == "Service";
  if (needs_port && !value.contains("port")) {
    errors.push_back({"FieldValueInvalid", path, "Invalid value: " + schema.rule_message});
  }
  descend(schema, value, path, [&](const SchemaNode& inner, const Json& member, const std::string& at) {
    append(errors, validate_rules(inner, member, at));
  });
  return errors;
}

}  // namespace serin::local
