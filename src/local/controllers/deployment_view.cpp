#include "local/controllers/deployment_view.h"

#include <algorithm>
#include <limits>

namespace serin::local {

namespace {

/// What two templates must share to be the same: everything but the hash label and empty maps.
Json comparable(Json pod_template) {
  if (Json* labels = pod_template.set("metadata").find("labels")) labels->erase(hash_label);
  Json& metadata = pod_template.set("metadata");
  for (const char* map : {"labels", "annotations", "creationTimestamp"}) {
    if (metadata[map].empty()) metadata.erase(map);
  }
  return pod_template;
}

RolloutGoal goal_of(const Json& deployment) {
  const int replicas = to_int(deployment.get("spec", "replicas"), 1);
  const Json& strategy = deployment.get("spec", "strategy");
  if (strategy["type"].str() == "Recreate") return {replicas, 0, 0};
  const Json quarter("25%");
  const Json& surge = strategy.get("rollingUpdate", "maxSurge");
  const Json& unavailable = strategy.get("rollingUpdate", "maxUnavailable");
  return RolloutGoal::rolling(
      replicas, resolve_int_or_percent(surge.is_null() ? quarter : surge, replicas, true),
      resolve_int_or_percent(unavailable.is_null() ? quarter : unavailable, replicas, false));
}

bool older(const Json* a, const Json* b) {
  const std::string& a_time = a->get("metadata", "creationTimestamp").str();
  const std::string& b_time = b->get("metadata", "creationTimestamp").str();
  return a_time != b_time ? a_time < b_time : kube::name_of(*a) < kube::name_of(*b);
}

}  // namespace

DeploymentView::DeploymentView(const Json& d, const Objects& owned_sets)
    : deployment(d), old(owned_sets), goal(goal_of(d)), hash(template_hash(d.get("spec", "template"))) {
  std::ranges::sort(old, older);
  const Json wanted = comparable(d.get("spec", "template"));
  const auto found = std::ranges::find_if(old, [&](const Json* set) {
    return labels_of(*set)[hash_label].str() == hash || comparable(set->get("spec", "template")) == wanted;
  });
  if (found == old.end()) return;
  fresh = *found;
  old.erase(found);
}

std::optional<std::chrono::seconds> DeploymentView::progress_deadline() const {
  const Json& seconds = deployment.get("spec", "progressDeadlineSeconds");
  const auto value = seconds.as_int();
  if (!value || *value >= std::numeric_limits<std::int32_t>::max()) return std::nullopt;
  return std::chrono::seconds(*value);
}

Objects DeploymentView::all() const {
  Objects sets = old;
  if (fresh) sets.push_back(fresh);
  return sets;
}

int desired_replicas(const Json& set) {
  return to_int(set.get("spec", "replicas"), 1);
}

int status_replicas(const Json& set, const char* field) {
  return to_int(set.get("status", field), 0);
}

std::int64_t revision_of(const Json& object) {
  return to_int(annotation(object, revision_annotation), 0);
}

SetCounts counts_of(const Json& set) {
  return {desired_replicas(set), status_replicas(set, "availableReplicas"),
          to_int(annotation(set, most_annotation), 0)};
}

}  // namespace serin::local
