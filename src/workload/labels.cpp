#include "workload/labels.h"

#include <fmt/format.h>

#include <algorithm>

namespace serin::workload {

base::Result<SelectorLabel> selector_label(const Json& target, const Options& options) {
  const Json& labels = target.get("spec", "selector", "matchLabels");
  for (const std::string& key : options.selector_labels) {
    if (labels[key].is_string()) return SelectorLabel{key, labels[key].str()};
  }
  std::string kind = target["kind"].str_or("Deployment");
  std::ranges::transform(kind, kind.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return base::fail(
      base::Errc::invalid,
      fmt::format("getSelectorLabel failed: {} {}.{} spec.selector.matchLabels must contain one of [{}]",
                  kind, target.get("metadata", "name").str(), target.get("metadata", "namespace").str(),
                  fmt::join(options.selector_labels, " ")));
}

std::optional<SelectorLabel> established_label(const Json& target, const Json& primary) {
  const Json& labels = target.get("spec", "selector", "matchLabels");
  const Json& fixed = primary.get("spec", "selector", "matchLabels");
  for (const Json::Member& member : fixed.members()) {
    if (!labels[member.key].is_string()) continue;
    SelectorLabel label{member.key, labels[member.key].str(), {}};
    if (label.primary_value() != member.value.str()) label.primary = member.value.str();
    return label;
  }
  return std::nullopt;
}

Json without_toolkit(const Json& metadata) {
  Json result = Json::object();
  for (const Json::Member& member : metadata.members()) {
    if (member.key.find("toolkit.fluxcd.io") == std::string::npos) result.set(member.key) = member.value;
  }
  return result;
}

Json with_prefixes(const Json& metadata, const Options& options) {
  Json result = Json::object();
  const Json allowed = without_toolkit(metadata);
  for (const Json::Member& member : allowed.members()) {
    const bool wanted = std::ranges::any_of(options.include_label_prefixes, [&](const std::string& prefix) {
      return prefix == "*" || (!prefix.empty() && member.key.starts_with(prefix));
    });
    if (wanted) result.set(member.key) = member.value;
  }
  return result;
}

Json owner_reference(const canary::Spec& spec) {
  return Json::object({{"apiVersion", "flagger.app/v1beta1"},
                       {"blockOwnerDeletion", true},
                       {"controller", true},
                       {"kind", "Canary"},
                       {"name", spec.name},
                       {"uid", spec.uid}});
}

}  // namespace serin::workload
