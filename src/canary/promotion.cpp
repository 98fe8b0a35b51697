#include <fmt/format.h>

#include "canary/machine_impl.h"

namespace serin::canary {

/// The gate before a promotion; false: it is closed, and that is announced once.
Plan<bool> Turn::Machine::promotion_confirmed() {
  const std::optional<HookFailure> closed =
      co_await call_hooks(HookType::confirm_promotion, Phase::progressing, "Confirm-promotion");
  if (!closed) co_return true;
  in.memory.judged = now;
  wake_at(now + spec().interval);
  if (phase() == Phase::waiting_promotion) co_return false;
  const Phase before = phase();
  Status next = status();
  next.phase = Phase::waiting_promotion;
  std::vector<Message> messages = {alarm(fmt::format("Halt {} advancement waiting for promotion approval {}",
                                                     spec().dotted(), closed->hook.name),
                                         before)};
  if (!closed->hook.mute_alert)
    messages.push_back(Alert{Alert::Severity::warn, "Canary promotion is waiting for approval."});
  co_await save(next, std::move(messages));
  co_return false;
}

/// Blue/green asks before it routes everything to the canary, and not again.
bool Turn::Machine::promotion_was_confirmed() const {
  return spec().strategy() == Strategy::blue_green && in.seen.routes == Routes{0, 100};
}

/// The canary has earned it, or nobody wants it judged.
Plan<> Turn::Machine::promote() {
  const Phase before = phase();
  // Written first: whoever takes over from here finishes the promotion, and does it once (see promoted_copy).
  Status next = status();
  next.phase = Phase::promoting;
  const bool saved = co_await save(
      next,
      {event(fmt::format("Copying {} template spec to {}", spec().target_dotted(), spec().primary_dotted()),
             before)});
  if (!saved) co_return;
  forget_run();
  const bool copied = co_await promoted_copy();
  if (copied) wake_at(now);
}

/// The primary carries the analysed revision. False: it could not be copied, or is no longer there to copy.
Plan<bool> Turn::Machine::promoted_copy() {
  const std::string id = promotion_id(spec(), status().last_applied, status().tracked_configs);
  if (in.seen.primary_id == id) co_return true;
  if (in.seen.target.revision != status().last_applied || is_new()) {
    // The analysed template was overwritten before it could be copied. The primary is untouched: analyse
    // anew.
    co_await restart();
    co_return false;
  }
  const Done copied = co_await ask(Promote{status().last_applied, id});
  if (!copied) {
    if (copied.error().code == base::Errc::conflict) {
      retry();
    } else {
      co_await report(copied.error().message);
    }
    co_return false;
  }
  co_return true;
}

Plan<> Turn::Machine::promoting() {
  const bool copied = co_await promoted_copy();
  if (!copied) co_return;
  co_await look();
  if (is_new() && in.seen.primary.ready > 0) {
    // The target's pods are turning into a revision that nobody has analysed: no traffic for them.
    const bool routed = co_await route({100, 0});
    if (!routed) co_return;
  } else if (!is_new()) {
    const bool served = co_await canary_serves_for_primary();
    if (!served) co_return;
  }
  const bool wanted = co_await primary_wants_pods();
  if (!wanted) co_return;
  const Readiness state = check_primary();
  if (!state.ready) {
    const std::string text = primary_not_ready(state);
    const bool hopeless = co_await wait_for(in.memory.primary, state, text);
    if (hopeless) co_await failed_promotion(text);
    co_return;
  }
  stop_waiting();
  const Done scaler = co_await ask(EnsurePrimaryScaler{true});
  if (!scaler) {
    co_await report(scaler.error().message);
    co_return;
  }
  const bool by_weight = spec().strategy() != Strategy::ab_testing && !spec().skip_analysis && !is_new();
  if (spec().step_weight_promotion > 0 && by_weight && weight_left() > 0) {
    co_await step_back();
    co_return;
  }
  const bool routed = co_await route({100, 0});
  if (!routed) co_return;
  std::vector<Message> messages;
  if (in.seen.capabilities.shifts && !spec().skip_analysis)
    messages.push_back(event("Routing all traffic to primary", phase()));
  Status next = status();
  next.phase = Phase::finalising;
  next.canary_weight = 0;
  next.iterations = 0;
  const bool saved = co_await save(next, std::move(messages));
  if (saved) wake_at(now);
}

/// A primary that was scaled to zero when it is needed is scaled up. False: it has to be waited for.
Plan<bool> Turn::Machine::primary_wants_pods() {
  const WorkloadView& primary = in.seen.primary;
  const bool is_off =
      primary.exists && primary.replicas == 0 && primary.kind == WorkloadView::Kind::deployment;
  if (!is_off) co_return true;
  const Done grown = co_await ask(GrowPrimary{std::max(1, in.seen.target.replicas)});
  if (grown) {
    retry();
  } else {
    co_await report(grown.error().message);
  }
  co_return false;
}

/// A primary without pods gets no traffic while the canary's pods can take it. False: that could not be done.
Plan<bool> Turn::Machine::canary_serves_for_primary() {
  const bool stranded = in.seen.primary.ready == 0 && in.seen.target.ready > 0 && in.seen.capabilities.shifts;
  if (!stranded || in.seen.routes == Routes{0, 100}) co_return true;
  const bool routed = co_await route({0, 100});
  if (!routed) co_return false;
  Status next = status();
  next.phase = Phase::promoting;
  next.canary_weight = 100;
  co_return co_await save(next,
                          {alarm(fmt::format("{} not ready: no ready pods, routing all traffic to canary",
                                             spec().primary_dotted()),
                                 phase())});
}

/// The canary's weight while it is taken back. The record counts: a route that is ahead of it (a crash
/// between the two writes) is a step that nobody has been told of.
int Turn::Machine::weight_left() const {
  return std::max(status().canary_weight, in.seen.routes ? in.seen.routes->canary : 0);
}

/// One step of stepWeightPromotion: an interval each (spec 01 §7.1).
Plan<> Turn::Machine::step_back() {
  if (in.memory.judged && now < *in.memory.judged + spec().interval) {
    wake_at(*in.memory.judged + spec().interval);
    co_return;
  }
  const int canary = std::max(0, weight_left() - spec().step_weight_promotion);
  const bool routed = co_await route({100 - canary, canary});
  if (!routed) co_return;
  in.memory.judged = now;
  Status next = status();
  next.canary_weight = canary;
  if (canary == 0) next.phase = Phase::finalising;
  const bool saved = co_await save(
      next,
      {event(fmt::format("Advance {} primary weight {}", spec().dotted(), 100 - canary), Phase::promoting)});
  if (!saved) co_return;
  wake_at(canary == 0 ? now : now + spec().interval);
}

Plan<> Turn::Machine::finalising() {
  const bool stranded = in.seen.primary.ready == 0 && in.seen.target.ready > 0 && in.seen.capabilities.shifts;
  if (stranded) {
    // It broke just after it got the traffic: back to the pods that serve, and wait for it again.
    co_await canary_serves_for_primary();
    co_return;
  }
  const bool routed = co_await route({100, 0});
  if (!routed) co_return;
  co_await ask(Drain{});
  const bool parked = co_await park_target();
  if (!parked) co_return;
  Status next = status();
  next.phase = Phase::succeeded;
  next.canary_weight = 0;
  next.iterations = 0;
  next.last_promoted = next.last_applied;
  const bool has_hooks = !spec().hooks(HookType::post_rollout).empty();
  const bool ended = co_await end_run(next, has_hooks ? std::vector<Message>() : success());
  if (!ended) co_return;
  co_await ask(ForgetEarlierConfigs{});
  co_await conclude(Phase::succeeded);
  wake_at(now);
}

/// How a promotion's success is announced.
std::vector<Message> Turn::Machine::success() const {
  const bool skipped = spec().skip_analysis;
  return {
      event(fmt::format("Promotion completed! {} {}",
                        skipped ? "Canary analysis was skipped for" : "Scaling down", spec().target_dotted()),
            Phase::succeeded),
      Alert{Alert::Severity::info, skipped ? "Canary analysis was skipped, promotion finished."
                                           : "Canary analysis completed successfully, promotion finished."}};
}

/// The primary cannot start with what was analysed: the canary keeps all traffic, the primary goes back.
Plan<> Turn::Machine::failed_promotion(std::string reason) {
  co_await undo_promotion(
      {alarm(fmt::format("Promotion of {} failed, primary not ready: {}", spec().target_dotted(), reason),
             phase()),
       Alert{Alert::Severity::error, fmt::format("Promotion failed, primary not ready: {}", reason)}});
}

/// The canary serves while the primary gets its previous template back: see heal().
Plan<> Turn::Machine::undo_promotion(std::vector<Message> messages) {
  if (in.seen.target.ready > 0) {
    const bool routed = co_await route({0, 100});
    if (!routed) co_return;
  }
  const Phase before = phase();
  Status next = status();
  next.phase = Phase::failed;
  next.failed_checks = 0;
  next.canary_weight = 100;
  next.iterations = 0;
  const bool ended = co_await end_run(next, std::move(messages));
  if (!ended) co_return;
  stop_waiting();
  co_await conclude(before);
  wake_at(now);
}

/// The primary cannot start, neither with what was promoted nor with what it ran before: what has been pushed
/// since, and gets all traffic anyway, takes its place.
Plan<> Turn::Machine::replace_lost_primary(std::string why) {
  Status next = sync(Phase::promoting);
  next.canary_weight = 100;
  const bool saved =
      co_await save(next, {alarm(fmt::format("{} {}: promoting {} without analysis", spec().primary_dotted(),
                                             why, spec().target_dotted()),
                                 Phase::promoting)});
  if (!saved) co_return;
  forget_run();
  wake_at(now);
}

/// After a failed promotion: the primary gets its previous template back and, once it serves, the traffic.
Plan<> Turn::Machine::heal() {
  const std::string failed_id = promotion_id(spec(), status().last_applied, status().tracked_configs);
  if (in.seen.primary_id == failed_id) {
    const Done restored = co_await ask(RestorePrimary{});
    if (!restored && restored.error().code == base::Errc::conflict) {
      retry();
      co_return;
    }
    if (!restored && restored.error().code == base::Errc::not_found && is_new()) {
      co_await replace_lost_primary("has no earlier template to go back to");
      co_return;
    }
    if (!restored) {
      co_await report(restored.error().message);
      co_return;
    }
    co_await look();
  }
  const bool wanted = co_await primary_wants_pods();
  if (!wanted) co_return;
  const Readiness state = check_primary();
  if (!state.ready) {
    if (in.seen.target.ready > 0) {
      const bool kept = co_await route({0, 100});
      if (!kept) co_return;
    }
    const bool hopeless = co_await wait_for(in.memory.primary, state, primary_not_ready(state));
    if (hopeless && is_new()) co_await replace_lost_primary("cannot start with its earlier template either");
    co_return;
  }
  stop_waiting();
  const bool routed = co_await route({100, 0});
  if (!routed) co_return;
  co_await ask(Drain{});
  const bool parked = co_await park_target();
  if (!parked) co_return;
  std::vector<Message> messages;
  if (in.seen.capabilities.shifts) messages.push_back(event("Routing all traffic to primary", phase()));
  Status next = status();
  next.canary_weight = 0;
  const bool saved = co_await save(next, std::move(messages));
  if (!saved) co_return;
  co_await ask(ForgetEarlierConfigs{});
  wake_at(now);
}

}  // namespace serin::canary
