#pragma once

#include <string_view>

#include "local/machinery/status.h"

namespace serin::local {

/// Reads a body of type application/vnd.kubernetes.protobuf, in which kubectl's `create`, `scale` and `auth`
/// commands send built-in objects, as JSON data. Errors: 400 for a damaged body, 415 for a kind whose field
/// numbers aren't known (protobuf_fields.inc).
StatusResult<Json> decode_protobuf(std::string_view body);

}  // namespace serin::local
