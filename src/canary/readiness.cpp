#include "canary/readiness.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

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

Json unparked_template(Json pod_template) {
  Json* spec = pod_template.find("spec");
  Json* selector = spec ? spec->find("nodeSelector") : nullptr;
  if (!selector) return pod_template;
  selector->erase(parking_label);
  if (selector->empty()) spec->erase("nodeSelector");
  return pod_template;
}

bool is_parked(const Json& daemonset) {
  return daemonset.get("spec", "template", "spec", "nodeSelector").contains(parking_label);
}

WorkloadView view_daemonset(const Json& daemonset) {
  WorkloadView view{.kind = WorkloadView::Kind::daemonset};
  if (daemonset.is_null()) return view;
  const Json& status = daemonset["status"];
  const auto count = [&](std::string_view key) { return static_cast<int>(status[key].int_or(0)); };
  view.exists = true;
  view.generation = daemonset.get("metadata", "generation").int_or(0);
  view.observed_generation = status["observedGeneration"].int_or(0);
  const bool known = view.observed_generation > 0 && view.observed_generation >= view.generation;
  const int desired = count("desiredNumberScheduled");
  // One at least unless it is parked: a status that is still that of the parked one, and a cluster without a
  // node for it, are not the same as "scaled to zero".
  view.replicas = is_parked(daemonset) ? 0 : std::max(1, desired);
  view.nowhere = known && view.replicas > 0 && desired == 0;
  view.status_replicas = count("currentNumberScheduled");
  view.updated = count("updatedNumberScheduled");
  view.ready = count("numberReady");
  view.available = count("numberAvailable");
  view.revision = template_hash(unparked_template(daemonset.get("spec", "template")));
  return view;
}

void settle_placement(WorkloadView& target, WorkloadView& primary) {
  const auto serves_nobody = [](const WorkloadView& view) {
    return !view.exists || view.replicas == 0 || view.nowhere;
  };
  if (!serves_nobody(target) || !serves_nobody(primary)) return;
  for (WorkloadView* view : {&target, &primary}) {
    if (!std::exchange(view->nowhere, false)) continue;
    view->status_replicas = view->updated = view->ready = view->available = view->replicas;
  }
}

namespace {

/// spec 01 §9.2. Its texts tell of the deadline instead of what was waited for.
Readiness daemonset_readiness(const WorkloadView& workload, int percent, base::Duration waiting,
                              base::Duration deadline) {
  const auto wait = [&](std::string_view reason) {
    if (waiting < deadline)
      return Readiness{false, false, fmt::format("waiting for rollout to finish: {}", reason)};
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(deadline).count();
    return Readiness{false, true, fmt::format("exceeded its progressDeadlineSeconds: {}", seconds)};
  };
  if (workload.generation > workload.observed_generation)
    return wait("observed daemonset generation less than desired generation");
  if (workload.nowhere) return wait("no node matches its node selector, affinity and tolerations");
  if (workload.updated < workload.replicas)
    return wait(fmt::format("{} out of {} new pods have been updated", workload.updated, workload.replicas));
  const int needed = workload.replicas * percent / 100;
  if (workload.available < needed) {
    return wait(fmt::format("{} of {} (readyThreshold {}%) updated pods are available", workload.available,
                            needed, percent));
  }
  return {true, false, ""};
}

}  // namespace

Readiness readiness(const WorkloadView& workload, std::string_view name, int percent, base::Duration waiting,
                    base::Duration deadline) {
  if (workload.kind == WorkloadView::Kind::daemonset)
    return daemonset_readiness(workload, percent, waiting, deadline);
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
