#include "workload/deployment.h"

#include <algorithm>

#include "workload/scaler.h"

namespace serin::workload {
namespace {

constexpr std::initializer_list<std::string_view> copied_fields = {
    "strategy", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"};

}  // namespace

Json new_primary(const PrimarySource& source, const canary::Spec& spec, const Options& options) {
  const Json& target = source.target;
  Json primary = Json::object({{"apiVersion", "apps/v1"}, {"kind", "Deployment"}});
  primary.set("metadata") = new_primary_metadata(source, spec, options);
  Json& body = primary.set("spec");
  body.set("replicas") = std::max<std::int64_t>(1, target.get("spec", "replicas").int_or(1));
  body.set("selector", "matchLabels", source.label.key) = source.label.primary_value();
  take_members(body, target["spec"], copied_fields);
  body.set("template") = primary_template(source);
  return primary;
}

Json promoted_primary(Json primary, const PrimarySource& source, const canary::Spec& spec,
                      const Options& options) {
  const Json& target = source.target;
  primary.set("metadata") = promoted_metadata(primary["metadata"], source, options);
  Json& body = primary.set("spec");
  if (!spec.autoscaler) {
    // Never below what serves now: the pods that go are the ones a rolling update replaces, no more.
    const std::int64_t serving = body["replicas"].int_or(1);
    body.set("replicas") = std::max(serving, target.get("spec", "replicas").int_or(1));
  }
  take_members(body, target["spec"], copied_fields);
  body.set("template") = primary_template(source);
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

}  // namespace serin::workload
