#pragma once

#include "local/controllers/hpa_behavior.h"
#include "local/controllers/plan.h"
#include "local/controllers/pod_metrics.h"

namespace serin::local {

/// One look at a HorizontalPodAutoscaler (autoscaling/v2): scales its target and writes its status, with
/// Kubernetes' conditions (AbleToScale, ScalingActive, ScalingLimited), events and texts. `target` is the
/// Deployment or ReplicaSet it names, null if there is none; `pods` are those of its namespace.
Plan reconcile_hpa(const Json& hpa, const Json* target, const Objects& pods, const PodMetrics& usage,
                   HpaHistory& history, base::WallTime now);

/// The resource of spec.scaleTargetRef; nullopt if it is none that can be scaled here.
std::optional<kube::Resource> scale_target_resource(const Json& hpa);

}  // namespace serin::local
