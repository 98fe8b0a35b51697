#include "workload/service.h"

#include <fmt/format.h>

#include <algorithm>

#include "canary/hash.h"
#include "workload/primary.h"

namespace serin::workload {
namespace {

/// Given by the cluster, or valid for one type of Service only.
constexpr std::string_view assigned_fields[] = {"clusterIP",
                                                "clusterIPs",
                                                "ipFamilies",
                                                "ipFamilyPolicy",
                                                "healthCheckNodePort",
                                                "loadBalancerIP",
                                                "loadBalancerClass",
                                                "loadBalancerSourceRanges",
                                                "allocateLoadBalancerNodePorts",
                                                "externalIPs",
                                                "externalTrafficPolicy"};

bool is_assigned(std::string_view field) {
  return std::ranges::find(assigned_fields, field) != std::end(assigned_fields);
}

Json copied_annotations(const Json& target) {
  Json annotations = target.get("metadata", "annotations");
  annotations.erase("kubectl.kubernetes.io/last-applied-configuration");
  return annotations;
}

/// A copy's spec: the target's, with the addresses of the live copy. A headless copy cannot get an address
/// later, nor the other way round, so there the live one wins.
Json copied_spec(const Json& target, const Json& live, const canary::Spec& spec) {
  Json body = portable_service_spec(target);
  if (!spec.service.traffic_distribution.empty())
    body.set("trafficDistribution") = spec.service.traffic_distribution;
  if (live.is_null()) return body;
  body.erase("clusterIP");
  for (const Json::Member& member : live["spec"].members()) {
    if (is_assigned(member.key)) body.set(member.key) = member.value;
  }
  return body;
}

Json new_copy(const Json& target, const std::string& name, const canary::Spec& spec) {
  Json copy = Json::object({{"apiVersion", "v1"}, {"kind", "Service"}});
  Json& metadata = copy.set("metadata");
  metadata.set("name") = name;
  metadata.set("namespace") = spec.ns;
  set_or_erase(metadata, "labels", target.get("metadata", "labels"));
  set_or_erase(metadata, "annotations", copied_annotations(target));
  metadata.set("ownerReferences") = Json::array({owner_reference(spec)});
  copy.set("spec") = copied_spec(target, Json(), spec);
  return copy;
}

void add_members(Json& into, std::string_view key, const Json& from) {
  for (const Json::Member& member : from.members()) into.set(key, member.key) = member.value;
}

class ServiceKind final : public Kind {
 public:
  const kube::Resource& resource() const override { return kube::resources::services; }
  std::string noun() const override { return "service"; }
  bool has_pods() const override { return false; }

  /// Always ready: who serves behind it is not ours to know.
  canary::WorkloadView view(const Json& object) const override {
    canary::WorkloadView view{.kind = canary::WorkloadView::Kind::service};
    if (object.is_null()) return view;
    view.exists = true;
    view.replicas = view.status_replicas = view.updated = view.ready = view.available = 1;
    view.revision = canary::template_hash(portable_service_spec(object));
    return view;
  }
  base::Result<SelectorLabel> label(const Json&, const Options&) const override { return SelectorLabel(); }
  const Json& pod_template(const Json&) const override { return none_; }
  std::string primary_id(const Json& primary) const override {
    return primary.get("metadata", "annotations", id_annotation).str();
  }

  Json new_primary(const PrimarySource& source, const canary::Spec& spec, const Options&) const override {
    Json primary = new_copy(source.target, spec.primary_name(), spec);
    primary.set("metadata", "annotations", id_annotation) = source.id;
    return primary;
  }
  Json promoted_primary(Json primary, const PrimarySource& source, const canary::Spec& spec,
                        const Options& options) const override {
    const Json& target = source.target;
    Json& metadata = primary.set("metadata");
    set_or_erase(metadata, "labels", with_prefixes(target.get("metadata", "labels"), options));
    Json annotations = with_prefixes(target.get("metadata", "annotations"), options);
    annotations.set(id_annotation) = source.id;
    metadata.set("annotations") = std::move(annotations);
    primary.set("spec") = copied_spec(target, primary, spec);
    return primary;
  }
  Json restored_primary(Json primary, const Json&) const override { return primary; }
  const kube::Resource* history() const override { return nullptr; }

  Json scaled(const Json&, const Json&, const canary::Spec&, const Json&,
              canary::ScaleTarget::To) const override {
    return {};
  }
  std::string creating(const canary::Spec& spec) const override {
    return fmt::format("reconcilePrimaryService failed: creating service {} query error", spec.dotted());
  }
  std::string promoting(const canary::Spec& spec) const override {
    return fmt::format("updating service {} spec failed", spec.primary_dotted());
  }

 private:
  const Json none_;
};

}  // namespace

Json portable_service_spec(const Json& service) {
  Json body = Json::object();
  for (const Json::Member& member : service["spec"].members()) {
    if (!is_assigned(member.key)) body.set(member.key) = member.value;
  }
  if (body["type"].str() != "ExternalName") body.set("type") = "ClusterIP";
  if (service.get("spec", "clusterIP").str() == "None") body.set("clusterIP") = "None";
  if (Json* ports = body.find("ports")) {
    for (Json& port : ports->make_array()) port.erase("nodePort");
  }
  return body;
}

Json canary_service(const Json& target, const Json& live, const canary::Spec& spec) {
  if (live.is_null()) return new_copy(target, spec.target_name + "-canary", spec);
  Json copy = live;
  Json& metadata = copy.set("metadata");
  add_members(metadata, "labels", target.get("metadata", "labels"));
  add_members(metadata, "annotations", copied_annotations(target));
  copy.set("spec") = copied_spec(target, live, spec);
  return copy;
}

std::unique_ptr<Kind> make_service_kind() {
  return std::make_unique<ServiceKind>();
}

}  // namespace serin::workload
