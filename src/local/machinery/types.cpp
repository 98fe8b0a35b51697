#include "local/machinery/types.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/time.h"
#include "local/machinery/quantity.h"

namespace serin::local {

namespace {

using Kind = Type::Kind;

std::string member_path(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

/// Objects; and custom types that should be no objects: whatever stands in one there is unknown to the
/// schema.
bool knows_all_members(const Type& type) {
  return type.kind == Kind::object ||
         (type.go_name.empty() && type.kind != Kind::any && type.kind != Kind::map);
}

void find_unknown(const Json& value, const Type& type, const std::string& path,
                  std::vector<std::string>& found) {
  if (type.kind == Kind::array && type.element) {
    for (std::size_t i = 0; i < value.items().size(); ++i) {
      find_unknown(value.at(i), *type.element, fmt::format("{}[{}]", path, i), found);
    }
  }
  if (type.kind == Kind::map && type.element) {
    for (const Json::Member& member : value.members()) {
      find_unknown(member.value, *type.element, member_path(path, member.key), found);
    }
  }
  if (!knows_all_members(type)) return;
  for (const Json::Member& member : value.members()) {
    const Type::Field* field = type.field(member.key);
    if (field) {
      find_unknown(member.value, *field->type, member_path(path, member.key), found);
    } else if (!type.keep_unknown) {
      found.push_back(member_path(path, member.key));
    }
  }
}

/// Where a decoding error is reported: the innermost Go struct and the names of fields down to here.
struct Place {
  std::string_view go_struct;
  std::string fields;
};

std::string cannot_unmarshal(std::string_view what, const Place& place, std::string_view go_type) {
  if (place.go_struct.empty()) {
    return fmt::format("json: cannot unmarshal {} into Go value of type {}", what, go_type);
  }
  return fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type {}", what, place.go_struct,
                     place.fields, go_type);
}

std::string_view go_kind(const Json& value) {
  return value.is_bool() ? "bool" : value.kind_name();
}

std::string wrong_integer(const Json& value, const Type& type, const Place& place) {
  const std::string_view go_type = type.go_name.empty() ? "int64" : std::string_view(type.go_name);
  if (!value.is_number()) return cannot_unmarshal(go_kind(value), place, go_type);
  const std::optional<std::int64_t> number = value.as_int();
  const bool plain = value.number_text().find_first_of(".eE") == std::string_view::npos;
  const bool fits = number && (go_type != "int32" || (*number >= std::numeric_limits<std::int32_t>::min() &&
                                                      *number <= std::numeric_limits<std::int32_t>::max()));
  if (plain && fits) return {};
  return cannot_unmarshal(fmt::format("number {}", value.number_text()), place, go_type);
}

std::string wrong_time(const Json& value) {
  if (!value.is_string()) {
    return fmt::format("json: cannot unmarshal {} into Go value of type string", go_kind(value));
  }
  if (base::parse_rfc3339(value.str())) return {};
  return fmt::format("parsing time {0} as \"2006-01-02T15:04:05Z07:00\": cannot parse {0} as \"2006\"",
                     go_quoted(value.str()));
}

std::string wrong_base64(const Json& value, const Place& place) {
  if (!value.is_string()) return cannot_unmarshal(go_kind(value), place, "[]uint8");
  const std::string& text = value.str();
  std::size_t end = text.size();
  while (end > 0 && text.size() - end < 2 && text[end - 1] == '=') --end;
  for (std::size_t i = 0; i < end; ++i) {
    const char c = text[i];
    const bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      c == '+' || c == '/' || c == '\n' || c == '\r';
    if (!fine) return fmt::format("illegal base64 data at input byte {}", i);
  }
  if (std::ranges::count_if(text, [](char c) { return c != '\n' && c != '\r'; }) % 4 == 0) return {};
  return fmt::format("illegal base64 data at input byte {}", end / 4 * 4);
}

std::string go_type_of(const Type& type) {
  switch (type.kind) {
    case Kind::boolean:
      return "bool";
    case Kind::number:
      return "float64";
    case Kind::array:
      return "[]" + (type.element ? go_type_of(*type.element) : std::string("interface {}"));
    case Kind::map:
      return "map[string]" + (type.element ? go_type_of(*type.element) : std::string("interface {}"));
    case Kind::object:
    case Kind::integer:
      return type.go_name;
    default:
      return "string";
  }
}

std::string find_mismatch(const Json& value, const Type& type, const Place& place);

std::string mismatch_inside(const Json& value, const Type& type, const Place& place) {
  for (const Json& element : value.items()) {
    if (std::string text = find_mismatch(element, *type.element, place); !text.empty()) return text;
  }
  const std::string_view go_name = type.go_name;  // "v1.DeploymentSpec": messages name it without the package
  const auto dot = go_name.rfind('.');
  for (const Json::Member& member : value.members()) {
    const Type::Field* field = type.kind == Kind::object ? type.field(member.key) : nullptr;
    std::string text;
    if (field) {
      const std::string_view name = dot == std::string_view::npos ? go_name : go_name.substr(dot + 1);
      text = find_mismatch(member.value, *field->type, {name, member_path(place.fields, member.key)});
    } else if (type.kind == Kind::map && type.element) {
      text = find_mismatch(member.value, *type.element, place);
    }
    if (!text.empty()) return text;
  }
  return {};
}

/// Types without Go name are custom ones: their schema judges them.
std::string find_mismatch(const Json& value, const Type& type, const Place& place) {
  if (value.is_null() || type.kind == Kind::any) return {};
  switch (type.kind) {
    case Kind::object:
    case Kind::map:
      if (!value.is_object() && !type.go_name.empty())
        return cannot_unmarshal(go_kind(value), place, go_type_of(type));
      return value.is_object() ? mismatch_inside(value, type, place) : std::string();
    case Kind::array:
      if (!value.is_array() && !type.go_name.empty())
        return cannot_unmarshal(go_kind(value), place, go_type_of(type));
      return value.is_array() && type.element ? mismatch_inside(value, type, place) : std::string();
    default:
      break;
  }
  if (type.go_name.empty()) return {};
  switch (type.kind) {
    case Kind::boolean:
      return value.is_bool() ? "" : cannot_unmarshal(go_kind(value), place, "bool");
    case Kind::integer:
      return wrong_integer(value, type, place);
    case Kind::number:
      return value.is_number() ? "" : cannot_unmarshal(go_kind(value), place, "float64");
    case Kind::string:
      return value.is_string() ? "" : cannot_unmarshal(go_kind(value), place, "string");
    case Kind::quantity: {
      const auto parsed =
          Quantity::parse(value.is_string() ? std::string_view(value.str()) : value.number_text());
      return parsed ? std::string() : parsed.error().message;
    }
    case Kind::int_or_string:
      if (value.is_string()) return {};
      return wrong_integer(value, Type{Kind::integer, "int32"}, {});
    case Kind::time:
      return wrong_time(value);
    case Kind::bytes:
      return wrong_base64(value, place);
    default:
      return {};
  }
}

}  // namespace

const Type::Field* Type::field(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &Field::name);
  return found == fields.end() ? nullptr : &*found;
}

Type& TypeArena::make(Type::Kind kind, std::string go_name) {
  Type& type = types_.emplace_back();
  type.kind = kind;
  type.go_name = std::move(go_name);
  return type;
}

std::vector<std::string> unknown_fields(const Json& object, const Type& type) {
  std::vector<std::string> found;
  find_unknown(object, type, "", found);
  return found;
}

void prune(Json& object, const Type& type) {
  if (object.is_array() && type.kind == Kind::array && type.element) {
    for (Json& element : object.make_array()) prune(element, *type.element);
  }
  if (!object.is_object()) return;
  if (type.kind == Kind::map && type.element) {
    for (Json::Member& member : object.make_object()) prune(member.value, *type.element);
  }
  if (!knows_all_members(type)) return;
  std::vector<std::string> unknown;
  for (Json::Member& member : object.make_object()) {
    if (const Type::Field* field = type.field(member.key)) {
      prune(member.value, *field->type);
    } else if (!type.keep_unknown) {
      unknown.push_back(member.key);
    }
  }
  for (const std::string& key : unknown) object.erase(key);
}

std::string type_mismatch(const Json& object, const Type& type) {
  return find_mismatch(object, type, {});
}

void drop_nulls(Json& object, const Type& type) {
  if (object.is_array() && type.kind == Kind::array && type.element) {
    for (Json& element : object.make_array()) drop_nulls(element, *type.element);
  }
  if (!object.is_object() || type.kind == Kind::any) return;
  std::vector<std::string> nulls;
  for (Json::Member& member : object.make_object()) {
    const Type::Field* field = type.kind == Kind::object ? type.field(member.key) : nullptr;
    const Type* inner = field ? field->type : type.kind == Kind::map ? type.element : nullptr;
    if (!inner) continue;
    if (!member.value.is_null()) {
      drop_nulls(member.value, *inner);
    } else if (type.kind == Kind::map && inner->kind == Kind::string) {
      if (!inner->go_name.empty()) member.value = "";  // a Go string's zero value
    } else if (!inner->go_name.empty()) {
      nulls.push_back(member.key);
    }
  }
  for (const std::string& key : nulls) object.erase(key);
}

}  // namespace serin::local
