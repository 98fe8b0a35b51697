#pragma once

#include "base/random.h"
#include "local/controllers/plan.h"

namespace serin::local {

/// One look at a ReplicaSet: creates or deletes pods until as many are active as it wants, and writes its
/// status. `pods` are those of its namespace; it adopts orphans its selector matches. `create_failure` is
/// the API server's refusal of the last pod, empty if there was none: it becomes the condition
/// ReplicaFailure.
Plan reconcile_replicaset(const Json& set, const Objects& pods, const std::string& create_failure,
                          base::WallTime now, base::Random& random);

/// The order in which surplus pods are deleted, first to go first: unscheduled, pending, not ready, cheap
/// (controller.kubernetes.io/pod-deletion-cost), ready for the shortest, restarted most, youngest.
Objects in_deletion_order(Objects pods);

}  // namespace serin::local
