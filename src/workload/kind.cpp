#include "workload/kind.h"

#include <fmt/format.h>

#include <algorithm>

#include "canary/readiness.h"
#include "workload/daemonset.h"
#include "workload/deployment.h"
#include "workload/service.h"

namespace serin::workload {
namespace {

class DeploymentKind final : public Kind {
 public:
  const kube::Resource& resource() const override { return kube::resources::deployments; }
  std::string noun() const override { return "deployment"; }
  canary::WorkloadView view(const Json& object) const override { return canary::view_deployment(object); }
  base::Result<SelectorLabel> label(const Json& target, const Options& options) const override {
    return selector_label(target, options);
  }
  const Json& pod_template(const Json& object) const override { return object.get("spec", "template"); }
  std::string primary_id(const Json& primary) const override { return workload::primary_id(primary); }
  Json new_primary(const PrimarySource& source, const canary::Spec& spec,
                   const Options& options) const override {
    return workload::new_primary(source, spec, options);
  }
  Json promoted_primary(Json primary, const PrimarySource& source, const canary::Spec& spec,
                        const Options& options) const override {
    return workload::promoted_primary(std::move(primary), source, spec, options);
  }
  Json restored_primary(Json primary, const Json& earlier) const override {
    return workload::restored_primary(std::move(primary), earlier);
  }
  const kube::Resource* history() const override { return &kube::resources::replicasets; }

  Json scaled(const Json& target, const Json& primary, const canary::Spec& spec, const Json& scaler,
              canary::ScaleTarget::To to) const override {
    using To = canary::ScaleTarget::To;
    std::int64_t replicas = 0;
    if (to == To::from_zero || (to == To::primary && primary.is_null())) {
      replicas = replicas_from_zero(target, primary, spec, scaler);
    } else if (to == To::primary) {
      replicas = std::max<std::int64_t>(1, primary.get("spec", "replicas").int_or(1));
    }
    Json patch;
    if (target.get("spec", "replicas").int_or(1) != replicas) patch.set("spec", "replicas") = replicas;
    return patch;
  }
  Json grown(const Json& primary, int replicas) const override {
    Json patch;
    if (primary.get("spec", "replicas").int_or(1) < replicas) patch.set("spec", "replicas") = replicas;
    return patch;
  }
};

}  // namespace

std::string Kind::creating(const canary::Spec& spec) const {
  return fmt::format("createPrimary{} failed: creating {} {} failed", resource().kind, noun(),
                     spec.primary_dotted());
}

std::string Kind::promoting(const canary::Spec& spec) const {
  return fmt::format("updating {} {} template spec failed", noun(), spec.primary_dotted());
}

std::string Kind::scaling(const canary::Spec& spec, const Json& patch, canary::ScaleTarget::To to) const {
  if (to == canary::ScaleTarget::To::zero)
    return fmt::format("{} {} patch query error", noun(), spec.target_dotted());
  return fmt::format("scaling up {} to {} failed", spec.target_dotted(),
                     patch.get("spec", "replicas").int_or(1));
}

base::Result<std::unique_ptr<Kind>> kind_of(const std::string& target_kind) {
  if (target_kind == "Deployment") return std::make_unique<DeploymentKind>();
  if (target_kind == "DaemonSet") return make_daemonset_kind();
  if (target_kind == "Service") return make_service_kind();
  return base::fail(
      base::Errc::invalid,
      fmt::format("spec.targetRef.kind: {} is not supported, use Deployment, DaemonSet or Service",
                  target_kind));
}

}  // namespace serin::workload
