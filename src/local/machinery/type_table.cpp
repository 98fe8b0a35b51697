#include "local/machinery/type_table.h"

#include <fmt/format.h>

namespace serin::local {

namespace {

using Kind = Type::Kind;

constexpr std::string_view table_text =
#include "local/machinery/builtin_types.inc"
    ;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    if (const std::string_view part = text.substr(0, end); !part.empty()) parts.push_back(part);
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

struct Scalar {
  std::string_view name;
  Kind kind;
  std::string_view go_name;
};
constexpr Scalar scalars[] = {
    {"any", Kind::any, "any"},
    {"bool", Kind::boolean, "bool"},
    {"int32", Kind::integer, "int32"},
    {"int64", Kind::integer, "int64"},
    {"double", Kind::number, "float64"},
    {"string", Kind::string, "string"},
    {"bytes", Kind::bytes, "[]uint8"},
    {"time", Kind::time, "v1.Time"},
    {"microtime", Kind::time, "v1.MicroTime"},
    {"quantity", Kind::quantity, "resource.Quantity"},
    {"int_or_string", Kind::int_or_string, "intstr.IntOrString"},
};

}  // namespace

TypeTable::TypeTable(std::string_view text) {
  for (const Scalar& scalar : scalars) {
    by_name_.emplace(scalar.name, &arena_.make(scalar.kind, std::string(scalar.go_name)));
  }
  micro_time_ = by_name_.find("microtime")->second;
  std::string section;
  std::string prefix;
  Type* owner = nullptr;
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with('[')) {
      const auto words = split(line.substr(1, line.size() - 2), ' ');
      section = words.at(0);
      prefix = words.at(1);
    } else if (!line.starts_with(' ')) {
      const auto words = split(line, ' ');
      owner = &named(fmt::format("{}/{}", section, words.at(0)));
      owner->go_name = fmt::format("{}.{}", prefix.substr(prefix.rfind('.') + 1), words.at(0));
      owner->atomic = words.size() > 1;
      const std::string full = fmt::format("{}.{}", prefix, words.at(0));
      definitions_.emplace(full, owner);
      openapi_names_.emplace(owner, full);
    } else if (owner) {
      add_field(*owner, line, section);
    }
  }
}

Type& TypeTable::named(const std::string& name) {
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return *found->second;
  Type& type = arena_.make(Kind::object);
  by_name_.emplace(name, &type);
  return type;
}

const Type* TypeTable::reference(std::string_view text, std::string_view section) {
  if (text.starts_with("[]") || text.starts_with("{}")) {
    const bool array = text.starts_with('[');
    Type& type = arena_.make(array ? Kind::array : Kind::map, array ? "[]" : "map");
    type.element = reference(text.substr(2), section);
    return &type;
  }
  if (const auto scalar = by_name_.find(text); scalar != by_name_.end()) return scalar->second;
  const bool elsewhere = text.find('/') != std::string_view::npos;
  return &named(elsewhere ? std::string(text) : fmt::format("{}/{}", section, text));
}

void TypeTable::set_list(Type& list, std::string_view flag) {
  list.list = flag == "set" ? Type::ListKind::set : Type::ListKind::map;
  if (!flag.starts_with("map:")) return;
  for (const std::string_view key : split(flag.substr(4), ',')) {
    list.list_keys.emplace_back(key);
    list.list_key_defaults.push_back(key == "protocol" ? Json("TCP") : Json());
  }
}

void TypeTable::add_field(Type& owner, std::string_view line, std::string_view section) {
  const auto words = split(line, ' ');
  Type::Field field;
  field.required = words.at(0).ends_with('!');
  field.name = words.at(0).substr(0, words.at(0).size() - (field.required ? 1 : 0));
  // Flags belong to this use of a type: lists and maps are made anew for each field.
  const Type* type = reference(words.at(1), section);
  for (std::size_t i = 2; i < words.size(); ++i) {
    const std::string_view flag = words[i];
    if (flag.starts_with("patch=")) {
      const auto colon = flag.find(':');
      field.patch_strategy = flag.substr(6, colon == std::string_view::npos ? colon : colon - 6);
      if (colon != std::string_view::npos) field.patch_merge_key = flag.substr(colon + 1);
    } else if (flag.starts_with("list=")) {
      set_list(const_cast<Type&>(*type), flag.substr(5));
    } else if (flag == "atomic" && type->kind == Kind::map) {
      const_cast<Type&>(*type).atomic = true;
    }
  }
  field.type = type;
  owner.fields.push_back(std::move(field));
}

const Type* TypeTable::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

std::string TypeTable::openapi_name(const Type& type) const {
  const auto found = openapi_names_.find(&type);
  return found == openapi_names_.end() ? std::string() : found->second;
}

const TypeTable& builtin_types() {
  static const TypeTable table(table_text);
  return table;
}

}  // namespace serin::local
