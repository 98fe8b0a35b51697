#include <fmt/format.h>

#include "canary/machine_impl.h"

namespace serin::canary {

// --- at rest

Plan<> Turn::Machine::idle() {
  if (phase() == Phase::failed && status().canary_weight > 0) {
    co_await heal();
    co_return;
  }
  if (!in.seen.config_problem.empty()) {
    co_await report(in.seen.config_problem);
    co_return;
  }
  if (is_new()) {
    co_await start();
    co_return;
  }
  if (phase() == Phase::waiting && in.seen.target.revision == status().last_promoted) {
    Status next = sync(Phase::succeeded);
    const bool saved = co_await save(next);
    if (!saved) co_return;
  }
  if (phase() == Phase::waiting) {
    co_await start();
    co_return;
  }
  if (phase() == Phase::failed && in.seen.target.revision == status().last_promoted &&
      status().last_applied != status().last_promoted) {
    // Back at the promoted revision: nothing to do, but the failed one counts as new if it comes again.
    Status next = status();
    next.last_applied = status().last_promoted;
    const bool saved = co_await save(next);
    if (!saved) co_return;
  }
  co_await tidy();
}

/// At rest all traffic is on the primary and the target has no pods, whoever scaled it up meanwhile.
Plan<> Turn::Machine::tidy() {
  if (in.seen.routes && in.seen.routes->canary > 0) {
    if (in.seen.primary.ready == 0) co_return;
    const bool routed = co_await route({100, 0});
    if (!routed) co_return;
    co_await ask(Drain{});
  }
  if (in.seen.target.replicas == 0 || in.seen.primary.ready == 0) co_return;
  co_await ask(Note{fmt::format("Scaling down {} {}: it was scaled up outside of a rollout",
                                spec().target_kind, spec().target_dotted())});
  const Done scaled = co_await ask(ScaleTarget{ScaleTarget::To::zero});
  if (!scaled) co_await report(scaled.error().message);
}

Plan<> Turn::Machine::start() {
  if (in.seen.primary.replicas == 0) {
    co_await report(
        fmt::format("halt {} advancement: primary deployment is scaled to zero", spec().dotted()));
    co_return;
  }
  const std::string revision = in.seen.target.revision;
  const std::optional<HookFailure> closed =
      co_await call_hooks(HookType::confirm_rollout, phase(), "Confirm-rollout");
  if (closed) {
    wake_at(now + spec().interval);
    if (phase() == Phase::waiting) co_return;
    Status next = status();
    next.phase = Phase::waiting;
    const bool saved = co_await save(next);
    if (!saved) co_return;
    co_await warning(
        fmt::format("Halt {} advancement waiting for approval {}", spec().dotted(), closed->hook.name),
        Phase::waiting);
    co_return;
  }
  co_await look();
  if (in.seen.target.revision != revision) {
    wake_at(now);
    co_return;
  }
  // Recorded together with what it starts: a crash from here on is taken up by analyse().
  const bool saved = co_await save(sync(Phase::progressing));
  if (!saved) co_return;
  co_await normal(fmt::format("New revision detected! Scaling up {}", spec().target_dotted()),
                  Phase::progressing);
  in.memory.judged.reset();
  stop_waiting();
  const Done scaled = co_await ask(ScaleTarget{ScaleTarget::To::from_zero});
  if (!scaled) co_await report(scaled.error().message);
}

// --- a run

Plan<> Turn::Machine::analyse() {
  if (in.seen.config_problem.empty()) {
    const bool reverted =
        in.seen.target.revision == status().last_promoted && in.seen.target.revision != status().last_applied;
    if (reverted) {
      co_await cancel();
      co_return;
    }
    if (is_new()) {
      co_await restart();
      co_return;
    }
  }
  if (in.seen.target.replicas == 0) {
    const Done scaled = co_await ask(ScaleTarget{ScaleTarget::To::from_zero});
    if (!scaled) co_await report(scaled.error().message);
    co_return;
  }
  const bool ready = co_await workloads_ready();
  if (!ready) co_return;
  if (spec().skip_analysis) {
    co_await skip_to_promotion();
    co_return;
  }
  if (status().failed_checks >= spec().threshold) {
    co_await rollback(fmt::format("failed checks threshold reached {}", status().failed_checks));
    co_return;
  }
  // The recorded weight is the one that was announced and is being judged: a route that says otherwise (a
  // crash between the two writes, another writer) is put right and serves an interval before it is judged.
  const int weight = status().canary_weight;
  if (in.seen.routes != Routes{100 - weight, weight}) {
    const bool routed = co_await route({100 - weight, weight});
    if (!routed) co_return;
    in.memory.judged = now;
  }
  if (!in.memory.judged && (weight > 0 || status().failed_checks > 0)) in.memory.judged = now;
  if (in.memory.judged && now < *in.memory.judged + spec().interval) {
    wake_at(*in.memory.judged + spec().interval);
    co_return;
  }
  const bool asked_back = co_await wants_rollback();
  if (asked_back) {
    co_await warning(fmt::format("Rolling back {} manual webhook invoked", spec().dotted()), phase());
    co_await rollback("");
    co_return;
  }
  const bool good = co_await judged_good();
  if (good) co_await step();
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
  const bool saved = co_await save(sync(Phase::progressing));
  if (!saved) co_return;
  co_await normal(fmt::format("New revision detected! Restarting analysis for {}", spec().target_dotted()),
                  Phase::progressing);
  in.memory.judged.reset();
  stop_waiting();
  wake_at(now);
}

/// The target is back at the promoted revision: what was analysed is gone, and there is nothing to promote.
Plan<> Turn::Machine::cancel() {
  if (in.seen.primary.ready > 0) {
    const bool routed = co_await route({100, 0});
    if (!routed) co_return;
    co_await normal(
        fmt::format("Promoted revision restored! Cancelling analysis for {}", spec().target_dotted()),
        phase());
    co_await ask(Drain{});
    const Done scaled = co_await ask(ScaleTarget{ScaleTarget::To::zero});
    if (!scaled) {
      co_await report(scaled.error().message);
      co_return;
    }
  }
  const bool saved = co_await save(sync(Phase::succeeded));
  if (saved) stop_waiting();
}

Plan<bool> Turn::Machine::workloads_ready() {
  // A primary that is broken for good does not keep out the revision that may mend it.
  const Readiness stable = check_primary();
  if (!stable.ready && !stable.for_good) {
    co_await wait_for(in.memory.primary, stable,
                      fmt::format("{} not ready: {}", spec().primary_dotted(), stable.text));
    co_return false;
  }
  const Readiness fresh = check_canary();
  if (fresh.ready) co_return true;
  const std::string text =
      fmt::format("canary deployment {} not ready: {}", spec().target_dotted(), fresh.text);
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
  if (status().canary_weight == 0 && status().iterations == 0) {
    co_await normal(fmt::format("Starting canary analysis for {}", spec().target_dotted()), phase());
    const std::optional<HookFailure> failed =
        co_await call_hooks(HookType::pre_rollout, phase(), "Pre-rollout");
    if (failed) {
      co_await failed_check(fmt::format("Halt {} advancement pre-rollout check {} failed {}", spec().dotted(),
                                        failed->hook.name, failed->text));
    }
    co_return !failed;
  }
  const std::optional<HookFailure> failed = co_await call_hooks(HookType::rollout, phase(), "");
  if (failed) {
    co_await failed_check(fmt::format("Halt {} advancement external check {} failed {}", spec().dotted(),
                                      failed->hook.name, failed->text));
    co_return false;
  }
  const CheckReply checks = co_await ask(EvaluateMetrics{});
  if (checks.passed) co_return true;
  for (std::size_t i = 0; i + 1 < checks.texts.size(); ++i) co_await warning(checks.texts[i], phase());
  co_await failed_check(checks.texts.empty() ? "metric check failed" : checks.texts.back());
  co_return false;
}

Plan<> Turn::Machine::failed_check(std::string text) {
  co_await warning(text, phase());
  in.memory.judged = now;
  Status next = status();
  ++next.failed_checks;
  const bool saved = co_await save(next);
  if (!saved) co_return;
  if (next.failed_checks >= spec().threshold) {
    co_await rollback(fmt::format("failed checks threshold reached {}", next.failed_checks));
    co_return;
  }
  wake_at(now + spec().interval);
}

Plan<> Turn::Machine::step() {
  const int weight = status().canary_weight;
  const int next = next_weight(spec(), weight);
  if (phase() == Phase::progressing) {
    const std::optional<HookFailure> closed =
        co_await call_hooks(HookType::confirm_traffic_increase, phase(), "Confirm-traffic-increase");
    if (closed) {
      in.memory.judged = now;
      wake_at(now + spec().interval);
      co_await warning(fmt::format("Halt {} advancement waiting for traffic increase approval {}",
                                   spec().dotted(), closed->hook.name),
                       phase());
      co_return;
    }
  }
  // Hooks and queries took their time: nothing moves for a revision that is no longer there.
  const bool unchanged = co_await revision_unchanged();
  if (!unchanged) co_return;
  if (next == weight) {
    co_await promote();
    co_return;
  }
  if (in.seen.target.ready == 0) {
    wake_at(now);
    co_return;
  }
  const bool routed = co_await route({100 - next, next});
  if (!routed) co_return;
  Status moved = status();
  moved.canary_weight = next;
  const bool saved = co_await save(moved);
  if (!saved) co_return;
  co_await normal(fmt::format("Advance {} canary weight {}", spec().dotted(), next), phase());
  in.memory.judged = now;
  wake_at(now + spec().interval);
}

/// Traffic first, then everything else. `reason` is announced unless it is empty.
Plan<> Turn::Machine::rollback(std::string reason) {
  if (!reason.empty()) co_await warning(fmt::format("Rolling back {} {}", spec().dotted(), reason), phase());
  if (in.seen.primary.ready == 0 && in.seen.target.ready > 0) {
    // Nobody would answer: the canary, bad as it is, serves until the primary does.
    co_await report(
        fmt::format("Rollback of {} waits: {} has no ready pods", spec().dotted(), spec().primary_dotted()));
    co_return;
  }
  const bool routed = co_await route({100, 0});
  if (!routed) co_return;
  const Phase before = phase();
  if (status().canary_weight > 0) co_await ask(Drain{});
  co_await warning(fmt::format("Canary failed! Scaling down {}", spec().dotted()), Phase::failed);
  const Done scaled = co_await ask(ScaleTarget{ScaleTarget::To::zero});
  if (!scaled) {
    co_await report(scaled.error().message);
    co_return;
  }
  Status next = status();
  next.phase = Phase::failed;
  next.failed_checks = 0;
  next.canary_weight = 0;
  next.iterations = 0;
  const bool saved = co_await save(next);
  if (!saved) co_return;
  stop_waiting();
  co_await ask(CountOutcome{false, false});
  co_await post_rollout(Phase::failed, before);
  wake_at(now);
}

}  // namespace serin::canary
