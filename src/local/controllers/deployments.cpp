#include "local/controllers/deployments.h"

#include <fmt/format.h>

#include <algorithm>

#include "local/controllers/deployment_status.h"

namespace serin::local {

using base::WallTime;
using kube::name_of;
namespace res = kube::resources;

namespace {

/// One look, taken step by step: the first step that has to change the ReplicaSets is the only one to do so;
/// what follows from it is decided when the change has been seen.
class Look {
 public:
  Look(const DeploymentView& view, const Objects& pods, WallTime now, Plan& plan)
      : view_(view), pods_(pods), now_(now), plan_(plan) {}

  void run() {
    deployment_ = view_.deployment;
    if (kube::is_being_deleted(view_.deployment)) return write_status(false);
    note_pause();
    if (view_.paused() || is_resized()) {
      resize();
      if (view_.paused()) trim_history();
      return write_status(false);
    }
    if (view_.recreates()) {
      recreate();
    } else {
      roll();
    }
    write_status(true);
  }

 private:
  // --- Rollouts

  void roll() {
    if (!sync_fresh()) return;
    if (size_set(*view_.fresh, next_size_of_new(view_.goal, old_counts(), counts_of(*view_.fresh)))) return;
    const std::vector<int> sizes = next_sizes_of_old(view_.goal, old_counts(), counts_of(*view_.fresh));
    bool changed = false;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] != desired_replicas(*view_.old[i])) changed |= size_set(*view_.old[i], sizes[i]);
    }
    if (!changed) trim_history();
  }

  void recreate() {
    bool changed = false;
    for (const Json* set : view_.old) {
      if (desired_replicas(*set) > 0) changed |= size_set(*set, 0);
    }
    if (changed || old_pods_run()) return;
    if (!sync_fresh()) return;
    if (!size_set(*view_.fresh, view_.goal.replicas)) trim_history();
  }

  /// Pods that are terminating count: two versions must never run side by side.
  bool old_pods_run() const {
    return std::ranges::any_of(pods_, [&](const Json* pod) {
      const std::string& phase = pod->get("status", "phase").str();
      return phase != "Succeeded" && phase != "Failed" &&
             std::ranges::any_of(view_.old, [&](const Json* set) { return is_controlled_by(*pod, *set); });
    });
  }

  /// Makes sure that the ReplicaSet of the present template exists and carries what it should.
  bool sync_fresh() {
    std::int64_t highest = 0;
    for (const Json* set : view_.old) highest = std::max(highest, revision_of(*set));
    if (!view_.fresh) {
      create_fresh(highest + 1);
      return false;
    }
    Json set = *view_.fresh;
    copy_annotations(set);
    // A ReplicaSet of the past that is wanted again becomes the newest revision.
    const std::int64_t revision = std::max(revision_of(set), highest + 1);
    set.set("metadata", "annotations", revision_annotation) = fmt::format("{}", revision);
    const Json& ready_seconds = view_.deployment.get("spec", "minReadySeconds");
    if (set.get("spec", "minReadySeconds").int_or(0) != ready_seconds.int_or(0)) {
      set.set("spec", "minReadySeconds") = ready_seconds.int_or(0);
    }
    set_revision(revision);
    if (condition_of(deployment_["status"], "Progressing").is_null()) {
      note_progress("FoundNewReplicaSet", fmt::format("Found new replica set \"{}\"", name_of(set)));
    }
    if (set == *view_.fresh) return true;
    plan_.writes.push_back({Write::Verb::replace, res::replicasets, std::move(set)});
    return false;
  }

  void create_fresh(std::int64_t revision) {
    const Json& deployment = view_.deployment;
    const std::string name = view_.fresh_name();
    const int size =
        next_size_of_new(view_.goal, view_.recreates() ? std::vector<SetCounts>{} : old_counts(), {});
    Json set = Json::object({{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"}});
    set.set("metadata", "name") = name;
    set.set("metadata", "namespace") = kube::namespace_of(deployment);
    Json labels = deployment.get("spec", "template", "metadata", "labels");
    labels.set(hash_label) = view_.hash;
    set.set("metadata", "labels") = labels;
    copy_annotations(set);
    set.set("metadata", "annotations", revision_annotation) = fmt::format("{}", revision);
    stamp_sizes(set);
    set.set("metadata", "ownerReferences") =
        Json::array({controller_reference(res::deployments, deployment)});
    set.set("spec", "replicas") = size;
    if (const auto seconds = deployment.get("spec", "minReadySeconds").int_or(0); seconds != 0) {
      set.set("spec", "minReadySeconds") = seconds;
    }
    set.set("spec", "selector") = deployment.get("spec", "selector");
    set.set("spec", "selector", "matchLabels", hash_label) = view_.hash;
    set.set("spec", "template") = deployment.get("spec", "template");
    set.set("spec", "template", "metadata", "labels") = labels;

    Write write{Write::Verb::create, res::replicasets, std::move(set)};
    if (size > 0) {
      write.notice = {"Normal", "ScalingReplicaSet",
                      fmt::format("Scaled up replica set {} from 0 to {}", name, size)};
    }
    write.failure_notice = {"Warning", "ReplicaSetCreateError",
                            fmt::format("Failed to create new replica set \"{}\"", name)};
    plan_.writes.push_back(std::move(write));
    set_revision(revision);
    note_progress("NewReplicaSetCreated", fmt::format("Created new replica set \"{}\"", name));
  }

  /// The Deployment's annotations are its ReplicaSets' too, apart from bookkeeping.
  void copy_annotations(Json& set) const {
    for (const auto& [key, value] : view_.deployment.get("metadata", "annotations").members()) {
      if (key == "kubectl.kubernetes.io/last-applied-configuration" ||
          key.starts_with("deployment.kubernetes.io/") || key == "deprecated.deployment.rollback.to") {
        continue;
      }
      set.set("metadata", "annotations", key) = value;
    }
  }

  // --- Sizes

  std::vector<SetCounts> old_counts() const {
    std::vector<SetCounts> counts;
    for (const Json* set : view_.old) counts.push_back(counts_of(*set));
    return counts;
  }

  void stamp_sizes(Json& set) const {
    set.set("metadata", "annotations", desired_annotation) = fmt::format("{}", view_.goal.replicas);
    set.set("metadata", "annotations", most_annotation) =
        fmt::format("{}", view_.goal.replicas + view_.goal.max_surge);
  }

  /// Writes the set's size and the sizes of the Deployment it was decided for, if either differs.
  bool size_set(const Json& set, int size) {
    Json sized = set;
    stamp_sizes(sized);
    sized.set("spec", "replicas") = size;
    if (sized == set) return false;
    Write write{Write::Verb::replace, res::replicasets, std::move(sized)};
    if (const int before = desired_replicas(set); size != before) {
      write.notice = {"Normal", "ScalingReplicaSet",
                      fmt::format("Scaled {} replica set {} from {} to {}", size > before ? "up" : "down",
                                  name_of(set), before, size)};
    }
    plan_.writes.push_back(std::move(write));
    return true;
  }

  /// Whether spec.replicas changed since the ReplicaSets were last sized.
  bool is_resized() const {
    return std::ranges::any_of(view_.all(), [&](const Json* set) {
      const Json& stamped = annotation(*set, desired_annotation);
      return desired_replicas(*set) > 0 && stamped.is_string() && to_int(stamped, 0) != view_.goal.replicas;
    });
  }

  void resize() {
    Objects active = view_.all();
    std::erase_if(active, [](const Json* set) { return desired_replicas(*set) == 0; });
    if (active.size() <= 1) {
      const Json* only = !active.empty() ? active.front() : view_.fresh;
      if (!only && !view_.old.empty()) only = view_.old.back();
      if (only && desired_replicas(*only) != view_.goal.replicas) size_set(*only, view_.goal.replicas);
      return;
    }
    const bool saturated = view_.fresh && desired_replicas(*view_.fresh) == view_.goal.replicas &&
                           to_int(annotation(*view_.fresh, desired_annotation), 0) == view_.goal.replicas &&
                           status_replicas(*view_.fresh, "availableReplicas") == view_.goal.replicas;
    if (saturated) {
      for (const Json* set : active) {
        if (set != view_.fresh) size_set(*set, 0);
      }
      return;
    }
    if (view_.recreates()) return;
    int pods = 0;
    for (const Json* set : active) pods += desired_replicas(*set);
    const bool growing = view_.goal.most_pods() > pods;
    const Objects active_by_age = active;
    // `active` is oldest first but for the present set, which is the newest.
    const auto rank = [&](const Json* set) {
      const auto age = std::ranges::find(active_by_age, set) - active_by_age.begin();
      return std::pair(-desired_replicas(*set), growing ? -age : age);
    };
    std::ranges::sort(active, {}, rank);
    std::vector<SetCounts> counts;
    for (const Json* set : active) counts.push_back(counts_of(*set));
    const std::vector<int> sizes = proportional_sizes(view_.goal, counts);
    for (std::size_t i = 0; i < active.size(); ++i) size_set(*active[i], sizes[i]);
  }

  // --- The Deployment itself

  void set_revision(std::int64_t revision) {
    deployment_.set("metadata", "annotations", revision_annotation) = fmt::format("{}", revision);
  }

  void note_progress(const char* reason, std::string message) {
    if (!view_.progress_deadline()) return;
    set_deployment_condition(deployment_.set("status"),
                             make_condition("Progressing", "True", reason, std::move(message)), now_);
  }

  void note_pause() {
    const std::string reason = condition_of(deployment_["status"], "Progressing")["reason"].str();
    if (!view_.progress_deadline() || reason == "ProgressDeadlineExceeded") return;
    const bool noted = reason == "DeploymentPaused";
    if (view_.paused() == noted) return;
    set_deployment_condition(
        deployment_.set("status"),
        view_.paused()
            ? make_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
            : make_condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"),
        now_);
  }

  /// Removes old ReplicaSets without pods, lowest revision first, down to revisionHistoryLimit.
  void trim_history() {
    if (!view_.paused() && !rolled_out()) return;
    Objects removable = view_.old;
    std::erase_if(removable, [](const Json* set) { return kube::is_being_deleted(*set); });
    const auto limit = view_.deployment.get("spec", "revisionHistoryLimit").int_or(10);
    std::ranges::sort(removable, {}, [](const Json* set) { return revision_of(*set); });
    const auto excess = static_cast<std::int64_t>(removable.size()) - limit;
    for (std::int64_t i = 0; i < excess; ++i) {
      const Json& set = *removable[i];
      const bool seen =
          set.get("status", "observedGeneration").int_or(0) >= set.get("metadata", "generation").int_or(0);
      if (desired_replicas(set) != 0 || status_replicas(set, "replicas") != 0 || !seen) continue;
      plan_.writes.push_back({Write::Verb::remove, res::replicasets, set});
    }
  }

  bool rolled_out() const {
    const Json& status = view_.deployment["status"];
    const auto has_all = [&](const char* field) { return to_int(status[field], 0) == view_.goal.replicas; };
    return has_all("updatedReplicas") && has_all("replicas") && has_all("availableReplicas") &&
           status["observedGeneration"].int_or(0) >= view_.deployment.get("metadata", "generation").int_or(0);
  }

  /// The revision annotation travels with the status, as in Kubernetes, where only writes of the main
  /// resource count as a new generation.
  void write_status(bool judge_progress) {
    deployment_.set("status") =
        next_deployment_status(view_, deployment_.get("status", "conditions"), judge_progress, now_, plan_);
    if (deployment_ == view_.deployment) return;
    plan_.writes.push_back({Write::Verb::replace_status, res::deployments, deployment_});
  }

  const DeploymentView& view_;
  const Objects& pods_;
  const WallTime now_;
  Plan& plan_;
  Json deployment_;  // as it is to be written
};

}  // namespace

Plan reconcile_deployment(const Json& deployment, const Objects& replicasets, const Objects& pods,
                          WallTime now) {
  Plan plan;
  const Json& selector = deployment.get("spec", "selector");
  if (selector["matchLabels"].empty() && selector["matchExpressions"].empty()) {
    plan.notices.push_back({"Warning", "SelectingAll",
                            "This deployment is selecting all pods. A non-empty selector is required."});
    return plan;
  }
  const Objects owned = claim(res::deployments, deployment, res::replicasets, replicasets, plan);
  if (!plan.writes.empty()) return plan;
  const DeploymentView view(deployment, owned);
  Look(view, pods, now, plan).run();
  return plan;
}

}  // namespace serin::local
