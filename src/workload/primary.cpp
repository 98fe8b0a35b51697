#include "workload/primary.h"

#include <algorithm>

#include "workload/configs.h"

namespace serin::workload {
namespace {

/// The label of the target's pods becomes the primary's in selectors over the workload's own pods (spec 02
/// §2.4). Other labels are the same on both, whatever their values are.
void rewrite_selector(Json& selector, const SelectorLabel& label) {
  if (Json* labels = selector.find("matchLabels"); labels && (*labels)[label.key] == Json(label.value))
    labels->set(label.key) = label.primary_value();
  Json* expressions = selector.find("matchExpressions");
  if (!expressions) return;
  for (Json& expression : expressions->make_array()) {
    Json* values = expression.find("values");
    if (expression["key"].str() != label.key || !values) continue;
    std::ranges::replace(values->make_array(), Json(label.value), Json(label.primary_value()));
  }
}

void rewrite_spreading(Json& pod_spec, const SelectorLabel& label) {
  const auto rewrite_in = [&](Json* list, bool weighted) {
    if (!list) return;
    for (Json& element : list->make_array()) {
      Json* term = weighted ? element.find("podAffinityTerm") : &element;
      if (Json* selector = term ? term->find("labelSelector") : nullptr) rewrite_selector(*selector, label);
    }
  };
  rewrite_in(pod_spec.find("topologySpreadConstraints"), false);
  Json* affinity = pod_spec.find("affinity");
  Json* anti = affinity ? affinity->find("podAntiAffinity") : nullptr;
  if (!anti) return;
  rewrite_in(anti->find("preferredDuringSchedulingIgnoredDuringExecution"), true);
  rewrite_in(anti->find("requiredDuringSchedulingIgnoredDuringExecution"), false);
}

}  // namespace

void take_members(Json& into, const Json& from, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (from[key].is_null()) {
      into.erase(key);
    } else {
      into.set(key) = from[key];
    }
  }
}

void set_or_erase(Json& object, std::string_view key, Json value) {
  if (value.empty()) {
    object.erase(key);
  } else {
    object.set(key) = std::move(value);
  }
}

Json primary_template(const PrimarySource& source) {
  const Json& target_template = source.target.get("spec", "template");
  Json result = Json::object();
  Json annotations = without_toolkit(target_template.get("metadata", "annotations"));
  annotations.set(id_annotation) = source.id;
  result.set("metadata", "annotations") = std::move(annotations);
  Json labels = without_toolkit(target_template.get("metadata", "labels"));
  labels.set(source.label.key) = source.label.primary_value();
  result.set("metadata", "labels") = std::move(labels);
  result.set("spec") = with_primary_configs(target_template, source.tracked_configs)["spec"];
  rewrite_spreading(result.set("spec"), source.label);
  return result;
}

Json new_primary_metadata(const PrimarySource& source, const canary::Spec& spec, const Options& options) {
  const Json& target = source.target;
  Json metadata = Json::object({{"name", spec.primary_name()}, {"namespace", spec.ns}});
  Json labels = with_prefixes(target.get("metadata", "labels"), options);
  labels.set(source.label.key) = source.label.primary_value();
  metadata.set("labels") = std::move(labels);
  set_or_erase(metadata, "annotations", without_toolkit(target.get("metadata", "annotations")));
  metadata.set("ownerReferences") = Json::array({owner_reference(spec)});
  return metadata;
}

Json promoted_metadata(Json metadata, const PrimarySource& source, const Options& options) {
  const Json& target = source.target;
  set_or_erase(metadata, "annotations", with_prefixes(target.get("metadata", "annotations"), options));
  Json labels = with_prefixes(target.get("metadata", "labels"), options);
  labels.set(source.label.key) = source.label.primary_value();
  metadata.set("labels") = std::move(labels);
  return metadata;
}

}  // namespace serin::workload
