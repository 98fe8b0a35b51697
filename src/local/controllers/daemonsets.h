#pragma once

#include "base/random.h"
#include "local/controllers/plan.h"

namespace serin::local {

/// One look at a DaemonSet: one pod on every node whose labels its node selector matches (none matches
/// Flagger's `flagger.app/scale-to-zero`, which is how it parks a DaemonSet), replaced within
/// updateStrategy's limits when the template changes. `pods` are those of its namespace. A pod's template is
/// told by its label controller-revision-hash; ControllerRevision objects are not kept.
Plan reconcile_daemonset(const Json& set, const Objects& pods, const Objects& nodes, base::WallTime now,
                         base::Random& random);

}  // namespace serin::local
