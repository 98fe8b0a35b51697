#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "kube/api.h"

namespace serin::local {

/// What a pod used, all its containers together.
struct PodUsage {
  std::int64_t cpu_millicores = 0;  ///< mean over `window`
  std::int64_t memory_bytes = 0;
  base::WallTime measured_at{};
  base::Duration window{};
};

/// The node's accounting, as autoscalers read it.
class PodMetrics {
 public:
  virtual ~PodMetrics() = default;
  /// The last measurement; nullopt if there is none (yet). Must not block.
  [[nodiscard]] virtual std::optional<PodUsage> usage(const kube::ObjectRef& pod) const = 0;
};

}  // namespace serin::local
