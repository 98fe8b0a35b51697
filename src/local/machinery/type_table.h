#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "local/machinery/types.h"

namespace serin::local {

/// The built-in API types, read from the compact table in builtin_types.inc:
///
///     [apps io.k8s.api.apps.v1]          section: alias, prefix of the types' OpenAPI names
///     DeploymentSpec [atomic]            a type
///       template! core/PodTemplateSpec   a field: name (! required), type, flags
///       conditions []Condition patch=merge:type list=map:type
///
/// A type is bool, int32, int64, double, string, bytes, time, microtime, quantity, int_or_string, any, []T,
/// {}T (a map), or the name of another type ("section/Name" if it is elsewhere). Flags: patch= strategy and
/// merge key of strategic merge; list= how apply merges the list; atomic for maps that apply replaces as a
/// whole.
class TypeTable {
 public:
  explicit TypeTable(std::string_view text);
  TypeTable(const TypeTable&) = delete;
  TypeTable& operator=(const TypeTable&) = delete;

  /// By section and name: "apps/DeploymentSpec"; nullptr if unknown.
  [[nodiscard]] const Type* find(std::string_view name) const;
  /// "io.k8s.api.apps.v1.DeploymentSpec"; empty for types that have no definition of their own.
  [[nodiscard]] std::string openapi_name(const Type& type) const;
  /// Every named type with its OpenAPI name, sorted by it.
  [[nodiscard]] const std::map<std::string, const Type*>& definitions() const { return definitions_; }
  [[nodiscard]] bool is_micro_time(const Type& type) const { return &type == micro_time_; }

 private:
  Type& named(const std::string& name);
  const Type* reference(std::string_view text, std::string_view section);
  void add_field(Type& owner, std::string_view line, std::string_view section);
  void set_list(Type& list, std::string_view flag);

  TypeArena arena_;
  std::map<std::string, Type*, std::less<>> by_name_;
  std::map<std::string, const Type*> definitions_;
  std::map<const Type*, std::string> openapi_names_;
  const Type* micro_time_ = nullptr;
};

/// The table, read once.
const TypeTable& builtin_types();

}  // namespace serin::local
