#pragma once

#include "controller/objects.h"
#include "routing/router.h"

namespace serin::controller {

/// Carries out what concerns the traffic of one canary: the objects of its provider.
class RouteEffects {
 public:
  /// All live as long as this.
  RouteEffects(Objects& objects, const routing::Router& router, Meter& meter, const canary::Spec& spec)
      : objects_(objects), router_(router), meter_(meter), spec_(spec) {}

  /// Fills in routes, and why they cannot be read. `label`: of the target's pods.
  void observe(canary::Observation& seen, const workload::SelectorLabel& label,
               const canary::Affinity& affinity) const;
  base::Task<canary::Done> ensure(workload::SelectorLabel label, canary::Affinity affinity);
  base::Task<canary::Done> set(workload::SelectorLabel label, canary::Affinity affinity,
                               canary::Routes routes);
  base::Task<canary::Done> release(workload::SelectorLabel label, canary::Affinity affinity);

 private:
  [[nodiscard]] routing::Situation situation(const workload::SelectorLabel& label,
                                             const canary::Affinity& affinity) const;
  base::Task<canary::Done> carry_out(base::Result<routing::Writes> writes);

  Objects& objects_;
  const routing::Router& router_;
  Meter& meter_;
  const canary::Spec& spec_;
};

}  // namespace serin::controller
