#include "routing/smi.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "routing/common.h"
#include "routing/linkerd.h"

namespace serin::routing {
namespace {

class SmiRouter final : public Router {
 public:
  explicit SmiRouter(kube::Resource resource) : resource_(std::move(resource)) {}

  canary::Capabilities capabilities() const override { return {}; }
  std::vector<kube::Resource> kinds() const override { return {resource_, profile_resource()}; }
  std::vector<ObjectKey> objects(const canary::Spec& spec) const override {
    return {{resource_, {spec.ns, spec.service.name}}, {profile_resource(), profile_ref(spec)}};
  }

  std::vector<std::string> problems(const canary::Spec& spec) const override {
    std::vector<std::string> problems = no_affinity(spec, "a TrafficSplit");
    if (spec.has_match()) {
      problems.push_back(
          "spec.analysis.match: a TrafficSplit cannot tell requests apart and would send everybody to the "
          "canary; "
          "use spec.provider gatewayapi:v1 or nginx for A/B testing");
    }
    return problems;
  }

  base::Result<Writes> reconcile(const Situation& situation) const override {
    const canary::Spec& spec = situation.spec;
    if (const std::string conflict = split_conflict(situation); !conflict.empty())
      return base::fail(base::Errc::conflict, conflict);
    const Json* live = find(situation);
    if (!live) return Writes{creation(situation)};
    if (const std::string other = foreign_controller(*live, spec); !other.empty())
      return base::fail(base::Errc::conflict, fmt::format("TrafficSplit {}: {}", apex_dotted(spec), other));
    const canary::Routes routes = read_split(*live, spec).value_or(canary::Routes{});
    if (live->get("spec", "service").str() == spec.service.name && carries(*live, spec, routes))
      return Writes();
    return Writes{update(*live, spec, routes, fmt::format("TrafficSplit {} updated", apex_dotted(spec)))};
  }

  base::Result<std::optional<canary::Routes>> read(const Situation& situation) const override {
    const Json* live = find(situation);
    if (!live) return std::nullopt;
    return read_split(*live, situation.spec);
  }

  base::Result<Writes> set(const Situation& situation, canary::Routes routes) const override {
    const canary::Spec& spec = situation.spec;
    if (const base::Result<void> sound = check(routes, spec); !sound) return base::fail(sound.error());
    const Json* live = find(situation);
    if (!live) {
      return base::fail(base::Errc::not_found,
                        fmt::format("TrafficSplit {} get query error {}", apex_dotted(spec),
                                    not_found(resource_, spec.service.name)));
    }
    if (carries(*live, spec, routes)) return Writes();
    return Writes{update(*live, spec, routes, "")};
  }

 private:
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

  /// Whether the split has these two backends with these weights, however they are written.
  static bool carries(const Json& live, const canary::Spec& spec, canary::Routes routes) {
    const Json& backends = live.get("spec", "backends");
    const auto is_one = [&](const Json& backend) {
      const std::string& name = backend["service"].str();
      const std::optional<double> weight = read_weight(backend["weight"]);
      return (name == service_name(spec, Role::primary) && weight == routes.primary) ||
             (name == service_name(spec, Role::canary) && weight == routes.canary);
    };
    return backends.size() == 2 && read_split(live, spec) && std::ranges::all_of(backends.items(), is_one);
  }

  Write creation(const Situation& situation) const {
    const canary::Spec& spec = situation.spec;
    Json split = new_object(situation, resource_, spec.service.name);
    split.set("spec", "backends") = backends(spec, {});
    split.set("spec", "service") = spec.service.name;
    return {resource_, std::move(split), Write::Verb::create,
            fmt::format("TrafficSplit {} create error", apex_dotted(spec)),
            fmt::format("TrafficSplit {} created", apex_dotted(spec))};
  }

  Write update(Json live, const canary::Spec& spec, canary::Routes routes, std::string done) const {
    live.set("spec", "service") = spec.service.name;
    live.set("spec", "backends") = backends(spec, routes);
    return {resource_, std::move(live), Write::Verb::replace,
            fmt::format("TrafficSplit {} update error", apex_dotted(spec)), std::move(done)};
  }

  kube::Resource resource_;
};

}  // namespace

const std::vector<kube::Resource>& split_resources() {
  static const std::vector<kube::Resource> resources = {
      {"split.smi-spec.io", "v1alpha1", "trafficsplits", "TrafficSplit"},
      {"split.smi-spec.io", "v1alpha2", "trafficsplits", "TrafficSplit"},
      {"split.smi-spec.io", "v1alpha3", "trafficsplits", "TrafficSplit"},
  };
  return resources;
}

std::optional<double> read_weight(const Json& weight) {
  if (weight.is_number()) return weight.as_double();
  const std::string& text = weight.str();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, text.data() + text.size());
  if (unit.empty()) return value;
  return unit == "m" ? std::optional(value / 1000) : std::nullopt;
}

base::Result<canary::Routes> read_split(const Json& split, const canary::Spec& spec) {
  const auto weight_of = [&](Role role) -> std::optional<double> {
    for (const Json& backend : split.get("spec", "backends").items()) {
      if (backend["service"].str() == service_name(spec, role)) return read_weight(backend["weight"]);
    }
    return std::nullopt;
  };
  const std::optional<double> primary = weight_of(Role::primary), canary = weight_of(Role::canary);
  const std::optional<canary::Routes> routes =
      primary && canary ? in_percent(*primary, *canary) : std::nullopt;
  if (routes) return *routes;
  return base::fail(base::Errc::invalid,
                    fmt::format("TrafficSplit {} does not contain routes for {} and {}", apex_dotted(spec),
                                service_name(spec, Role::primary), service_name(spec, Role::canary)));
}

std::unique_ptr<Router> make_smi_router(const std::string& version) {
  return std::make_unique<SmiRouter>(
      kube::Resource{"split.smi-spec.io", version, "trafficsplits", "TrafficSplit"});
}

}  // namespace serin::routing
