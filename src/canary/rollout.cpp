#include <fmt/format.h>

#include "canary/machine_impl.h"

namespace serin::canary {

Plan<> Turn::Machine::analyse() {
  forget_lowered_iterations();
  if (in.seen.config_problem.empty()) {
    const bool changed = in.seen.target.revision != status().last_applied;
    if (changed && primary_carries_target()) {
      co_await cancel();
      co_return;
    }
    if (changed || is_new()) {
      co_await restart();
      co_return;
    }
  }
  if (in.seen.target.replicas == 0) {
    const bool routed = co_await leave_stranded(canary_not_ready({false, false, "it is scaled to zero"}));
    if (!routed) co_return;
    const Done scaled = co_await ask(ScaleTarget{ScaleTarget::To::from_zero});
    if (!scaled) co_await report(scaled.error().message);
    co_return;
  }
  const bool ready = co_await workloads_ready();
  if (!ready) co_return;
  const bool wanted_now = approved && in.command.verb == Command::Verb::promote;
  if (wanted_now) obey_with_next_step(fmt::format("Promoting {} asked for", spec().dotted()));
  if (spec().skip_analysis || wanted_now) {
    co_await promote();
    co_return;
  }
  if (status().failed_checks >= spec().threshold) {
    co_await rollback(fmt::format("failed checks threshold reached {}", status().failed_checks));
    co_return;
  }
  const bool as_recorded = co_await routes_as_recorded();
  if (!as_recorded) co_return;
  if (in.command.paused) co_return;
  if (approved) {
    obey_with_next_step(fmt::format("Approved {}", spec().dotted()));
    co_await step();
    co_return;
  }
  if (!in.memory.judged && (!at_start() || status().failed_checks > 0)) in.memory.judged = now;
  if (in.memory.judged && now < *in.memory.judged + spec().interval) {
    wake_at(*in.memory.judged + spec().interval);
    co_return;
  }
  const bool asked_back = co_await wants_rollback();
  if (asked_back) {
    co_await rollback("manual webhook invoked");
    co_return;
  }
  const bool good = co_await judged_good();
  if (good) co_await step();
}

/// More iterations than there are stand for all traffic on the canary. If there were more when they were
/// counted, they are merely done.
void Turn::Machine::forget_lowered_iterations() {
  const bool all_on_canary = in.seen.routes == Routes{0, 100};
  if (spec().strategy() == Strategy::blue_green && !all_on_canary)
    in.status.iterations = std::min(status().iterations, spec().iterations);
}

/// Whether there is nothing to release: template and configs of the target are what was promoted last.
bool Turn::Machine::primary_carries_target() const {
  return in.seen.target.revision == status().last_promoted &&
         in.seen.primary_id == promotion_id(spec(), in.seen.target.revision, in.seen.configs);
}

/// The recorded weight is the one that was announced and is being judged: a route that says otherwise (a
/// crash between the two writes, another writer) is put right and serves an interval before it is judged.
/// False: the turn is over.
Plan<bool> Turn::Machine::routes_as_recorded() {
  const Capabilities& provider = in.seen.capabilities;
  const bool mirrored = in.seen.routes && in.seen.routes->mirrored;
  const Routes wanted = routes_for(spec(), provider, status(), mirrored);
  if (!provider.shifts || in.seen.routes == wanted) co_return true;
  if (in.memory.judged && in.seen.routes) {
    if (++in.memory.foreign_routes > in.settings.foreign_routes_max) {
      co_await rollback("somebody else keeps changing its routes");
      co_return false;
    }
    co_await report(fmt::format(
        "Routes of {} were changed to {}/{} by somebody else, setting them back to {}/{}", spec().dotted(),
        in.seen.routes->primary, in.seen.routes->canary, wanted.primary, wanted.canary));
  }
  const bool routed = co_await route(wanted);
  if (!routed) {
    co_await route_refused();
    co_return false;
  }
  in.memory.route_refused.reset();
  in.memory.judged = now;
  wake_at(now + spec().interval);
  co_return false;
}

/// A run whose routes cannot be written holds, and ends when that has lasted for its progress deadline.
Plan<> Turn::Machine::route_refused() {
  if (!in.memory.route_refused) in.memory.route_refused = now;
  if (now >= *in.memory.route_refused + spec().progress_deadline)
    co_await rollback(fmt::format("progress deadline exceeded {}", in.memory.problem));
}

/// Whether the target still is what this run is for; if not, the next turn sees to it.
Plan<bool> Turn::Machine::revision_unchanged() {
  co_await look();
  if (in.seen.target.revision == status().last_applied && !is_new()) co_return true;
  wake_at(now);
  co_return false;
}

Plan<> Turn::Machine::restart() {
  if (in.seen.primary.ready > 0) {
    const bool routed = co_await route({100, 0});
    if (!routed) co_return;
  }
  const bool saved = co_await save(
      sync(Phase::progressing),
      {event(fmt::format("New revision detected! Restarting analysis for {}", spec().target_dotted()),
             phase()),
       Alert{Alert::Severity::info, "New revision detected, restarting canary analysis.", true}});
  if (!saved) co_return;
  forget_run();
  wake_at(now);
}

void Turn::Machine::forget_run() {
  stop_waiting();
  in.memory.judged.reset();
  in.memory.unknown_since.reset();
  in.memory.shared_since.reset();
  in.memory.route_refused.reset();
  in.memory.growing.reset();
  in.memory.rolling_back = false;
  in.memory.foreign_routes = 0;
  in.memory.closed_gate.clear();
  in.memory.idle_told = false;
}

/// The target is back at the promoted revision: what was analysed is gone, and there is nothing to promote.
Plan<> Turn::Machine::cancel() {
  if (in.seen.primary.ready > 0) {
    const bool routed = co_await route({100, 0});
    if (!routed) co_return;
    co_await ask(Drain{});
    const bool parked = co_await park_target();
    if (!parked) co_return;
  }
  const bool saved = co_await save(
      sync(Phase::succeeded),
      {event(fmt::format("Promoted revision restored! Cancelling analysis for {}", spec().target_dotted()),
             Phase::succeeded)});
  if (saved) forget_run();
}

/// Traffic leaves a target whose pods are gone; the run starts over when they are back. False: it could not.
Plan<bool> Turn::Machine::leave_stranded(std::string why) {
  const bool has_traffic = in.seen.routes && in.seen.routes->canary > 0;
  const bool stranded = in.seen.target.ready == 0 || in.seen.target.replicas == 0;
  if (!stranded || !has_traffic || in.seen.primary.ready == 0) co_return true;
  const bool routed = co_await route({100, 0});
  if (!routed) co_return false;
  Status next = status();
  next.canary_weight = 0;
  next.iterations = 0;
  if (next.phase == Phase::waiting_promotion) next.phase = Phase::progressing;  // every gate asks again
  in.memory.judged.reset();
  co_return co_await save(
      next, {alarm(fmt::format("{}: no ready pods, routing all traffic to primary", why), phase())});
}

Plan<bool> Turn::Machine::workloads_ready() {
  // A primary that is broken for good does not keep out the revision that may mend it.
  const Readiness stable = check_primary();
  if (!stable.ready && !stable.for_good) {
    co_await wait_for(in.memory.primary, stable, primary_not_ready(stable));
    co_return false;
  }
  const Readiness fresh = check_canary();
  if (fresh.ready) co_return true;
  const std::string text = canary_not_ready(fresh);
  const bool routed = co_await leave_stranded(text);
  if (!routed) co_return false;
  const bool hopeless = co_await wait_for(in.memory.canary, fresh, text);
  if (hopeless) co_await rollback(fmt::format("progress deadline exceeded {}", text));
  co_return false;
}

Plan<bool> Turn::Machine::wants_rollback() {
  for (const Webhook& hook : spec().hooks(HookType::rollback)) {
    const Done answer = co_await ask(CallHook{hook, phase(), status()});
    if (answer) {
      co_await warning(fmt::format("Rollback check {} passed", hook.name), phase());
      co_return true;
    }
    co_await normal(fmt::format("Rollback hook {} not signaling a rollback", hook.name), phase());
  }
  co_return false;
}

/// The hooks and checks of this interval (spec 01 step 25). False: what failed is announced and counted.
Plan<bool> Turn::Machine::judged_good() {
  if (at_start()) {
    co_await normal(fmt::format("Starting canary analysis for {}", spec().target_dotted()), phase());
    const std::optional<HookFailure> failed =
        co_await call_hooks(HookType::pre_rollout, Phase::progressing, "Pre-rollout");
    if (failed) {
      co_await failed_check(fmt::format("Halt {} advancement pre-rollout check {} failed {}", spec().dotted(),
                                        failed->hook.name, failed->text));
    }
    co_return !failed;
  }
  const std::optional<HookFailure> failed = co_await call_hooks(HookType::rollout, Phase::progressing, "");
  if (failed) {
    co_await failed_check(fmt::format("Halt {} advancement external check {} failed {}", spec().dotted(),
                                      failed->hook.name, failed->text));
    co_return false;
  }
  const CheckReply checks = co_await ask(EvaluateMetrics{});
  in.status.checks = checks.results;
  co_await tell_missing_traffic(checks);
  const auto lasts = [&](bool state, std::optional<base::MonoTime>& since, base::Duration grace) {
    since = state ? std::optional(since.value_or(now)) : std::nullopt;
    return since && now < *since + grace;
  };
  const bool unknown = lasts(checks.unknown, in.memory.unknown_since, in.settings.unknown_grace);
  const bool shared = lasts(checks.shared, in.memory.shared_since, in.settings.shared_grace);
  if (checks.passed) co_return true;
  const std::string last = checks.texts.empty() ? "metric check failed" : checks.texts.back();
  for (std::size_t i = 0; i + 1 < checks.texts.size(); ++i) co_await warning(checks.texts[i], phase());
  if (unknown || shared) {
    co_await warning(last, phase());
    in.memory.judged = now;
    wake_at(now + spec().interval);
    co_await save(status());
  } else {
    co_await failed_check(last);
  }
  co_return false;
}

/// A canary without requests is told so once a run, with the remedy: its checks alone would not say it.
Plan<> Turn::Machine::tell_missing_traffic(CheckReply checks) {
  for (const CheckResult& check : checks.results) {
    const bool idle = check.requests && *check.requests == 0;
    if (!idle || in.memory.idle_told) continue;
    in.memory.idle_told = true;
    co_await warning(check.text, phase());
  }
}

Plan<> Turn::Machine::failed_check(std::string text) {
  Status next = status();
  ++next.failed_checks;
  const bool saved = co_await save(next, {alarm(std::move(text), phase())});
  if (!saved) co_return;
  in.memory.judged = now;
  if (next.failed_checks >= spec().threshold) {
    co_await rollback(fmt::format("failed checks threshold reached {}", next.failed_checks));
    co_return;
  }
  wake_at(now + spec().interval);
}

/// The gate before more traffic; false: it is closed, and that has been announced once.
Plan<bool> Turn::Machine::traffic_increase_confirmed() {
  const std::optional<HookFailure> closed =
      co_await call_hooks(HookType::confirm_traffic_increase, phase(), "Confirm-traffic-increase");
  if (!closed) {
    in.memory.closed_gate.clear();
    co_return true;
  }
  in.memory.judged = now;
  wake_at(now + spec().interval);
  if (std::exchange(in.memory.closed_gate, closed->hook.name) == closed->hook.name) co_return false;
  co_await warning(fmt::format("Halt {} advancement waiting for traffic increase approval {}",
                               spec().dotted(), closed->hook.name),
                   phase());
  if (!closed->hook.mute_alert)
    co_await ask(Alert{Alert::Severity::warn, "Canary traffic increase is waiting for approval."});
  co_return false;
}

Plan<> Turn::Machine::step() {
  const bool mirrored = in.seen.routes && in.seen.routes->mirrored;
  const Step next = next_step(spec(), in.seen.capabilities, status(), mirrored);
  if (spec().strategy() == Strategy::canary && !mirrored && phase() == Phase::progressing) {
    const bool confirmed = co_await traffic_increase_confirmed();
    if (!confirmed) co_return;
  }
  if (next.kind == Step::Kind::all_canary ||
      (next.kind == Step::Kind::promote && !promotion_was_confirmed())) {
    const bool confirmed = co_await promotion_confirmed();
    if (!confirmed) co_return;
  }
  // Hooks and queries took their time: nothing moves for a revision that is no longer there.
  const bool unchanged = co_await revision_unchanged();
  if (!unchanged) co_return;
  const bool as_recorded = co_await routes_as_recorded();
  if (!as_recorded) co_return;
  if (next.kind == Step::Kind::promote) {
    co_await promote();
  } else if (in.seen.target.ready == 0) {
    wake_at(now);
  } else {
    co_await carry_out(next);
  }
}

/// Routes first, then the record, then the word.
Plan<> Turn::Machine::carry_out(Step next) {
  if (at_start()) {
    for (const std::string& text : adjustments) co_await warning(text, phase());
  }
  Status moved = status();
  if (next.kind == Step::Kind::weight) moved.canary_weight = next.value;
  if (next.kind == Step::Kind::iteration) moved.iterations = next.value;
  if (next.kind == Step::Kind::all_canary) moved.iterations = spec().iterations + 1;
  const bool was_mirrored = in.seen.routes && in.seen.routes->mirrored;
  const bool mirrored = next.kind == Step::Kind::mirror;
  std::string text;
  switch (next.kind) {
    case Step::Kind::weight:
    case Step::Kind::mirror:
      text = fmt::format("Advance {} canary weight {}", spec().dotted(), next.value);
      break;
    case Step::Kind::iteration:
      text = fmt::format("Advance {} canary iteration {}/{}", spec().dotted(), next.value, spec().iterations);
      break;
    case Step::Kind::all_canary:
      text = was_mirrored ? "Stop traffic mirroring and route all traffic to canary"
                          : "Routing all traffic to canary";
      break;
    case Step::Kind::promote:
      break;
  }
  const bool routed = co_await route(routes_for(spec(), in.seen.capabilities, moved, mirrored));
  if (!routed) {
    co_await route_refused();
    co_return;
  }
  in.memory.route_refused.reset();
  moved.affinity = status().affinity;
  moved.rolling_back.clear();  // what stood in the way of a rollback has let the run recover
  in.memory.rolling_back = false;
  const bool saved = co_await save(moved, {event(std::move(text), phase())});
  if (!saved) co_return;
  in.memory.judged = now;
  wake_at(now + spec().interval);
}

}  // namespace serin::canary
