#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "workload/primary.h"
#include "workload/scaler.h"

namespace serin::workload {
namespace {

/// KEDA's annotations that stop a ScaledObject all begin like this; ours says "at no replicas".
constexpr std::string_view pausing = "autoscaling.keda.sh/paused";
constexpr std::string_view paused_replicas = "autoscaling.keda.sh/paused-replicas";

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Whether a name ends just before `rest`. "podinfo" ends before "-.*", where a pattern of pods begins, but
/// not before "-db".
bool ends_before(std::string_view rest) {
  if (rest.empty()) return true;
  if (rest.front() != '-') return !is_name_char(rest.front());
  return rest.size() == 1 || !is_name_char(rest[1]);
}

Json primary_annotations(const Json& annotations) {
  Json result = Json::object();
  const Json allowed = without_toolkit(annotations);
  for (const Json::Member& member : allowed.members()) {
    const bool pauses = member.key.starts_with(pausing);
    if (!pauses && member.key != "kubectl.kubernetes.io/last-applied-configuration")
      result.set(member.key) = member.value;
  }
  return result;
}

void rewrite_queries(Json& triggers, const canary::Spec& spec) {
  const auto& queries = spec.autoscaler->primary_queries;
  for (Json& trigger : triggers.make_array()) {
    Json* metadata = trigger.find("metadata");
    Json* query = metadata ? metadata->find("query") : nullptr;
    if (!query) continue;
    const auto own = queries.find(trigger["name"].str());
    if (own != queries.end()) {
      *query = own->second;
    } else if (queries.empty()) {
      *query = primary_query(query->str(), spec.target_name);
    }
  }
}

/// The target's spec, all its fields, with what names the target or is overridden changed.
Json primary_spec(const Json& object, const canary::Spec& spec) {
  Json body = object["spec"];
  body.set("scaleTargetRef", "name") = spec.primary_name();
  if (spec.autoscaler->primary_min) body.set("minReplicaCount") = *spec.autoscaler->primary_min;
  if (spec.autoscaler->primary_max) body.set("maxReplicaCount") = *spec.autoscaler->primary_max;
  Json& hpa = body.set("advanced", "horizontalPodAutoscalerConfig");
  hpa.make_object();
  if (Json* name = hpa.find("name"); name && !name->str().empty()) *name = name->str() + "-primary";
  if (Json* triggers = body.find("triggers")) rewrite_queries(*triggers, spec);
  return body;
}

class ScaledObject final : public Scaler {
 public:
  const kube::Resource& resource() const override { return resource_; }
  std::string noun() const override { return "Keda ScaledObject"; }
  std::string noun_to_create() const override { return "Keda ScaledObject"; }
  std::string noun_to_update() const override { return "ScaledObject"; }

  Json new_primary(const Json& object, const canary::Spec& spec) const override {
    Json result = Json::object({{"apiVersion", resource_.api_version()}, {"kind", resource_.kind}});
    Json& metadata = result.set("metadata");
    metadata.set("name") = object.get("metadata", "name").str() + "-primary";
    metadata.set("namespace") = spec.ns;
    set_or_erase(metadata, "labels", without_toolkit(object.get("metadata", "labels")));
    set_or_erase(metadata, "annotations", primary_annotations(object.get("metadata", "annotations")));
    metadata.set("ownerReferences") = Json::array({owner_reference(spec)});
    result.set("spec") = primary_spec(object, spec);
    return result;
  }

  /// Labels and annotations stay: KEDA and others keep their own there.
  Json updated_primary(Json primary, const Json& object, const canary::Spec& spec) const override {
    primary.set("spec") = primary_spec(object, spec);
    return primary;
  }

  std::vector<std::string> remarks(const Json& object, const canary::Spec& spec) const override {
    std::vector<std::string> texts;
    for (const auto& [name, query] : spec.autoscaler->primary_queries) {
      const auto has_query = [&](const Json& trigger) {
        return trigger["name"].str() == name && trigger["metadata"].contains("query");
      };
      if (std::ranges::any_of(object.get("spec", "triggers").items(), has_query)) continue;
      texts.push_back(fmt::format(
          "spec.autoscalerRef.primaryScalerQueries.{}: ScaledObject {}.{} has no trigger of this name with a "
          "query, check spec.triggers[].name",
          name, spec.autoscaler->name, spec.ns));
    }
    return texts;
  }

  Json paused(const Json& object, bool pause) const override {
    Json patch;
    const Json& now = object.get("metadata", "annotations", paused_replicas);
    if (pause && now.str() != "0") patch.set("metadata", "annotations", paused_replicas) = "0";
    if (!pause && !now.is_null()) patch.set("metadata", "annotations", paused_replicas) = Json();
    return patch;
  }

 private:
  const kube::Resource resource_{"keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"};
};

}  // namespace

std::string primary_query(const std::string& query, const std::string& target_name) {
  if (target_name.empty()) return query;
  const std::array<std::string, 2> names = {target_name + "-canary", target_name};
  std::string result;
  std::size_t i = 0;
  while (i < query.size()) {
    const bool inside = i > 0 && (is_name_char(query[i - 1]) || query[i - 1] == '-');
    const std::string_view rest = std::string_view(query).substr(i);
    const auto stands_here = [&](const std::string& name) {
      return !inside && rest.starts_with(name) && ends_before(rest.substr(name.size()));
    };
    const auto found = std::ranges::find_if(names, stands_here);
    if (found == names.end()) {
      result += query[i++];
    } else {
      result += target_name + "-primary";
      i += found->size();
    }
  }
  return result;
}

std::unique_ptr<Scaler> make_scaled_object() {
  return std::make_unique<ScaledObject>();
}

}  // namespace serin::workload
