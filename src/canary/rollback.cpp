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

/// Says why, once a run. Where that cannot be recorded it is said all the same: nothing waits for the record.
Plan<> Turn::Machine::tell_rollback(std::string reason) {
  const bool told = std::exchange(in.memory.rolling_back, true) || !status().rolling_back.empty();
  const bool manual = reason.starts_with("manual") || reason.starts_with("asked for");
  if (told && (!manual || status().rolling_back == reason)) co_return;
  const Announce announced = alarm(fmt::format("Rolling back {} {}", spec().dotted(), reason), phase());
  Alert alert{manual ? Alert::Severity::warn : Alert::Severity::error,
              manual ? "Rolling back " + reason : reason};
  alert.text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(alert.text[0])));
  Status next = status();
  next.rolling_back = std::move(reason);
  const Done saved = co_await ask(SaveStatus{next, {announced, alert}});
  if (saved) {
    in.status = std::move(next);
    co_return;
  }
  co_await ask(announced);
  co_await ask(std::move(alert));
}

/// Traffic first, then everything else.
Plan<> Turn::Machine::rollback(std::string reason) {
  co_await tell_rollback(std::move(reason));
  if (in.seen.primary.ready == 0 && in.seen.target.ready > 0 && in.seen.capabilities.shifts) {
    // Nobody would answer: the canary, bad as it is, serves until the primary does.
    const bool wanted = co_await primary_wants_pods();
    if (!wanted) co_return;
    co_await report(
        fmt::format("Rollback of {} waits: {} has no ready pods", spec().dotted(), spec().primary_dotted()));
    co_return;
  }
  const bool ready = co_await primary_can_take_over();
  if (!ready) co_return;
  const bool had_traffic = in.seen.routes && *in.seen.routes != Routes{};
  // Without an object that divides it, the traffic goes where the apex Service leads: to the primary.
  const bool divided = in.seen.routes || !in.seen.route_problem.empty();
  if (divided) {
    const bool routed = co_await route({100, 0});
    if (!routed) co_return;
  }
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
  const bool parked = co_await park_target();
  if (!parked) co_return;
  Status next = status();
  next.phase = Phase::failed;
  next.failed_checks = 0;
  next.canary_weight = 0;
  next.iterations = 0;
  const bool ended = co_await end_run(
      next, {alarm(fmt::format("Canary failed! Scaling down {}", spec().dotted()), Phase::failed)});
  if (!ended) co_return;
  forget_run();
  co_await conclude(before);
  wake_at(now);
}

}  // namespace serin::canary
