#pragma once

// The compiled form of a CRD's schema; not for other layers.

#include <re2/re2.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "local/machinery/schema.h"

namespace serin::local {

struct SchemaNode {
  using Ptr = std::unique_ptr<const SchemaNode>;

  std::string type;  ///< "" if not given
  std::string format;
  bool int_or_string = false;
  bool nullable = false;
  bool keep_unknown = false;
  bool embedded = false;  ///< a whole Kubernetes object
  bool no_additional = false;
  bool known_rule = false;  ///< the Gateway API's "port required for Services"
  std::string rule_message;

  std::vector<std::pair<std::string, Ptr>> properties;
  Ptr items, additional, negated;
  std::vector<Ptr> all_of, any_of, one_of;
  std::vector<std::string> required;
  std::vector<Json> enumeration;
  std::optional<Json> default_value;
  std::unique_ptr<const RE2> pattern;
  std::string pattern_text;
  std::optional<double> minimum, maximum, multiple_of;
  bool exclusive_minimum = false;
  bool exclusive_maximum = false;
  std::optional<std::int64_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
  std::string list_type;
  std::vector<std::string> list_keys;
  bool atomic_map = false;

  [[nodiscard]] const SchemaNode* property(std::string_view name) const;
  /// The schema of a member: its property's, else that of additional ones; nullptr if neither is there.
  [[nodiscard]] const SchemaNode* member(std::string_view name) const;
};

struct CrdSchema::Compiled {
  Json source;
  SchemaNode::Ptr root;
  TypeArena arena;
  const Type* type = nullptr;
};

/// Everything wrong with the value; messages as the API server's validator words them.
FieldErrors validate_value(const SchemaNode& schema, const Json& value, const std::string& path);
/// Lists of type set or map must not hold an element twice.
FieldErrors validate_list_types(const SchemaNode& schema, const Json& value, const std::string& path);
/// Known rules in CEL.
FieldErrors validate_rules(const SchemaNode& schema, const Json& value, const std::string& path);

}  // namespace serin::local
