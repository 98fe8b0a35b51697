#pragma once

#include "base/json.h"

namespace serin::routing {

using base::Json;

/// `live` with `wanted` laid over it; equal to `live` if there is nothing to write. What `wanted` does not
/// name stays, whoever wrote it (users, API servers' defaults); a null in `wanted` takes the member away.
/// Elements of lists belong to each other by their name, or else by their position; the order of named ones
/// (headers, backends) means nothing and is left as it is.
[[nodiscard]] Json overlaid(const Json& live, const Json& wanted);

/// `wanted` as it is created: without the nulls.
[[nodiscard]] Json created(const Json& wanted);

}  // namespace serin::routing
