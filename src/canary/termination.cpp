#include <fmt/format.h>

#include "canary/machine_impl.h"

namespace serin::canary {

/// The target has as many ready pods as the primary had, or there is no point in waiting for them.
Plan<bool> Turn::Machine::target_reverted() {
  const WorkloadView& target = in.seen.target;
  if (!target.exists || in.seen.namespace_terminating) co_return true;
  if (target.replicas == 0 || (in.seen.primary.exists && target.replicas < in.seen.primary.replicas)) {
    const Done scaled = co_await ask(ScaleTarget{ScaleTarget::To::primary});
    if (!scaled) {
      if (scaled.error().code == base::Errc::not_found) co_return true;
      co_await report(scaled.error().message);
      co_return false;
    }
    co_await look();
  }
  const Readiness state = check_canary();
  if (state.ready) co_return true;
  const std::string text = canary_not_ready(state);
  const bool hopeless = co_await wait_for(in.memory.canary, state, text);
  if (!hopeless) co_return false;
  co_await report(fmt::format("canary not ready during finalizing, giving up: {}", text));
  co_return true;
}

/// Deletion, with or without revertOnDeletion: the workload goes on serving (spec 01 §11).
Plan<> Turn::Machine::terminate() {
  if (!in.memory.phase_before_deletion) in.memory.phase_before_deletion = phase();
  const Phase before = *in.memory.phase_before_deletion;
  if (phase() != Phase::terminating && phase() != Phase::terminated) {
    Status next = status();
    next.phase = Phase::terminating;
    next.canary_weight = 0;
    next.iterations = 0;
    const bool saved =
        co_await save(next, {event(fmt::format("Terminating canary {}", spec().dotted()), before)});
    if (!saved) co_return;
  }
  if (phase() == Phase::terminating) {
    const bool given_back = co_await workload_given_back();
    if (!given_back) co_return;
    Status next = status();
    next.phase = Phase::terminated;
    const bool saved =
        co_await save(next, {event(fmt::format("Terminated canary {}", spec().dotted()), before)});
    if (!saved) co_return;
  }
  const Done removed = co_await ask(RemoveFinalizer{});
  if (!removed && removed.error().code != base::Errc::not_found) {
    co_await report(fmt::format("Unable to remove finalizer for canary {} error: {}", spec().dotted(),
                                removed.error().message));
  }
}

/// The target serves as if there had never been a Canary. False: not yet.
Plan<bool> Turn::Machine::workload_given_back() {
  const bool reverted = co_await target_reverted();
  if (!reverted) co_return false;
  if (in.seen.target.exists && !in.seen.namespace_terminating) {
    // While mesh object and apex still point to the primary, which goes with the Canary, traffic is moved
    // first.
    const bool serving = in.seen.target.ready > 0 && in.seen.routes.has_value();
    if (serving) {
      const bool routed = co_await route({0, 100});
      if (!routed) co_return false;
    }
    const Done released = co_await ask(ReleaseApex{});
    if (!released) {
      co_await report(released.error().message);
      co_return false;
    }
    if (in.seen.target.ready > 0) co_await ask(Drain{});
  }
  co_return true;
}

}  // namespace serin::canary
