#pragma once

#include <string>

#include "base/json.h"
#include "canary/spec.h"
#include "canary/status.h"

namespace serin::hooks {

/// Identifies what a call is about: the tracked configs and the applied revision (spec 09 §3, with its
/// vectors).
std::string checksum(const canary::Status& status);

/// The body of a webhook call. `phase` is the canary's as the hook's type demands (spec 09 §2).
base::Json payload(const canary::Spec& spec, const canary::Webhook& hook, canary::Phase phase,
                   const canary::Status& status);

}  // namespace serin::hooks
