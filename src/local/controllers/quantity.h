#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"

namespace serin::local {

/// Reads a resource quantity ("100m", "1.5", "64Mi", "2G", "1e3", or a JSON number) in thousandths of its
/// unit (millicores; for memory thousandths of a byte). nullopt if it is none, or too large.
std::optional<std::int64_t> parse_milli(const base::Json& quantity);

/// Prints as the API does: "250m", "2"; bytes whole, with the largest binary suffix that keeps them exact.
std::string format_cpu(std::int64_t millicores);
std::string format_bytes(std::int64_t bytes);

}  // namespace serin::local
