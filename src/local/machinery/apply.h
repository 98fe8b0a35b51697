#pragma once

#include <string>

#include "base/time.h"
#include "local/machinery/types.h"

namespace serin::local {

/// Who writes, for metadata.managedFields.
struct FieldManager {
  std::string name;         ///< fieldManager of the request, else the user agent up to the first "/"
  std::string api_version;  ///< of the object as written, "apps/v1"
  std::string subresource;  ///< "" or "status", "scale"
  base::WallTime now;
};

/// Server-side apply: merges `configuration` into `live` (null: the object doesn't exist yet), gives the
/// manager the fields it lists, and removes what it listed before and no longer does, unless others own it.
/// Fields of others with another value are conflicts: 409 `Apply failed with 1 conflict: conflict with
/// "kubectl-set" using apps/v1: .spec.replicas`, with a FieldManagerConflict cause each; `force` takes them
/// over. The result has new managedFields, and is `live` itself where nothing changed.
StatusResult<Json> server_side_apply(const Json& live, const Json& configuration, const Type& type,
                                     const FieldManager& manager, bool force);

/// managedFields after another kind of write (create, update, patch): fields that `after` changed in respect
/// of `before` (null: a creation) belong to the manager's Update entry, fields that went belong to nobody.
/// Call it when the object is otherwise ready to be stored. Objects that nobody ever applied are tracked too.
/// Where the write sent `metadata.managedFields: []` or `[{}]`, tracking is reset.
void track_update(const Json& before, Json& after, const Type& type, const FieldManager& manager);

}  // namespace serin::local
