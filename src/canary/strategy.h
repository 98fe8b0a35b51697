#pragma once

#include <string>
#include <vector>

#include "canary/action.h"

namespace serin::canary {

/// A spec as a provider can carry it out, and what had to be given up for that, as Warnings say it.
struct Adjusted {
  Spec spec;
  std::vector<std::string> warnings;
};

/// Plain Kubernetes knows blue/green only (spec 01 §6.3); without mirroring a run goes on without it (spec 05
/// §2.6).
Adjusted adjusted(Spec spec, const Capabilities& provider);

/// What comes next in a run whose present step has earned it (spec 01 §6).
struct Step {
  enum class Kind {
    mirror,      ///< copies of requests go to the canary, before the first weight
    weight,      ///< `value` percent go to it
    iteration,   ///< iteration `value` of spec.iterations
    all_canary,  ///< blue/green, after the last iteration: everything goes to it
    promote,
  } kind = Kind::promote;
  int value = 0;
  bool operator==(const Step&) const = default;
};

/// `mirrored`: copies of requests go to the canary now.
Step next_step(const Spec& spec, const Capabilities& provider, const Status& status, bool mirrored);

/// The routes that a running status stands for. `mirrored`: as in force, where the status does not tell.
Routes routes_for(const Spec& spec, const Capabilities& provider, const Status& status, bool mirrored);

/// The canary weight after `weight`: the next step of the spec, never beyond its final weight. Equal to
/// `weight` at the end.
int next_weight(const Spec& spec, int weight);
/// The step of the spec that comes before this canary weight; 0: there is none.
int weight_before(const Spec& spec, int weight);

}  // namespace serin::canary
