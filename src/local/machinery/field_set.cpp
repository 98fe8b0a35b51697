#include "local/machinery/field_set.h"

#include <fmt/format.h>

#include <algorithm>

namespace serin::local {

namespace {

using Kind = Type::Kind;

const Type& any_type() {
  static const Type any;
  return any;
}

/// Members of Go structs that are there even when nobody gave them: a set doesn't list them for themselves.
bool is_always_there(std::string_view name, const Type& type) {
  if (type.go_name.empty()) return false;
  static constexpr std::string_view names[] = {
      "spec",           "status",       "strategy",   "updateStrategy", "template", "metadata",      "source",
      "scaleTargetRef", "loadBalancer", "containers", "target",         "names",    "involvedObject"};
  return std::ranges::find(names, name) != std::end(names);
}

enum class Shape { leaf, members, keyed, set };

/// How a value is owned: as a whole, by member, by element.
Shape shape_of(const Json& value, const Type& type) {
  if (value.is_object()) {
    const bool granular = type.kind == Kind::object || type.kind == Kind::map || type.kind == Kind::any;
    return granular && !type.atomic && !value.empty() ? Shape::members : Shape::leaf;
  }
  if (!value.is_array() || type.kind != Kind::array || value.empty()) return Shape::leaf;
  if (type.list == Type::ListKind::map) return Shape::keyed;
  return type.list == Type::ListKind::set ? Shape::set : Shape::leaf;
}

std::string element_of(const Json& item, const Type& list) {
  return list.list == Type::ListKind::set ? "v:" + item.dump() : key_element(item, list);
}

const Json* find_element(const Json& list, const Type& type, std::string_view element) {
  for (const Json& item : list.items()) {
    if (element_of(item, type) == element) return &item;
  }
  return nullptr;
}

/// The fields of a value that was not there before.
FieldSet added(const Json& value, const Type& type, std::string_view name) {
  FieldSet set;
  const Shape shape = shape_of(value, type);
  set.member = shape == Shape::leaf || !is_always_there(name, type);
  if (shape == Shape::members) {
    for (const Json::Member& member : value.members()) {
      const std::string element = "f:" + member.key;
      set.children.emplace(element, added(member.value, type_below(type, element), member.key));
    }
  } else if (shape != Shape::leaf) {
    for (const Json& item : value.items()) {
      const std::string element = element_of(item, type);
      if (element.empty()) continue;
      FieldSet below = shape == Shape::keyed ? added(item, *type.element, {}) : FieldSet();
      below.member = true;
      set.children.insert_or_assign(element, std::move(below));
    }
  }
  return set;
}

void compare_members(const Json& before, const Json& after, const Type& type, Difference& difference);
void compare_elements(const Json& before, const Json& after, const Type& type, Difference& difference);

void compare_values(const Json& before, const Json& after, const Type& type, Difference& difference) {
  const Shape old_shape = shape_of(before, type);
  const Shape shape = shape_of(after, type);
  if (before.is_object() && after.is_object() && (shape == Shape::members || old_shape == Shape::members)) {
    compare_members(before, after, type, difference);
  } else if (before.is_array() && after.is_array() && (shape != Shape::leaf || old_shape != Shape::leaf)) {
    compare_elements(before, after, type, difference);
  } else if (before != after) {
    difference.changed = FieldSet::of(after, type);
    difference.changed.member = true;
  }
}

void put(Difference& into, const std::string& element, Difference below) {
  if (!below.changed.empty()) into.changed.children.insert_or_assign(element, std::move(below.changed));
  if (!below.removed.empty()) into.removed.children.insert_or_assign(element, std::move(below.removed));
}

FieldSet gone() {
  FieldSet set;
  set.member = true;
  return set;
}

void compare_members(const Json& before, const Json& after, const Type& type, Difference& difference) {
  for (const Json::Member& member : after.members()) {
    const std::string element = "f:" + member.key;
    const Type& below = type_below(type, element);
    Difference inner;
    if (const Json* old = before.find(member.key)) {
      compare_values(*old, member.value, below, inner);
    } else {
      inner.changed = added(member.value, below, member.key);
    }
    put(difference, element, std::move(inner));
  }
  for (const Json::Member& member : before.members()) {
    if (!after.contains(member.key)) difference.removed.children.insert_or_assign("f:" + member.key, gone());
  }
}

void compare_elements(const Json& before, const Json& after, const Type& type, Difference& difference) {
  for (const Json& item : after.items()) {
    const std::string element = element_of(item, type);
    if (element.empty()) continue;
    Difference inner;
    if (const Json* old = find_element(before, type, element)) {
      if (type.list == Type::ListKind::map) compare_values(*old, item, *type.element, inner);
    } else {
      inner.changed = type.list == Type::ListKind::map ? added(item, *type.element, {}) : FieldSet();
      inner.changed.member = true;
    }
    put(difference, element, std::move(inner));
  }
  for (const Json& item : before.items()) {
    const std::string element = element_of(item, type);
    if (!element.empty() && !find_element(after, type, element)) {
      difference.removed.children.insert_or_assign(element, gone());
    }
  }
}

/// `k:{"containerPort":80,"protocol":"TCP"}` -> `[containerPort=80,protocol="TCP"]`
std::string path_text(std::string_view element) {
  const std::string_view rest = element.substr(2);
  if (element.starts_with("f:")) return fmt::format(".{}", rest);
  if (element.starts_with("v:")) return fmt::format("[={}]", rest);
  const auto keys = Json::parse(rest);
  if (!keys) return fmt::format("[{}]", rest);
  std::string text;
  for (const Json::Member& key : keys->members()) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", key.key, key.value.dump());
  }
  return fmt::format("[{}]", text);
}

}  // namespace

std::string key_element(const Json& element, const Type& list) {
  Json keys = Json::object();
  for (std::size_t i = 0; i < list.list_keys.size(); ++i) {
    const Json& value = element[list.list_keys[i]];
    const Json& otherwise = i < list.list_key_defaults.size() ? list.list_key_defaults[i] : value;
    if (!value.is_null()) {
      keys.set(list.list_keys[i]) = value;
    } else if (!otherwise.is_null()) {
      keys.set(list.list_keys[i]) = otherwise;
    }
  }
  return keys.empty() ? std::string() : "k:" + sorted(keys).dump();
}

const Type& type_below(const Type& type, std::string_view element) {
  if (element.starts_with("f:")) {
    if (const Type::Field* field = type.field(element.substr(2))) return *field->type;
    if (type.kind != Kind::map) return any_type();
  }
  return type.element ? *type.element : any_type();
}

FieldSet FieldSet::from_json(const Json& fields_v1) {
  FieldSet set;
  set.member = fields_v1.empty() || fields_v1.contains(".");
  for (const Json::Member& child : fields_v1.members()) {
    if (child.key != ".") set.children.emplace(child.key, from_json(child.value));
  }
  return set;
}

FieldSet FieldSet::of(const Json& value, const Type& type) {
  FieldSet set;
  switch (shape_of(value, type)) {
    case Shape::leaf:
      set.member = true;
      break;
    case Shape::members:
      for (const Json::Member& member : value.members()) {
        const std::string element = "f:" + member.key;
        set.children.emplace(element, of(member.value, type_below(type, element)));
      }
      break;
    case Shape::keyed:
    case Shape::set:
      for (const Json& item : value.items()) {
        const std::string element = element_of(item, type);
        if (element.empty()) continue;
        FieldSet below = type.list == Type::ListKind::map ? of(item, *type.element) : FieldSet();
        below.member = true;
        set.children.insert_or_assign(element, std::move(below));
      }
      break;
  }
  return set;
}

Json FieldSet::to_json() const {
  Json json = Json::object();
  if (member && !children.empty()) json.set(".").make_object();
  for (const auto& [element, child] : children) json.set(element) = child.to_json();
  return json;
}

const FieldSet* FieldSet::find(std::string_view element) const {
  const auto found = children.find(element);
  return found == children.end() ? nullptr : &found->second;
}

void FieldSet::unite(const FieldSet& other) {
  member = member || other.member;
  for (const auto& [element, child] : other.children) children[element].unite(child);
}

void FieldSet::subtract(const FieldSet& other) {
  if (other.member) member = false;
  for (const auto& [element, child] : other.children) {
    const auto mine = children.find(element);
    if (mine == children.end()) continue;
    mine->second.subtract(child);
    if (mine->second.empty()) children.erase(mine);
  }
}

void FieldSet::cut(const FieldSet& other) {
  for (const auto& [element, child] : other.children) {
    const auto mine = children.find(element);
    if (mine == children.end()) continue;
    if (!child.member) mine->second.cut(child);
    if (child.member || mine->second.empty()) children.erase(mine);
  }
}

FieldSet FieldSet::intersection(const FieldSet& other) const {
  FieldSet result;
  result.member = member && other.member;
  for (const auto& [element, child] : children) {
    const FieldSet* twin = other.find(element);
    if (!twin) continue;
    FieldSet below = child.intersection(*twin);
    if (!below.empty()) result.children.emplace(element, std::move(below));
  }
  return result;
}

std::vector<std::string> FieldSet::paths() const {
  std::vector<std::string> result;
  collect_paths("", result);
  return result;
}

void FieldSet::collect_paths(const std::string& prefix, std::vector<std::string>& paths) const {
  if (member && !prefix.empty()) paths.push_back(prefix);
  for (const auto& [element, child] : children) child.collect_paths(prefix + path_text(element), paths);
}

Difference compare(const Json& before, const Json& after, const Type& type) {
  Difference difference;
  compare_members(before, after, type, difference);
  return difference;
}

}  // namespace serin::local
