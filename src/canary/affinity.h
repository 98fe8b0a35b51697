#pragma once

#include <string>

#include "canary/spec.h"
#include "canary/status.h"

namespace serin::canary {

/// The session cookies to be in force (spec 05 §8): a run has its own, made from canary and revision, so that
/// it comes out the same after a crash, unless it has some from another controller; the last run's is kept
/// for as long as browsers may have to forget it. `to_canary`: whether traffic goes to the canary.
Affinity affinity_for(const SessionAffinity& wanted, const std::string& uid, const std::string& revision,
                      Affinity present, bool to_canary);

}  // namespace serin::canary
