#pragma once

#include "local/controllers/plan.h"

namespace serin::local {

/// One look at a Deployment: makes and sizes its ReplicaSets and writes its status, as Kubernetes'
/// deployment controller does (strategies RollingUpdate and Recreate, pause, scaling in the middle of a
/// rollout, history, progress deadline). `replicasets` and `pods` are those of its namespace; it finds its
/// own among them.
///
/// A ReplicaSet belongs to the present template if its pod-template-hash says so or its template equals it.
/// The hash has 47 bits and covers the whole template, so collisions (status.collisionCount) aren't handled.
Plan reconcile_deployment(const Json& deployment, const Objects& replicasets, const Objects& pods,
                          base::WallTime now);

}  // namespace serin::local
