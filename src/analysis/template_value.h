#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace serin::analysis {

/// What an expression of a template can be. The map belongs to the scope, which outlives the value.
struct Value {
  using Map = std::map<std::string, std::string>;
  std::variant<std::monostate, bool, std::int64_t, double, std::string, const Map*> data;

  [[nodiscard]] bool is_nil() const { return data.index() == 0; }
  /// Neither nil, false, zero nor empty.
  [[nodiscard]] bool is_true() const;
  /// Go's name of the type: "string", "int", "map[string]string".
  [[nodiscard]] std::string_view type_name() const;
  /// As {{ }} and %v print it: "map[a:1 b:2]", "<nil>".
  [[nodiscard]] std::string text() const;
};

/// Calls eq, index, printf, ... (not the scope's functions, nor `and` and `or`, which stop early). Errors are
/// the part behind "error calling <name>: ".
base::Result<Value> call_function(std::string_view name, const std::vector<Value>& arguments);

/// Go's fmt.Sprintf for these values.
std::string go_printf(std::string_view format, const std::vector<Value>& arguments);

/// A number as Go prints it with %v: the shortest digits that read back the same, in exponent form below 1e-4
/// and from 1e+06 on. Event texts print bounds so (spec 08 §7.3).
std::string go_number(double value);

}  // namespace serin::analysis
