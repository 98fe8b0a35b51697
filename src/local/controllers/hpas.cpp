#include "local/controllers/hpas.h"

#include <fmt/format.h>

#include "local/controllers/hpa_metrics.h"
#include "local/controllers/objects.h"

namespace serin::local {

using base::WallTime;
namespace res = kube::resources;

namespace {

class Look {
 public:
  Look(const Json& hpa, HpaHistory& history, WallTime now, Plan& plan)
      : hpa_(hpa),
        spec_(hpa["spec"]),
        history_(history),
        now_(now),
        plan_(plan),
        lowest_(to_int(spec_["minReplicas"], 1)),
        highest_(to_int(spec_["maxReplicas"], 1)) {
    const Json& before = hpa["status"];
    if (before.contains("observedGeneration"))
      status_.set("observedGeneration") = before["observedGeneration"];
    status_.set("conditions") = before["conditions"].is_array() ? before["conditions"] : Json::array();
    status_.set("currentMetrics") = Json();
    status_.set("desiredReplicas") = to_int(before["desiredReplicas"], 0);
    if (before.contains("lastScaleTime")) status_.set("lastScaleTime") = before["lastScaleTime"];
  }

  void run(const Json* target, const Objects& pods, const PodMetrics& usage) {
    if (!target) return miss_target();
    set_condition("AbleToScale", "True", "SucceededGetScale",
                  "the HPA controller was able to get the target's current scale");
    current_ = to_int(target->get("spec", "replicas"), 1);
    set_unless_zero(status_, "currentReplicas", to_int(target->get("status", "replicas"), 0));
    int wanted = current_;
    std::string reason;
    if (current_ == 0 && lowest_ != 0) {
      wanted = 0;
      set_condition("ScalingActive", "False", "ScalingDisabled",
                    "scaling is disabled since the replica count of the target is zero");
    } else if (current_ > highest_) {
      wanted = highest_;
      reason = "Current number of replicas above Spec.MaxReplicas";
    } else if (current_ < lowest_) {
      wanted = lowest_;
      reason = "Current number of replicas below Spec.MinReplicas";
    } else if (!judge_metrics(*target, pods, usage, wanted, reason)) {
      return write_status();
    }
    if (wanted != current_) scale(*target, wanted, reason);
    status_.set("desiredReplicas") = wanted;
    write_status();
  }

 private:
  void miss_target() {
    const Json& ref = spec_["scaleTargetRef"];
    const std::string text = fmt::format(
        "{} \"{}\" not found; scaleTargetRef must name a Deployment or ReplicaSet of its namespace",
        ref["kind"].str(), ref["name"].str());
    plan_.notices.push_back({"Warning", "FailedGetScale", text});
    set_condition("AbleToScale", "False", "FailedGetScale",
                  "the HPA controller was unable to get the target's current scale: " + text);
    write_status();
  }

  /// False if the metrics say nothing that may be acted on.
  bool judge_metrics(const Json& target, const Objects& pods, const PodMetrics& usage, int& wanted,
                     std::string& reason) {
    Objects targeted = pods;
    std::erase_if(targeted, [&](const Json* pod) {
      return kube::namespace_of(*pod) != kube::namespace_of(hpa_) ||
             !selects(target.get("spec", "selector"), labels_of(*pod));
    });
    std::optional<Proposal> best;
    std::optional<MetricFailure> first_failure;
    std::size_t failures = 0;
    Json current_metrics = Json::array();
    for (const Json& metric : spec_["metrics"].items()) {
      auto proposal = propose(metric, current_, targeted, usage, now_);
      if (!proposal) {
        ++failures;
        if (!first_failure) first_failure = proposal.error();
        current_metrics.push_back(Json::object({{"type", ""}}));  // as Kubernetes does
        continue;
      }
      current_metrics.push_back(proposal->current);
      if (!best || proposal->replicas > best->replicas) best = std::move(*proposal);
    }
    status_.set("currentMetrics") = std::move(current_metrics);
    // With a metric missing it may still grow, but not shrink.
    if (!best || (first_failure && best->replicas < current_)) {
      fail(first_failure.value_or(MetricFailure{"InvalidMetricSourceType", "no metrics in spec.metrics"}),
           failures);
      return false;
    }
    set_condition("ScalingActive", "True", "ValidMetricFound",
                  "the HPA was able to successfully calculate a replica count from " + best->metric);
    const Limited limited =
        limit(spec_["behavior"], current_, best->replicas, lowest_, highest_, now_, history_);
    set_condition("AbleToScale", "True", limited.able_reason, limited.able_message);
    set_condition("ScalingLimited", limited.is_limited ? "True" : "False", limited.limit_reason,
                  limited.limit_message);
    wanted = limited.replicas;
    reason = wanted > current_ ? best->metric + " above target" : "All metrics below target";
    return true;
  }

  void fail(const MetricFailure& failure, std::size_t failures) {
    const auto all = spec_["metrics"].size();
    plan_.notices.push_back({"Warning", failure.reason, failure.message});
    plan_.notices.push_back({"Warning", "FailedComputeMetricsReplicas",
                             fmt::format("invalid metrics ({} invalid out of {}), first error is: {}",
                                         failures, all, failure.message)});
    set_condition("ScalingActive", "False", failure.reason,
                  "the HPA was unable to compute the replica count: " + failure.message);
  }

  void scale(const Json& target, int wanted, const std::string& reason) {
    // The resourceVersion makes it the size that was looked at which is changed.
    const Json patch =
        Json::object({{"apiVersion", target["apiVersion"]},
                      {"kind", target["kind"]},
                      {"metadata", Json::object({{"name", kube::name_of(target)},
                                                 {"namespace", kube::namespace_of(target)},
                                                 {"resourceVersion", kube::resource_version_of(target)}})},
                      {"spec", Json::object({{"replicas", wanted}})}});
    plan_.writes.push_back(
        {Write::Verb::merge, *scale_target_resource(hpa_), patch,
         Notice{"Normal", "SuccessfulRescale", fmt::format("New size: {}; reason: {}", wanted, reason)},
         Notice{"Warning", "FailedRescale", fmt::format("New size: {}; reason: {}; error", wanted, reason)}});
    set_condition("AbleToScale", "True", "SucceededRescale",
                  fmt::format("the HPA controller was able to update the target scale to {}", wanted));
    status_.set("lastScaleTime") = time_text(now_);
    history_.changes.push_back({now_, wanted - current_});
  }

  /// HPAs keep the place of a condition, and its time as long as its status stays.
  void set_condition(const char* type, const char* value, const std::string& reason,
                     const std::string& message) {
    Json next = Json::object({{"type", type}, {"status", value}, {"reason", reason}, {"message", message}});
    for (Json& condition : status_.set("conditions").make_array()) {
      if (condition["type"].str() != type) continue;
      next.set("lastTransitionTime") =
          condition["status"].str() == value ? condition["lastTransitionTime"] : Json(time_text(now_));
      condition = std::move(next);
      return;
    }
    next.set("lastTransitionTime") = time_text(now_);
    status_.set("conditions").push_back(std::move(next));
  }

  void write_status() {
    // A server may keep "currentMetrics": null or not; that is no difference.
    Json before = hpa_["status"];
    if (before["currentMetrics"].is_null()) before.set("currentMetrics") = Json();
    if (status_ == before) return;
    Json next = hpa_;
    next.set("status") = status_;
    plan_.writes.push_back({Write::Verb::replace_status, res::hpas, std::move(next)});
  }

  const Json& hpa_;
  const Json& spec_;
  HpaHistory& history_;
  const WallTime now_;
  Plan& plan_;
  const int lowest_, highest_;
  int current_ = 0;
  Json status_ = Json::object();
};

}  // namespace

std::optional<kube::Resource> scale_target_resource(const Json& hpa) {
  const Json& ref = hpa.get("spec", "scaleTargetRef");
  for (const kube::Resource* resource : {&res::deployments, &res::replicasets}) {
    if (ref["kind"].str() == resource->kind && ref["apiVersion"].str() == resource->api_version()) {
      return *resource;
    }
  }
  return std::nullopt;
}

Plan reconcile_hpa(const Json& hpa, const Json* target, const Objects& pods, const PodMetrics& usage,
                   HpaHistory& history, WallTime now) {
  Plan plan;
  if (!kube::is_being_deleted(hpa)) Look(hpa, history, now, plan).run(target, pods, usage);
  return plan;
}

}  // namespace serin::local
