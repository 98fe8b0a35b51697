#pragma once

// The sets of fields that metadata.managedFields records; not for other layers.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "local/machinery/types.h"

namespace serin::local {

/// A set of fields of an object, as the tree that FieldsV1 writes: each edge is a path element, "f:<name>" (a
/// member), `k:{"name":"x"}` (an element of a list, by its keys) or `v:"x"` (an element of a set).
class FieldSet {
 public:
  static FieldSet from_json(const Json& fields_v1);
  /// Fields the value gives: leaves, and elements of lists with keys themselves.
  static FieldSet of(const Json& value, const Type& type);

  [[nodiscard]] Json to_json() const;
  [[nodiscard]] bool empty() const { return !member && children.empty(); }
  bool operator==(const FieldSet&) const = default;

  /// Fields in this set or the other.
  void unite(const FieldSet& other);
  /// Removes the other set's fields.
  void subtract(const FieldSet& other);
  /// Removes the other set's fields with everything below them.
  void cut(const FieldSet& other);
  [[nodiscard]] FieldSet intersection(const FieldSet& other) const;
  void erase(std::string_view element) { children.erase(std::string(element)); }
  [[nodiscard]] const FieldSet* find(std::string_view element) const;
  /// As messages name them: `.spec.containers[name="a"].image`
  [[nodiscard]] std::vector<std::string> paths() const;

  bool member = false;  ///< the field itself is in the set, not only something below it
  std::map<std::string, FieldSet, std::less<>> children;

 private:
  void collect_paths(const std::string& prefix, std::vector<std::string>& paths) const;
};

struct Difference {
  FieldSet changed;  ///< new, or with another value
  FieldSet removed;  ///< gone; whatever was below is gone too
};

/// How `after` differs from `before` (null: it is new).
Difference compare(const Json& before, const Json& after, const Type& type);

/// `k:{"name":"a"}` of an element of a list with keys; empty if one is missing.
std::string key_element(const Json& element, const Type& list);
/// The type below a path element.
const Type& type_below(const Type& type, std::string_view element);

}  // namespace serin::local
