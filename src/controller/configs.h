#pragma once

#include <map>
#include <set>
#include <string>

#include "controller/world.h"
#include "workload/configs.h"

namespace serin::controller {

/// What the target's ConfigMaps and Secrets are now.
struct TrackedConfigs {
  std::map<std::string, std::string> checksums;  ///< by ConfigRef::key()
  [[nodiscard]] std::set<std::string> keys() const;
};

/// Follows the contents of the ConfigMaps and Secrets that canaries use: metadata is watched, an object is
/// read once a version, and only a checksum is kept.
class ConfigTracker {
 public:
  /// Not enabled (flag -enable-config-tracking=false): no config is ever tracked.
  explicit ConfigTracker(World& world, bool enabled = true) : world_(world), enabled_(enabled) {}

  [[nodiscard]] bool enabled() const { return enabled_; }

  /// The tracked configs of a pod template. Errors name the one that is missing or unreadable (spec 02 §4.2).
  base::Task<base::Result<TrackedConfigs>> track(std::string ns, Json pod_template);

 private:
  struct Known {
    std::string version;
    bool tracked = false;
    std::string checksum;
  };
  base::Task<base::Result<Known>> look_up(kube::Resource resource, kube::ObjectRef ref, std::string version);

  World& world_;
  bool enabled_;
  std::map<std::pair<std::string, kube::ObjectRef>, Known> known_;  ///< by "configmap" or "secret", and name
};

/// "configmaps" or "secrets".
const kube::Resource& resource_of(const workload::ConfigRef& ref);

}  // namespace serin::controller
