#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "canary/spec.h"
#include "workload/labels.h"

namespace serin::workload {

/// A ConfigMap or Secret that a pod template uses.
struct ConfigRef {
  bool secret = false;
  std::string name;
  bool optional = false;  ///< every reference to it is optional
  bool operator==(const ConfigRef&) const = default;
  /// "configmap/podinfo-config": the key in status.trackedConfigs.
  [[nodiscard]] std::string key() const { return (secret ? "secret/" : "configmap/") + name; }
};

/// Every ConfigMap and Secret that volumes, projected volumes, env and envFrom of containers and init
/// containers name (spec 02 §4.1), ordered by key.
std::vector<ConfigRef> config_refs(const Json& pod_template);

/// Whether a change of it is a revision: not opted out, and no Secret of a special type (spec 02 §4.2).
bool is_tracked(const Json& config);

/// The checksum of .data that other controllers of these Canaries store too (spec 02 §4.3), and of
/// .binaryData where there is some.
std::string config_checksum(const Json& config);

/// The pod template with every tracked config's name replaced by its primary copy's.
Json with_primary_configs(Json pod_template, const std::set<std::string>& tracked_keys);

/// The copy for the primary, laid over the one that exists (null if none) (spec 02 §4.5).
Json primary_config(const Json& source, const Json& existing, const canary::Spec& spec,
                    const Options& options);

/// Whether both hold the same data.
bool same_contents(const Json& a, const Json& b);

/// The name under which the former contents of a primary's copy are kept while a promotion is under way.
std::string kept_name(const std::string& copy);
/// The object that keeps them, for a primary that carries the revision `primary_id` (annotation flagger-id).
Json kept_config(const Json& copy, const std::string& primary_id);
/// Which revision of the primary such an object is for; empty: none.
std::string kept_for(const Json& kept);
/// The copy of this name, with what was kept.
Json restored_config(const Json& kept, const std::string& copy);

/// Whether the API would refuse to turn the copy that exists into this one: it is immutable, or a Secret of
/// another type. Then it is deleted and made anew.
bool must_be_replaced(const Json& existing, const Json& copy);

}  // namespace serin::workload
