#include "local/controllers/replicasets.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "local/controllers/objects.h"

namespace serin::local {

using base::WallTime;
namespace res = kube::resources;

namespace {

int phase_rank(const Json& pod) {
  const std::string& phase = pod.get("status", "phase").str();
  if (phase == "Running") return 2;
  return phase == "Unknown" ? 1 : 0;
}

std::int64_t restarts(const Json& pod) {
  std::int64_t most = 0;
  for (const Json& container : pod.get("status", "containerStatuses").items()) {
    most = std::max(most, container["restartCount"].int_or(0));
  }
  return most;
}

/// Smaller goes first.
auto deletion_rank(const Json& pod) {
  const bool ready = is_ready(pod);
  const auto since = [](std::optional<WallTime> t) { return t ? t->time_since_epoch().count() : 0; };
  const auto born = since(parse_time(pod.get("metadata", "creationTimestamp")));
  return std::tuple(!pod.get("spec", "nodeName").str().empty(), phase_rank(pod), ready,
                    to_int(annotation(pod, "controller.kubernetes.io/pod-deletion-cost"), 0),
                    ready ? -since(ready_changed_at(pod)) : 0, -restarts(pod), -born, kube::name_of(pod));
}

void create_pods(const Json& set, int count, base::Random& random, Plan& plan) {
  for (int i = 0; i < count; ++i) {
    Json pod = pod_from_template(res::replicasets, set, random.name_suffix(5));
    const Notice created{"Normal", "SuccessfulCreate", "Created pod: " + kube::name_of(pod)};
    const Notice failed{"Warning", "FailedCreate", "Error creating"};
    plan.writes.push_back({Write::Verb::create, res::pods, std::move(pod), created, failed});
  }
}

void delete_pods(const Objects& active, std::size_t count, Plan& plan) {
  const Objects order = in_deletion_order(active);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = kube::name_of(*order[i]);
    const Notice deleted{"Normal", "SuccessfulDelete", "Deleted pod: " + name};
    const Notice failed{"Warning", "FailedDelete", "Error deleting: " + name};
    plan.writes.push_back({Write::Verb::remove, res::pods, *order[i], deleted, failed});
  }
}

Json next_status(const Json& set, const Objects& mine, const std::string& create_failure, WallTime now,
                 Plan& plan) {
  const Json& template_labels = set.get("spec", "template", "metadata", "labels");
  const auto min_ready = set.get("spec", "minReadySeconds").int_or(0);
  int active = 0, labeled = 0, ready = 0, available = 0, terminating = 0;
  for (const Json* pod : mine) {
    const std::string& phase = pod->get("status", "phase").str();
    terminating += kube::is_being_deleted(*pod) && phase != "Succeeded" && phase != "Failed";
    if (!is_active(*pod)) continue;
    ++active;
    labeled += has_labels(labels_of(*pod), template_labels);
    ready += is_ready(*pod);
    available += is_available(*pod, min_ready, now, &plan);
  }
  Json status = Json::object({{"replicas", active}});
  set_unless_zero(status, "fullyLabeledReplicas", labeled);
  set_unless_zero(status, "readyReplicas", ready);
  set_unless_zero(status, "availableReplicas", available);
  status.set("terminatingReplicas") = terminating;
  set_unless_zero(status, "observedGeneration", set.get("metadata", "generation").int_or(0));
  if (!create_failure.empty()) {
    const Json& before = condition_of(set["status"], "ReplicaFailure");
    status.set("conditions") = Json::array({Json::object(
        {{"type", "ReplicaFailure"},
         {"status", "True"},
         {"reason", "FailedCreate"},
         {"message", create_failure},
         {"lastTransitionTime", before.is_null() ? Json(time_text(now)) : before["lastTransitionTime"]}})});
  }
  return status;
}

}  // namespace

Objects in_deletion_order(Objects pods) {
  std::ranges::sort(pods, {}, [](const Json* pod) { return deletion_rank(*pod); });
  return pods;
}

Plan reconcile_replicaset(const Json& set, const Objects& pods, const std::string& create_failure,
                          WallTime now, base::Random& random) {
  Plan plan;
  const Objects mine = claim(res::replicasets, set, res::pods, pods, plan);
  if (!plan.writes.empty()) return plan;
  Objects active = mine;
  std::erase_if(active, [](const Json* pod) { return !is_active(*pod); });
  const int wanted = to_int(set.get("spec", "replicas"), 1);
  const int have = static_cast<int>(active.size());

  Json updated = set;
  updated.set("status") = next_status(set, mine, have < wanted ? create_failure : "", now, plan);
  if (updated != set) {
    plan.writes.push_back({Write::Verb::replace_status, res::replicasets, std::move(updated)});
  }
  if (kube::is_being_deleted(set)) return plan;
  if (have < wanted) create_pods(set, wanted - have, random, plan);
  if (have > wanted) delete_pods(active, have - wanted, plan);
  return plan;
}

}  // namespace serin::local
