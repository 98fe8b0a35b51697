#include "workload/daemonset.h"

#include <fmt/format.h>

#include "workload/primary.h"

namespace serin::workload {
namespace {

constexpr std::initializer_list<std::string_view> copied_fields = {"updateStrategy", "minReadySeconds",
                                                                   "revisionHistoryLimit"};

/// The template before the last promotion. ControllerRevisions may be switched off, or not ours to read, and
/// without it a primary that cannot start stays broken.
constexpr std::string_view previous_annotation = "serin.dev/previous-template";

/// The template in a DaemonSet, or in one of its ControllerRevisions, which keep it as a patch.
const Json& template_in(const Json& object) {
  const Json& kept = object.get("data", "spec", "template");
  return kept.is_null() ? object.get("spec", "template") : kept;
}

/// Never parked, however the target is at this moment: a parked primary would run nowhere.
Json unparked(const PrimarySource& source) {
  return canary::unparked_template(primary_template(source));
}

class DaemonSetKind final : public Kind {
 public:
  const kube::Resource& resource() const override { return kube::resources::daemonsets; }
  std::string noun() const override { return "daemonset"; }
  canary::WorkloadView view(const Json& object) const override { return canary::view_daemonset(object); }
  base::Result<SelectorLabel> label(const Json& target, const Options& options) const override {
    base::Result<SelectorLabel> found = selector_label(target, options);
    if (!found) found.error().message += "'";  // as the reference prints it for DaemonSets
    return found;
  }
  const Json& pod_template(const Json& object) const override { return object.get("spec", "template"); }
  std::string primary_id(const Json& object) const override {
    return template_in(object).get("metadata", "annotations", id_annotation).str();
  }

  /// Pods of an OnDelete DaemonSet are replaced by hand only: neither canary nor primary would ever follow.
  base::Result<void> check(const Json& target) const override {
    const std::string strategy = target.get("spec", "updateStrategy", "type").str_or("RollingUpdate");
    if (strategy == "RollingUpdate") return {};
    return base::fail(base::Errc::invalid,
                      fmt::format("createPrimaryDaemonSet failed: daemonset {}.{} must have RollingUpdate "
                                  "strategy but have {}",
                                  kube::name_of(target), kube::namespace_of(target), strategy));
  }

  Json new_primary(const PrimarySource& source, const canary::Spec& spec,
                   const Options& options) const override {
    Json primary = Json::object({{"apiVersion", "apps/v1"}, {"kind", "DaemonSet"}});
    primary.set("metadata") = new_primary_metadata(source, spec, options);
    primary.set("spec", "selector", "matchLabels", source.label.key) = source.label.primary_value();
    take_members(primary.set("spec"), source.target["spec"], copied_fields);
    primary.set("spec", "template") = unparked(source);
    return primary;
  }
  Json promoted_primary(Json primary, const PrimarySource& source, const canary::Spec&,
                        const Options& options) const override {
    const std::string previous = primary.get("spec", "template").dump();
    primary.set("metadata") = promoted_metadata(primary["metadata"], source, options);
    primary.set("metadata", "annotations", previous_annotation) = previous;
    take_members(primary.set("spec"), source.target["spec"], copied_fields);
    primary.set("spec", "template") = unparked(source);
    return primary;
  }
  Json restored_primary(Json primary, const Json& earlier) const override {
    Json kept = template_in(earlier);
    kept.erase("$patch");
    primary.set("spec", "template") = std::move(kept);
    return primary;
  }
  Json kept_revision(const Json& primary) const override {
    const base::Result<Json> kept =
        Json::parse(primary.get("metadata", "annotations", previous_annotation).str());
    Json revision;
    if (kept) revision.set("spec", "template") = *kept;
    return revision;
  }
  const kube::Resource* history() const override { return &history_; }

  Json scaled(const Json& target, const Json&, const canary::Spec&, const Json&,
              canary::ScaleTarget::To to) const override {
    const bool park = to == canary::ScaleTarget::To::zero;
    Json patch;
    if (park != canary::is_parked(target)) {
      patch.set("spec", "template", "spec", "nodeSelector", canary::parking_label) =
          park ? Json("true") : Json();
    }
    return patch;
  }
  std::string scaling(const canary::Spec& spec, const Json&, canary::ScaleTarget::To to) const override {
    const std::string_view verb = to == canary::ScaleTarget::To::zero ? "updating" : "scaling up";
    return fmt::format("{} daemonset {} failed", verb, spec.target_dotted());
  }

 private:
  const kube::Resource history_{"apps", "v1", "controllerrevisions", "ControllerRevision"};
};

}  // namespace

std::unique_ptr<Kind> make_daemonset_kind() {
  return std::make_unique<DaemonSetKind>();
}

}  // namespace serin::workload
