#include <fmt/format.h>

#include "canary/machine_impl.h"

namespace serin::canary {

/// Whether the primary has the pods for all traffic. If its autoscaler has shrunk it meanwhile it is enlarged
/// first, for a while: nobody is helped by a rollback to a primary that breaks down under it.
Plan<bool> Turn::Machine::primary_can_take_over() {
  const int share = in.seen.routes ? in.seen.routes->canary : 0;
  const bool large_enough = share < 50 || in.seen.primary.ready >= in.seen.target.ready;
  if (large_enough || !in.seen.capabilities.shifts) co_return true;
  if (!in.memory.growing) in.memory.growing = now;
  const base::MonoTime end = *in.memory.growing + in.settings.capacity_wait;
  if (now >= end) co_return true;
  const Done grown = co_await ask(GrowPrimary{in.seen.target.ready});
  if (!grown) co_return true;
  wake_at(end);
  co_return false;
}

/// Traffic first, then everything else.
Plan<> Turn::Machine::rollback(std::string reason) {
  if (std::exchange(in.memory.rolling_back, reason) != reason) {
    co_await warning(fmt::format("Rolling back {} {}", spec().dotted(), reason), phase());
    const bool manual = reason.starts_with("manual") || reason.starts_with("asked for");
    std::string text = manual ? "Rolling back " + reason : reason;
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    co_await alert(manual ? Alert::Severity::warn : Alert::Severity::error, std::move(text));
  }
  if (in.seen.primary.ready == 0 && in.seen.target.ready > 0 && in.seen.capabilities.shifts) {
    // Nobody would answer: the canary, bad as it is, serves until the primary does.
    co_await report(
        fmt::format("Rollback of {} waits: {} has no ready pods", spec().dotted(), spec().primary_dotted()));
    co_return;
  }
  const bool ready = co_await primary_can_take_over();
  if (!ready) co_return;
  const bool had_traffic = in.seen.routes && *in.seen.routes != Routes{};
  const bool routed = co_await route({100, 0});
  if (!routed) co_return;
  const Phase before = phase();
  if (had_traffic) {
    // Recorded at once: status and route agree also while calls in flight end.
    Status moved = status();
    moved.canary_weight = 0;
    moved.iterations = 0;
    const bool recorded = co_await save(moved);
    if (!recorded) co_return;
    co_await ask(Drain{});
  }
  co_await warning(fmt::format("Canary failed! Scaling down {}", spec().dotted()), Phase::failed);
  const bool parked = co_await park_target();
  if (!parked) co_return;
  Status next = status();
  next.phase = Phase::failed;
  next.failed_checks = 0;
  next.canary_weight = 0;
  next.iterations = 0;
  const bool saved = co_await save(next);
  if (!saved) co_return;
  forget_run();
  co_await ask(CountOutcome{false, false});
  co_await post_rollout(Phase::failed, before);
  wake_at(now);
}

}  // namespace serin::canary
