#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace serin::base {

/// Reads every document of a YAML stream as JSON data, with the scalar rules kubectl uses (plain true/false,
/// null, integers and floats are typed; anything quoted is a string). Empty documents are left out.
/// Errors (invalid) name line and column.
Result<std::vector<Json>> parse_yaml(std::string_view text);

}  // namespace serin::base
