#include "kube/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace serin::kube {

RateLimit::RateLimit(base::Clock& clock, double per_second, int burst) : clock_(clock) {
  if (per_second <= 0) return;
  interval_ = base::Duration(std::llround(1e9 / per_second));
  tolerance_ = interval_ * (std::max(burst, 1) - 1);
}

base::Task<void> RateLimit::acquire() {
  if (interval_ == base::Duration::zero()) co_return;
  const base::MonoTime now = clock_.now();
  const base::MonoTime due = std::max(next_, now);
  next_ = due + interval_;
  if (due - tolerance_ > now) co_await clock_.sleep_until(due - tolerance_);
}

}  // namespace serin::kube
