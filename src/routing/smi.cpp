#include "routing/smi.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "routing/services.h"

namespace serin::routing {
namespace {

/// A weight as any SMI version writes it: number, or quantity in a string ("10", "500m").
std::optional<int> read_weight(const Json& weight) {
  double value = 0;
  if (const std::optional<double> number = weight.as_double()) {
    value = *number;
  } else {
    const std::string& text = weight.str();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    const std::string_view unit(end, text.data() + text.size());
    if (unit == "m") value /= 1000;
    if (!unit.empty() && unit != "m") return std::nullopt;
  }
  if (value < 0 || value > 1e6) return std::nullopt;
  return static_cast<int>(std::lround(value));
}

class SmiRouter final : public Router {
 public:
  explicit SmiRouter(const std::string& version)
      : resource_{"split.smi-spec.io", version, "trafficsplits", "TrafficSplit"} {}

  canary::Capabilities capabilities() const override { return {}; }
  std::vector<kube::Resource> kinds() const override { return {resource_}; }
  std::vector<ObjectKey> objects(const canary::Spec& spec) const override {
    return {{resource_, {spec.ns, spec.service.name}}};
  }

  std::vector<std::string> problems(const canary::Spec& spec) const override {
    if (!spec.has_match()) return {};
    return {
        "spec.analysis.match: a TrafficSplit cannot tell requests apart and would send everybody to the "
        "canary; "
        "use spec.provider gatewayapi:v1 or nginx for A/B testing"};
  }

  base::Result<Writes> reconcile(const Situation& situation) const override {
    const canary::Spec& spec = situation.spec;
    const Json* live = find(situation);
    if (!live) return Writes{creation(spec)};
    if (const std::string other = foreign_controller(*live, spec); !other.empty()) {
      return base::fail(base::Errc::conflict, fmt::format("TrafficSplit {}: {}", dotted(spec), other));
    }
    const base::Result<canary::Routes> routes = weights(*live, spec);
    const bool sound = routes && live->get("spec", "service").str() == spec.service.name &&
                       live->get("spec", "backends").size() == 2;
    if (sound) return Writes();
    return Writes{update(*live, spec, routes.value_or(canary::Routes{}),
                         fmt::format("TrafficSplit {} updated", dotted(spec)))};
  }

  base::Result<std::optional<canary::Routes>> read(const Situation& situation) const override {
    const Json* live = find(situation);
    if (!live) return std::nullopt;
    base::Result<canary::Routes> routes = weights(*live, situation.spec);
    if (!routes) return base::fail(std::move(routes.error()));
    return *routes;
  }

  base::Result<Writes> set(const Situation& situation, canary::Routes routes) const override {
    const canary::Spec& spec = situation.spec;
    const Json* live = find(situation);
    if (!live) {
      return base::fail(base::Errc::not_found,
                        fmt::format("TrafficSplit {} get query error {} \"{}\" not found", dotted(spec),
                                    resource_.group_resource(), spec.service.name));
    }
    return Writes{update(*live, spec, routes, "")};
  }

 private:
  static std::string dotted(const canary::Spec& spec) { return spec.service.name + "." + spec.ns; }
  const Json* find(const Situation& situation) const {
    return situation.live(resource_, {situation.spec.ns, situation.spec.service.name});
  }

  Json backends(const canary::Spec& spec, canary::Routes routes) const {
    const auto backend = [&](Role role, int weight) {
      Json value = resource_.version == "v1alpha1" ? Json(fmt::format("{}", weight)) : Json(weight);
      return Json::object({{"service", service_name(spec, role)}, {"weight", std::move(value)}});
    };
    return Json::array({backend(Role::canary, routes.canary), backend(Role::primary, routes.primary)});
  }

  Write creation(const canary::Spec& spec) const {
    Json split = Json::object({{"apiVersion", resource_.api_version()}, {"kind", "TrafficSplit"}});
    Json& metadata = split.set("metadata");
    metadata.set("name") = spec.service.name;
    metadata.set("namespace") = spec.ns;
    metadata.set("ownerReferences") = Json::array({workload::owner_reference(spec)});
    split.set("spec", "backends") = backends(spec, {});
    split.set("spec", "service") = spec.service.name;
    return {resource_, std::move(split), true, fmt::format("TrafficSplit {} create error", dotted(spec)),
            fmt::format("TrafficSplit {} created", dotted(spec))};
  }

  Write update(Json live, const canary::Spec& spec, canary::Routes routes, std::string done) const {
    live.set("spec", "service") = spec.service.name;
    live.set("spec", "backends") = backends(spec, routes);
    return {resource_, std::move(live), false, fmt::format("TrafficSplit {} update error", dotted(spec)),
            std::move(done)};
  }

  static base::Result<canary::Routes> weights(const Json& live, const canary::Spec& spec) {
    const auto weight_of = [&](Role role) -> std::optional<int> {
      for (const Json& backend : live.get("spec", "backends").items()) {
        if (backend["service"].str() == service_name(spec, role)) return read_weight(backend["weight"]);
      }
      return std::nullopt;
    };
    const std::optional<int> primary = weight_of(Role::primary), canary = weight_of(Role::canary);
    if (!primary || !canary || *primary + *canary == 0) {
      return base::fail(base::Errc::invalid,
                        fmt::format("TrafficSplit {} does not contain routes for {} and {}", dotted(spec),
                                    service_name(spec, Role::primary), service_name(spec, Role::canary)));
    }
    return canary::Routes{*primary, *canary};
  }

  kube::Resource resource_;
};

}  // namespace

std::unique_ptr<Router> make_smi_router(const std::string& version) {
  return std::make_unique<SmiRouter>(version);
}

}  // namespace serin::routing
