#include "workload/primary.h"
#include "workload/scaler.h"

namespace serin::workload {
namespace {

class Hpa final : public Scaler {
 public:
  const kube::Resource& resource() const override { return kube::resources::hpas; }
  std::string noun() const override { return "HorizontalPodAutoscaler"; }
  std::string noun_to_create() const override { return "HorizontalPodAutoscaler v2"; }
  std::string noun_to_update() const override { return "HorizontalPodAutoscaler v2"; }

  Json new_primary(const Json& hpa, const canary::Spec& spec) const override {
    Json result = Json::object({{"apiVersion", resource().api_version()}, {"kind", resource().kind}});
    Json& metadata = result.set("metadata");
    metadata.set("name") = hpa.get("metadata", "name").str() + "-primary";
    metadata.set("namespace") = spec.ns;
    set_or_erase(metadata, "labels", without_toolkit(hpa.get("metadata", "labels")));
    metadata.set("ownerReferences") = Json::array({owner_reference(spec)});
    Json& body = result.set("spec");
    const Json& ref = hpa.get("spec", "scaleTargetRef");
    body.set("scaleTargetRef") = Json::object(
        {{"apiVersion", ref["apiVersion"]}, {"kind", ref["kind"]}, {"name", spec.primary_name()}});
    take_scaling(body, hpa, spec);
    return result;
  }

  Json updated_primary(Json primary_hpa, const Json& hpa, const canary::Spec& spec) const override {
    take_scaling(primary_hpa.set("spec"), hpa, spec);
    return primary_hpa;
  }

  std::vector<std::string> remarks(const Json&, const canary::Spec&) const override { return {}; }
  Json paused(const Json&, bool) const override { return {}; }

 private:
  static void take_scaling(Json& body, const Json& hpa, const canary::Spec& spec) {
    take_members(body, hpa["spec"], {"minReplicas", "maxReplicas", "metrics", "behavior"});
    if (spec.autoscaler && spec.autoscaler->primary_min)
      body.set("minReplicas") = *spec.autoscaler->primary_min;
    if (spec.autoscaler && spec.autoscaler->primary_max)
      body.set("maxReplicas") = *spec.autoscaler->primary_max;
  }
};

}  // namespace

std::unique_ptr<Scaler> make_hpa() {
  return std::make_unique<Hpa>();
}

}  // namespace serin::workload
