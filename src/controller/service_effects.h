#pragma once

#include "controller/objects.h"
#include "routing/services.h"
#include "workload/labels.h"

namespace serin::controller {

/// Carries out what concerns the Services of one canary (spec 02 §3).
class ServiceEffects {
 public:
  /// All live as long as this.
  ServiceEffects(Objects& objects, const canary::Spec& spec) : objects_(objects), spec_(spec) {}

  /// Canary and primary Service. `target`: the workload.
  base::Task<canary::Done> ensure(workload::SelectorLabel label, World::Value target);
  base::Task<canary::ApexReply> ensure_apex(workload::SelectorLabel label, World::Value target);
  base::Task<canary::Done> release_apex(workload::SelectorLabel label);

 private:
  base::Task<canary::Done> ensure_one(routing::Role role, workload::SelectorLabel label, World::Value target);

  Objects& objects_;
  const canary::Spec& spec_;
};

}  // namespace serin::controller
