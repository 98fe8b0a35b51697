#include "canary/readiness.h"

#include <fmt/format.h>

#include "canary/hash.h"

namespace serin::canary {

WorkloadView view_deployment(const Json& deployment) {
  WorkloadView view;
  if (deployment.is_null()) return view;
  const Json& status = deployment["status"];
  view.exists = true;
  view.generation = deployment.get("metadata", "generation").int_or(0);
  view.observed_generation = status["observedGeneration"].int_or(0);
  view.replicas = static_cast<int>(deployment.get("spec", "replicas").int_or(1));
  view.status_replicas = static_cast<int>(status["replicas"].int_or(0));
  view.updated = static_cast<int>(status["updatedReplicas"].int_or(0));
  view.ready = static_cast<int>(status["readyReplicas"].int_or(0));
  view.available = static_cast<int>(status["availableReplicas"].int_or(0));
  for (const Json& condition : status["conditions"].items()) {
    if (condition["type"].str() == "Progressing" && condition["reason"].str() == "ProgressDeadlineExceeded") {
      view.deadline_exceeded = true;
    }
  }
  view.revision = template_hash(deployment.get("spec", "template"));
  return view;
}

Readiness readiness(const WorkloadView& workload, std::string_view name, int percent, base::Duration waiting,
                    base::Duration deadline) {
  const auto wait = [&](std::string reason) {
    return Readiness{false, waiting >= deadline, "waiting for rollout to finish: " + std::move(reason)};
  };
  if (workload.generation > workload.observed_generation) {
    return wait("observed deployment generation less than desired generation");
  }
  if (workload.deadline_exceeded) {
    return {false, true, fmt::format("deployment \"{}\" exceeded its progress deadline", name)};
  }
  if (workload.updated < workload.replicas) {
    return wait(
        fmt::format("{} out of {} new replicas have been updated", workload.updated, workload.replicas));
  }
  if (workload.status_replicas > workload.updated) {
    return wait(
        fmt::format("{} old replicas are pending termination", workload.status_replicas - workload.updated));
  }
  const int needed = workload.updated * percent / 100;
  if (workload.available < needed) {
    return wait(fmt::format("{} of {} (readyThreshold {}%) updated replicas are available",
                            workload.available, needed, percent));
  }
  return {true, false, ""};
}

}  // namespace serin::canary
