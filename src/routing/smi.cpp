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

Json backends(const canary::Spec& spec, canary::Routes routes) {
  const auto backend = [&](Role role, int weight) {
    return Json::object({{"service", service_name(spec, role)}, {"weight", fmt::format("{}", weight)}});
  };
  return Json::array({backend(Role::canary, routes.canary), backend(Role::primary, routes.primary)});
}

}  // namespace

Json new_traffic_split(const canary::Spec& spec, canary::Routes routes) {
  Json split = Json::object({{"apiVersion", "split.smi-spec.io/v1alpha1"}, {"kind", "TrafficSplit"}});
  Json& metadata = split.set("metadata");
  metadata.set("name") = spec.service.name;
  metadata.set("namespace") = spec.ns;
  metadata.set("ownerReferences") = Json::array({workload::owner_reference(spec)});
  split.set("spec", "backends") = backends(spec, routes);
  split.set("spec", "service") = spec.service.name;
  return split;
}

Json reconciled_traffic_split(const Json& live, const canary::Spec& spec) {
  const base::Result<canary::Routes> routes = read_traffic_split(live, spec);
  const bool sound = routes && live.get("spec", "service").str() == spec.service.name &&
                     live.get("spec", "backends").size() == 2;
  if (sound) return live;
  return weighted_traffic_split(live, spec, routes.value_or(canary::Routes{}));
}

Json weighted_traffic_split(Json live, const canary::Spec& spec, canary::Routes routes) {
  live.set("spec", "service") = spec.service.name;
  live.set("spec", "backends") = backends(spec, routes);
  return live;
}

base::Result<canary::Routes> read_traffic_split(const Json& live, const canary::Spec& spec) {
  const auto weight_of = [&](Role role) -> std::optional<int> {
    for (const Json& backend : live.get("spec", "backends").items()) {
      if (backend["service"].str() == service_name(spec, role)) return read_weight(backend["weight"]);
    }
    return std::nullopt;
  };
  const std::optional<int> primary = weight_of(Role::primary), canary_weight = weight_of(Role::canary);
  if (!primary || !canary_weight || *primary + *canary_weight == 0) {
    return base::fail(
        base::Errc::invalid,
        fmt::format("TrafficSplit {}.{} does not contain routes for {} and {}", spec.service.name, spec.ns,
                    service_name(spec, Role::primary), service_name(spec, Role::canary)));
  }
  return canary::Routes{*primary, *canary_weight};
}

}  // namespace serin::routing
