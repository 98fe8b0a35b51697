#include "local/controllers/daemonsets.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "local/controllers/objects.h"

namespace serin::local {

using base::WallTime;
namespace res = kube::resources;

namespace {

constexpr const char* revision_label = "controller-revision-hash";

/// What runs on one node.
struct OnNode {
  const Json* current = nullptr;  ///< the pod of the present template
  const Json* old = nullptr;      ///< a pod of an earlier one
};

class Look {
 public:
  Look(const Json& set, WallTime now, base::Random& random, Plan& plan)
      : set_(set),
        now_(now),
        random_(random),
        plan_(plan),
        hash_(template_hash(set.get("spec", "template"))),
        min_ready_(set.get("spec", "minReadySeconds").int_or(0)) {}

  void run(const Objects& mine, const Objects& nodes) {
    place(mine, nodes);
    write_status();
    if (kube::is_being_deleted(set_)) return;
    for (const Json* pod : surplus_) remove(*pod);
    for (const auto& [node, on] : nodes_) {
      if (!on.current && !on.old && !occupied_.contains(node)) create(node);
    }
    if (set_.get("spec", "updateStrategy", "type").str() != "OnDelete") roll();
  }

 private:
  void place(const Objects& mine, const Objects& nodes) {
    const Json& wanted = set_.get("spec", "template", "spec", "nodeSelector");
    for (const Json* node : nodes) {
      if (has_labels(labels_of(*node), wanted)) nodes_[kube::name_of(*node)];
    }
    for (const Json* pod : mine) {
      const std::string& node = pod->get("spec", "nodeName").str();
      const auto found = nodes_.find(node);
      if (kube::is_being_deleted(*pod)) {
        // With the old pod still there its successor waits, as its ports and files may be taken.
        if (max_surge() == 0) occupied_.insert(node);
        continue;
      }
      if (found == nodes_.end() || !is_active(*pod)) {
        surplus_.push_back(pod);
        if (found == nodes_.end()) misscheduled_ += is_active(*pod);
        continue;
      }
      const Json*& place = is_current(*pod) ? found->second.current : found->second.old;
      if (place)
        surplus_.push_back(pod);
      else
        place = pod;
    }
  }

  bool is_current(const Json& pod) const { return labels_of(pod)[revision_label].str() == hash_; }
  bool serves(const Json* pod) { return pod && is_available(*pod, min_ready_, now_, &plan_); }
  int resolve(const char* field, const Json& otherwise) const {
    const Json& value = set_.get("spec", "updateStrategy", "rollingUpdate", field);
    return resolve_int_or_percent(value.is_null() ? otherwise : value, static_cast<int>(nodes_.size()), true);
  }
  int max_surge() const { return resolve("maxSurge", 0); }

  /// Replaces old pods: those that don't serve at once, others as far as maxUnavailable (or, with maxSurge,
  /// their ready successor) allows.
  void roll() {
    const int surge = max_surge();
    int may_go = surge > 0 ? 0 : std::max(1, resolve("maxUnavailable", 1));
    int may_come = surge;
    for (const auto& [node, on] : nodes_) {
      if (!serves(on.current) && !serves(on.old)) --may_go;
      if (on.current && on.old) --may_come;
    }
    for (const auto& [node, on] : nodes_) {
      if (!on.old) continue;
      if (surge > 0 && on.current) {
        if (serves(on.current)) remove(*on.old);
      } else if (!serves(on.old)) {
        remove(*on.old);
      } else if (surge > 0 && may_come-- > 0) {
        create(node);
      } else if (surge == 0 && may_go-- > 0) {
        remove(*on.old);
      }
    }
  }

  void create(const std::string& node) {
    Json pod = pod_from_template(res::daemonsets, set_, random_.name_suffix(5));
    pod.set("metadata", "labels", revision_label) = hash_;
    pod.set("metadata", "labels", "pod-template-generation") =
        fmt::format("{}", set_.get("metadata", "generation").int_or(1));
    pod.set("spec", "nodeName") = node;
    const Notice created{"Normal", "SuccessfulCreate", "Created pod: " + kube::name_of(pod)};
    const Notice failed{"Warning", "FailedCreate", "Error creating"};
    plan_.writes.push_back({Write::Verb::create, res::pods, std::move(pod), created, failed});
  }

  void remove(const Json& pod) {
    const std::string name = kube::name_of(pod);
    plan_.writes.push_back(
        {Write::Verb::remove, res::pods, pod, Notice{"Normal", "SuccessfulDelete", "Deleted pod: " + name}});
  }

  void write_status() {
    int scheduled = 0, ready = 0, available = 0, updated = 0;
    for (const auto& [node, on] : nodes_) {
      const Json* pod = on.current ? on.current : on.old;
      scheduled += pod != nullptr;
      updated += on.current != nullptr;
      ready += (on.current && is_ready(*on.current)) || (on.old && is_ready(*on.old));
      available += serves(on.current) || serves(on.old);
    }
    const int desired = static_cast<int>(nodes_.size());
    Json status = Json::object({{"currentNumberScheduled", scheduled},
                                {"numberMisscheduled", misscheduled_},
                                {"desiredNumberScheduled", desired},
                                {"numberReady", ready}});
    set_unless_zero(status, "observedGeneration", set_.get("metadata", "generation").int_or(0));
    set_unless_zero(status, "updatedNumberScheduled", updated);
    set_unless_zero(status, "numberAvailable", available);
    set_unless_zero(status, "numberUnavailable", desired - available);
    if (status == set_["status"]) return;
    Json next = set_;
    next.set("status") = std::move(status);
    plan_.writes.push_back({Write::Verb::replace_status, res::daemonsets, std::move(next)});
  }

  const Json& set_;
  const WallTime now_;
  base::Random& random_;
  Plan& plan_;
  const std::string hash_;
  const std::int64_t min_ready_;
  std::map<std::string, OnNode> nodes_;  // those that should run a pod
  std::set<std::string> occupied_;       // those where one is still ending
  Objects surplus_;
  int misscheduled_ = 0;
};

}  // namespace

Plan reconcile_daemonset(const Json& set, const Objects& pods, const Objects& nodes, WallTime now,
                         base::Random& random) {
  Plan plan;
  const Objects mine = claim(res::daemonsets, set, res::pods, pods, plan);
  if (plan.writes.empty()) Look(set, now, random, plan).run(mine, nodes);
  return plan;
}

}  // namespace serin::local
