#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "canary/spec.h"

namespace serin::workload {

using base::Json;

/// The label by which the target's pods are selected: key and value (spec 02 §2.1).
struct SelectorLabel {
  std::string key, value;
  std::string primary;  ///< the value of the primary's pods, if it is another than one would expect
  bool operator==(const SelectorLabel&) const = default;
  [[nodiscard]] std::string primary_value() const { return primary.empty() ? value + "-primary" : primary; }
};

/// The controller's flags that shape generated objects.
struct Options {
  std::vector<std::string> selector_labels = {"app", "name", "app.kubernetes.io/name"};
  std::vector<std::string> include_label_prefixes;  ///< of the target's own labels and annotations; "*": all
};

/// The first of the known labels that the target selects its pods by. Error (invalid): none of them.
base::Result<SelectorLabel> selector_label(const Json& target, const Options& options);

/// The label of a target that has a primary: the one which that was made with. Its selector is fixed, so it
/// counts whatever -selector-labels says now, and however the target's value has changed. nullopt: the target
/// no longer selects its pods by it.
std::optional<SelectorLabel> established_label(const Json& target, const Json& primary);

/// Labels or annotations that may be copied to generated objects: Flux's own keys never (spec 02 §1, TK).
Json without_toolkit(const Json& metadata);
/// The same, and only keys with one of the prefixes (spec 02 §1, PF).
Json with_prefixes(const Json& metadata, const Options& options);

/// The owner reference of everything that is made for a Canary.
Json owner_reference(const canary::Spec& spec);

}  // namespace serin::workload
