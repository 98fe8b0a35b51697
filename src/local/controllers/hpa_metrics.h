#pragma once

#include "base/result.h"
#include "local/controllers/plan.h"
#include "local/controllers/pod_metrics.h"

namespace serin::local {

/// How many replicas one metric of an HPA asks for.
struct Proposal {
  int replicas = 0;
  std::string metric;  ///< as texts name it: "cpu resource utilization (percentage of request)"
  Json current;        ///< the entry of status.currentMetrics
};

/// Why a metric says nothing: the reason of the condition ScalingActive, and the text behind "the HPA was
/// unable to compute the replica count: ".
struct MetricFailure {
  std::string reason;
  std::string message;
};

/// Judges one metric (type Resource, cpu or memory; target Utilization or AverageValue) over the target's
/// pods: usage to target, with 10 % tolerance. Pods that aren't ready yet don't count when scaling down and
/// count as idle when scaling up; pods without measurement count as on target, and as idle when scaling up.
std::expected<Proposal, MetricFailure> propose(const Json& metric, int current_replicas, const Objects& pods,
                                               const PodMetrics& usage, base::WallTime now);

}  // namespace serin::local
