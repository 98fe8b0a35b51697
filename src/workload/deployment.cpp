#include "workload/deployment.h"

#include <algorithm>

#include "workload/configs.h"

namespace serin::workload {
namespace {

constexpr std::string_view id_annotation = "flagger-id";

/// Pod labels that name the target become the primary's in selectors over the workload's own pods (spec 02
/// §2.4).
void rewrite_selector(Json& selector, const std::string& target_name, const Options& options) {
  const auto known = [&](const std::string& key) {
    return std::ranges::find(options.selector_labels, key) != options.selector_labels.end();
  };
  if (Json* labels = selector.find("matchLabels")) {
    for (Json::Member& member : labels->make_object()) {
      if (known(member.key) && member.value == Json(target_name)) member.value = target_name + "-primary";
    }
  }
  if (Json* expressions = selector.find("matchExpressions")) {
    for (Json& expression : expressions->make_array()) {
      Json* values = expression.find("values");
      if (!known(expression["key"].str()) || !values) continue;
      const auto value = std::ranges::find(values->make_array(), Json(target_name));
      if (value != values->make_array().end()) *value = target_name + "-primary";
    }
  }
}

void rewrite_spreading(Json& pod_spec, const std::string& target_name, const Options& options) {
  const auto rewrite_in = [&](Json* list, bool weighted) {
    if (!list) return;
    for (Json& element : list->make_array()) {
      Json* term = weighted ? element.find("podAffinityTerm") : &element;
      if (Json* selector = term ? term->find("labelSelector") : nullptr)
        rewrite_selector(*selector, target_name, options);
    }
  };
  rewrite_in(pod_spec.find("topologySpreadConstraints"), false);
  Json* affinity = pod_spec.find("affinity");
  Json* anti = affinity ? affinity->find("podAntiAffinity") : nullptr;
  if (!anti) return;
  rewrite_in(anti->find("preferredDuringSchedulingIgnoredDuringExecution"), true);
  rewrite_in(anti->find("requiredDuringSchedulingIgnoredDuringExecution"), false);
}

Json primary_template(const PrimarySource& source, const canary::Spec& spec, const Options& options) {
  const Json& target_template = source.target.get("spec", "template");
  Json result = Json::object();
  Json annotations = without_toolkit(target_template.get("metadata", "annotations"));
  annotations.set(id_annotation) = source.id;
  result.set("metadata", "annotations") = std::move(annotations);
  Json labels = without_toolkit(target_template.get("metadata", "labels"));
  labels.set(source.label.key) = source.label.primary_value();
  result.set("metadata", "labels") = std::move(labels);
  result.set("spec") = with_primary_configs(target_template, source.tracked_configs)["spec"];
  rewrite_spreading(result.set("spec"), spec.target_name, options);
  return result;
}

/// Takes these members of `from` over, also their absence.
void take(Json& into, const Json& from, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (from[key].is_null()) {
      into.erase(key);
    } else {
      into.set(key) = from[key];
    }
  }
}

constexpr std::initializer_list<std::string_view> copied_fields = {
    "strategy", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"};

void set_or_erase(Json& object, std::string_view key, Json value) {
  if (value.empty()) {
    object.erase(key);
  } else {
    object.set(key) = std::move(value);
  }
}

int min_replicas(const Json& hpa) {
  return static_cast<int>(hpa.get("spec", "minReplicas").int_or(1));
}

void scale_bounds(Json& hpa_spec, const Json& hpa, const canary::Spec& spec) {
  take(hpa_spec, hpa["spec"], {"minReplicas", "maxReplicas", "metrics", "behavior"});
  if (spec.autoscaler && spec.autoscaler->primary_min)
    hpa_spec.set("minReplicas") = *spec.autoscaler->primary_min;
  if (spec.autoscaler && spec.autoscaler->primary_max)
    hpa_spec.set("maxReplicas") = *spec.autoscaler->primary_max;
}

}  // namespace

Json new_primary(const PrimarySource& source, const canary::Spec& spec, const Options& options) {
  const Json& target = source.target;
  Json primary = Json::object({{"apiVersion", "apps/v1"}, {"kind", "Deployment"}});
  Json& metadata = primary.set("metadata");
  metadata.set("name") = spec.primary_name();
  metadata.set("namespace") = spec.ns;
  Json labels = with_prefixes(target.get("metadata", "labels"), options);
  labels.set(source.label.key) = source.label.primary_value();
  metadata.set("labels") = std::move(labels);
  set_or_erase(metadata, "annotations", without_toolkit(target.get("metadata", "annotations")));
  metadata.set("ownerReferences") = Json::array({owner_reference(spec)});
  Json& body = primary.set("spec");
  body.set("replicas") = std::max<std::int64_t>(1, target.get("spec", "replicas").int_or(1));
  body.set("selector", "matchLabels", source.label.key) = source.label.primary_value();
  take(body, target["spec"], copied_fields);
  body.set("template") = primary_template(source, spec, options);
  return primary;
}

Json promoted_primary(Json primary, const PrimarySource& source, const canary::Spec& spec,
                      const Options& options) {
  const Json& target = source.target;
  Json& metadata = primary.set("metadata");
  set_or_erase(metadata, "annotations", with_prefixes(target.get("metadata", "annotations"), options));
  Json labels = with_prefixes(target.get("metadata", "labels"), options);
  labels.set(source.label.key) = source.label.primary_value();
  metadata.set("labels") = std::move(labels);
  Json& body = primary.set("spec");
  if (!spec.autoscaler) {
    // Never below what serves now: the pods that go are the ones a rolling update replaces, no more.
    const std::int64_t serving = body["replicas"].int_or(1);
    body.set("replicas") = std::max(serving, target.get("spec", "replicas").int_or(1));
  }
  take(body, target["spec"], copied_fields);
  body.set("template") = primary_template(source, spec, options);
  return primary;
}

Json restored_primary(Json primary, const Json& replicaset) {
  Json earlier = replicaset.get("spec", "template");
  if (Json* labels = earlier.set("metadata").find("labels")) labels->erase("pod-template-hash");
  primary.set("spec", "template") = std::move(earlier);
  return primary;
}

std::string primary_id(const Json& primary) {
  return primary.get("spec", "template", "metadata", "annotations", id_annotation).str();
}

int replicas_from_zero(const Json& target, const Json& primary, const canary::Spec& spec,
                       const Json& scaler) {
  const auto current = static_cast<int>(target.get("spec", "replicas").int_or(1));
  if (current > 0) return current;
  if (spec.autoscaler) return scaler.is_null() ? 1 : std::max(1, min_replicas(scaler));
  return std::max(1, static_cast<int>(primary.get("spec", "replicas").int_or(1)));
}

Json new_primary_hpa(const Json& hpa, const canary::Spec& spec) {
  Json result = Json::object({{"apiVersion", "autoscaling/v2"}, {"kind", "HorizontalPodAutoscaler"}});
  Json& metadata = result.set("metadata");
  metadata.set("name") = hpa.get("metadata", "name").str() + "-primary";
  metadata.set("namespace") = spec.ns;
  set_or_erase(metadata, "labels", without_toolkit(hpa.get("metadata", "labels")));
  metadata.set("ownerReferences") = Json::array({owner_reference(spec)});
  Json& body = result.set("spec");
  const Json& ref = hpa.get("spec", "scaleTargetRef");
  body.set("scaleTargetRef") =
      Json::object({{"apiVersion", ref["apiVersion"]}, {"kind", ref["kind"]}, {"name", spec.primary_name()}});
  scale_bounds(body, hpa, spec);
  return result;
}

Json updated_primary_hpa(Json primary_hpa, const Json& hpa, const canary::Spec& spec) {
  scale_bounds(primary_hpa.set("spec"), hpa, spec);
  return primary_hpa;
}

}  // namespace serin::workload
