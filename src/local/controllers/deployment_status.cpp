#include "local/controllers/deployment_status.h"

#include <fmt/format.h>

#include <algorithm>

namespace serin::local {

using base::WallTime;

namespace {

int sum(const Objects& sets, const char* field) {
  int total = 0;
  for (const Json* set : sets) total += status_replicas(*set, field);
  return total;
}

void remove_condition(Json& status, std::string_view type) {
  if (!status.contains("conditions")) return;
  std::erase_if(status.set("conditions").make_array(),
                [&](const Json& c) { return c["type"].str() == type; });
}

Json count(const DeploymentView& view, const Json& conditions) {
  const Objects sets = view.all();
  const int total = sum(sets, "replicas");
  const int available = sum(sets, "availableReplicas");
  const Json& before = view.deployment["status"];
  Json status = Json::object();
  set_unless_zero(status, "observedGeneration", view.deployment.get("metadata", "generation").int_or(0));
  set_unless_zero(status, "replicas", total);
  set_unless_zero(status, "updatedReplicas", view.fresh ? status_replicas(*view.fresh, "replicas") : 0);
  set_unless_zero(status, "readyReplicas", sum(sets, "readyReplicas"));
  set_unless_zero(status, "availableReplicas", available);
  set_unless_zero(status, "unavailableReplicas", std::max(0, total - available));
  status.set("terminatingReplicas") = sum(sets, "terminatingReplicas");
  if (before.contains("collisionCount")) status.set("collisionCount") = before["collisionCount"];
  status.set("conditions") = conditions.is_array() ? conditions : Json::array();
  return status;
}

bool is_complete(const DeploymentView& view, const Json& status) {
  const auto has_all = [&](const char* field) { return to_int(status[field], 0) == view.goal.replicas; };
  return has_all("updatedReplicas") && has_all("replicas") && has_all("availableReplicas");
}

bool has_moved(const Json& before, const Json& after) {
  const auto get = [](const Json& status, const char* field) { return to_int(status[field], 0); };
  const auto grew = [&](const char* field) { return get(after, field) > get(before, field); };
  const int old_before = get(before, "replicas") - get(before, "updatedReplicas");
  const int old_after = get(after, "replicas") - get(after, "updatedReplicas");
  return grew("updatedReplicas") || old_after < old_before || grew("readyReplicas") ||
         grew("availableReplicas");
}

void judge(const DeploymentView& view, Json& status, WallTime now, Plan& plan) {
  const auto limit = view.progress_deadline();
  if (!limit) return remove_condition(status, "Progressing");
  const Json current = condition_of(status, "Progressing");
  const std::string& reason = current["reason"].str();
  const bool settled = to_int(status["replicas"], 0) == to_int(status["updatedReplicas"], 0) &&
                       reason == "NewReplicaSetAvailable";
  if (settled) return;

  const std::string who = view.fresh ? fmt::format("ReplicaSet \"{}\"", kube::name_of(*view.fresh))
                                     : fmt::format("Deployment \"{}\"", kube::name_of(view.deployment));
  if (is_complete(view, status)) {
    return set_deployment_condition(status,
                                    make_condition("Progressing", "True", "NewReplicaSetAvailable",
                                                   who + " has successfully progressed."),
                                    now);
  }
  if (has_moved(view.deployment["status"], status)) {
    // Removed first, so that lastUpdateTime, from which the deadline runs, is always renewed.
    Json moved = make_condition("Progressing", "True", "ReplicaSetUpdated", who + " is progressing.");
    if (current["status"].str() == "True") moved.set("lastTransitionTime") = current["lastTransitionTime"];
    remove_condition(status, "Progressing");
    set_deployment_condition(status, moved, now);
    return plan.wake_at(now + *limit + std::chrono::seconds(1));
  }
  const auto since = parse_time(current["lastUpdateTime"]);
  if (!since || reason == "NewReplicaSetAvailable" || reason == "ProgressDeadlineExceeded") return;
  if (now <= *since + *limit) return plan.wake_at(*since + *limit + std::chrono::seconds(1));
  set_deployment_condition(
      status,
      make_condition("Progressing", "False", "ProgressDeadlineExceeded", who + " has timed out progressing."),
      now);
}

/// The newest set's trouble before that of the others; null if all is well.
Json replica_failure(const DeploymentView& view) {
  Json found;
  for (const Json* set : view.all()) {
    const Json& failure = condition_of((*set)["status"], "ReplicaFailure");
    if (!failure.is_null()) found = failure;
  }
  return found;
}

}  // namespace

Json make_condition(std::string_view type, std::string_view status, std::string_view reason,
                    std::string message) {
  return Json::object({{"type", type}, {"status", status}, {"reason", reason}, {"message", message}});
}

void set_deployment_condition(Json& status, const Json& condition, WallTime now) {
  const std::string& type = condition["type"].str();
  const Json current = condition_of(status, type);
  const bool same_status = current["status"].str() == condition["status"].str();
  if (same_status && current["reason"].str() == condition["reason"].str()) return;
  Json next = condition;
  next.set("lastUpdateTime") = time_text(now);
  if (same_status) {
    next.set("lastTransitionTime") = current["lastTransitionTime"];
  } else if (!next.contains("lastTransitionTime")) {
    next.set("lastTransitionTime") = time_text(now);
  }
  remove_condition(status, type);
  status.set("conditions").push_back(std::move(next));
}

Json next_deployment_status(const DeploymentView& view, const Json& conditions, bool judge_progress,
                            WallTime now, Plan& plan) {
  Json status = count(view, conditions);
  const bool enough = to_int(status["availableReplicas"], 0) >= view.goal.fewest_available();
  set_deployment_condition(status,
                           enough ? make_condition("Available", "True", "MinimumReplicasAvailable",
                                                   "Deployment has minimum availability.")
                                  : make_condition("Available", "False", "MinimumReplicasUnavailable",
                                                   "Deployment does not have minimum availability."),
                           now);
  if (!judge_progress) return status;
  judge(view, status, now, plan);
  const Json failure = replica_failure(view);
  if (failure.is_null()) {
    remove_condition(status, "ReplicaFailure");
  } else {
    set_deployment_condition(status,
                             make_condition("ReplicaFailure", failure["status"].str(),
                                            failure["reason"].str(), failure["message"].str()),
                             now);
  }
  return status;
}

}  // namespace serin::local
