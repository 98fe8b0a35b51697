#pragma once

#include "local/machinery/types.h"

namespace serin::local {

/// RFC 6902. Errors are the API server's: 422 Invalid for a patch that cannot be applied (a failed test, a
/// missing path), 400 BadRequest for one that is none. `group_kind_name` fields of the error are the
/// caller's.
StatusResult<Json> json_patch(const Json& object, const Json& patch);

/// RFC 7386: null removes, objects merge, the rest replaces.
Json merge_patch(const Json& object, const Json& patch);

/// Kubernetes' strategic merge patch over `type` (lists with a merge key merge by element; directives $patch,
/// $deleteFromPrimitiveList/<field>, $setElementOrder/<field>, $retainKeys). Errors (BadRequest or 422)
/// carry the API server's texts.
StatusResult<Json> strategic_merge_patch(const Json& object, const Json& patch, const Type& type);

}  // namespace serin::local
