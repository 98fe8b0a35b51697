#include "routing/common.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace serin::routing {
Json to_json(const std::map<std::string, std::string>& values) {
  Json result = Json::object();
  for (const auto& [key, value] : values) result.set(key) = value;
  return result;
}

std::string apex_dotted(const canary::Spec& spec) {
  return spec.service.name + "." + spec.ns;
}

std::optional<canary::Routes> in_percent(double primary, double canary) {
  const double sum = primary + canary;
  if (!(primary >= 0 && canary >= 0 && sum > 0 && std::isfinite(sum))) return std::nullopt;
  const int share = static_cast<int>(std::lround(100 * canary / sum));
  const int percent = std::clamp(share, canary > 0 ? 1 : 0, primary > 0 ? 99 : 100);
  return canary::Routes{100 - percent, percent};
}

base::Result<void> check(const canary::Routes& routes, const canary::Spec& spec) {
  if (routes.primary >= 0 && routes.canary >= 0 && routes.primary + routes.canary == 100) return {};
  return base::fail(base::Errc::invalid,
                    fmt::format("Routes of {} cannot be {}/{}: weights go from 0 to 100 and add up to 100",
                                spec.dotted(), routes.primary, routes.canary));
}

Json apex_metadata(const Situation& situation) {
  const std::optional<canary::CustomMetadata>& apex = situation.spec.service.apex;
  Json metadata = Json::object();
  if (apex) {
    metadata.set("labels") = to_json(apex->labels);
    metadata.set("labels", situation.label.key) = situation.spec.service.name;
    metadata.set("annotations") = to_json(apex->annotations);
  }
  keep_flux_away(metadata.set("annotations"));
  return metadata;
}

Json new_object(const Situation& situation, const kube::Resource& resource, const std::string& name) {
  Json object = Json::object({{"apiVersion", resource.api_version()}, {"kind", resource.kind}});
  Json& metadata = object.set("metadata");
  metadata.set("name") = name;
  metadata.set("namespace") = situation.spec.ns;
  metadata.set("ownerReferences") = Json::array({workload::owner_reference(situation.spec)});
  return object;
}

std::string not_found(const kube::Resource& resource, const std::string& name) {
  return fmt::format("{} \"{}\" not found", resource.group_resource(), name);
}

std::vector<std::string> no_affinity(const canary::Spec& spec, std::string_view provider) {
  if (!spec.session_affinity) return {};
  return {
      fmt::format("spec.analysis.sessionAffinity: {} has no cookies that keep a user on one version; remove "
                  "it, or use spec.provider gatewayapi:v1",
                  provider)};
}

}  // namespace serin::routing
