#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "base/json.h"
#include "canary/spec.h"
#include "workload/labels.h"

namespace serin::workload {

/// What a primary workload is made from.
struct PrimarySource {
  const Json& target;
  SelectorLabel label;
  std::set<std::string> tracked_configs;  ///< keys, see ConfigRef::key()
  std::string id;  ///< flagger-id: the revision's, so that a repeated write changes nothing
};

/// The annotation that names the revision a primary carries.
inline constexpr std::string_view id_annotation = "flagger-id";

/// What primaries that own pods have in common (spec 02 §2.2, §2.3): metadata as it is created and as a
/// promotion writes it, and the pod template.
Json new_primary_metadata(const PrimarySource& source, const canary::Spec& spec, const Options& options);
Json promoted_metadata(Json metadata, const PrimarySource& source, const Options& options);
Json primary_template(const PrimarySource& source);

/// Takes these members of `from` over, also their absence.
void take_members(Json& into, const Json& from, std::initializer_list<std::string_view> keys);
/// Sets the member, or removes it if the value is empty: the API has no empty maps.
void set_or_erase(Json& object, std::string_view key, Json value);

}  // namespace serin::workload
