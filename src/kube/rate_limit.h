#pragma once

#include "base/task.h"

namespace serin::kube {

/// A token bucket: `burst` at once, then `per_second`, first come first served (spec 04 §1, -kubeconfig-qps
/// and -burst). per_second <= 0 is no limit.
class RateLimit {
 public:
  RateLimit(base::Clock& clock, double per_second, int burst);

  /// Returns when the caller may go ahead. A cancelled wait does not give its turn back.
  base::Task<void> acquire();

 private:
  base::Clock& clock_;
  base::Duration interval_{};   ///< between two turns; 0: no limit
  base::Duration tolerance_{};  ///< how far ahead of their time turns may be taken
  base::MonoTime next_{};       ///< when the next turn is due by the steady rate
};

}  // namespace serin::kube
