#include "controller/fleet.h"

#include "canary/status.h"

namespace serin::controller {

bool Fleet::enter(const kube::ObjectRef& ref) {
  if (runs_max_ == 0 || entered_.contains(ref)) return true;
  std::set<kube::ObjectRef> running = entered_;
  for (const World::Value& canary : world_.all(kube::resources::canaries)) {
    const std::optional<canary::Phase> phase = canary::parse_phase(canary->get("status", "phase").str());
    if (phase && canary::is_run(*phase)) running.insert(kube::ref_of(*canary));
  }
  if (running.size() >= runs_max_) return false;
  entered_.insert(ref);
  return true;
}

}  // namespace serin::controller
