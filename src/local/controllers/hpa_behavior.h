#pragma once

#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace serin::local {

/// What an autoscaler remembers of its own past. Not in the API, so it begins anew with the process.
struct HpaHistory {
  struct Entry {
    base::WallTime at;
    int value = 0;
  };
  std::vector<Entry> recommendations;  ///< replicas, as metrics asked for them
  std::vector<Entry> changes;          ///< by how much the target was scaled: up is positive
};

/// A recommendation as spec.behavior and the limits let it through.
struct Limited {
  int replicas = 0;
  // The conditions AbleToScale (empty: none) and ScalingLimited.
  std::string able_reason, able_message;
  bool is_limited = false;
  std::string limit_reason, limit_message;
};

/// Applies stabilization windows, policies and min/max to `wanted`, remembers it, and forgets what no window
/// or policy looks back to. An absent behavior is the default one: up at once, by 4 pods or 100 % every 15 s;
/// down by what the last 300 s agree on.
Limited limit(const base::Json& behavior, int current, int wanted, int lowest, int highest,
              base::WallTime now, HpaHistory& history);

}  // namespace serin::local
