#pragma once

#include <algorithm>

#include "base/random.h"
#include "base/time.h"

namespace serin::kube {

/// Growing pauses between attempts: each twice the last up to a limit, jittered to 50-150 %, so that many
/// clients of a server that comes back do not knock in the same moment.
class Backoff {
 public:
  Backoff(base::Random& random, base::Duration first, base::Duration longest)
      : random_(random), first_(first), longest_(longest), pause_(first) {}

  base::Duration next() {
    const base::Duration pause = std::exchange(pause_, std::min(pause_ * 2, longest_));
    return jittered(random_, pause);
  }
  /// After a success.
  void reset() { pause_ = first_; }

  static base::Duration jittered(base::Random& random, base::Duration around) {
    const double factor = 0.5 + random.fraction();
    return base::Duration(static_cast<base::Duration::rep>(static_cast<double>(around.count()) * factor));
  }

 private:
  base::Random& random_;
  base::Duration first_, longest_, pause_;
};

}  // namespace serin::kube
