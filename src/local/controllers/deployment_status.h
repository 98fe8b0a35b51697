#pragma once

#include "local/controllers/deployment_view.h"

namespace serin::local {

/// The Deployment's next status: counts, and the conditions Available, Progressing and ReplicaFailure with
/// Kubernetes' reasons and texts. `plan` is woken when the progress deadline will have passed. While the
/// Deployment is paused or being resized, Progressing is left as it is (`judge_progress` false). `conditions`
/// are the present ones, with what this look has already noted.
Json next_deployment_status(const DeploymentView& view, const Json& conditions, bool judge_progress,
                            base::WallTime now, Plan& plan);

/// Sets a condition as Deployments do: unchanged if status and reason are; else moved to the end, with a
/// new lastTransitionTime only if the status changed.
void set_deployment_condition(Json& status, const Json& condition, base::WallTime now);

/// {type, status, reason, message}
Json make_condition(std::string_view type, std::string_view status, std::string_view reason,
                    std::string message);

}  // namespace serin::local
