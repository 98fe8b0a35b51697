#include <fmt/format.h>

#include "canary/machine_impl.h"

namespace serin::canary {

/// Another controller has been here (spec 01 §5.1): its hashes say nothing to us, so contents decide. What
/// the primary carries has been promoted; what is being tried, or has failed, is what the target carries.
/// Taking a cluster over starts no run. False: it could not be recorded.
Plan<bool> Turn::Machine::adopt() {
  if (!in.seen.takeover || !in.seen.target.exists) co_return true;
  const bool at_rest = phase() == Phase::initialized || phase() == Phase::succeeded;
  const bool promoted = *in.seen.takeover;
  // At rest, and not what the primary carries: a revision that came while no controller was there.
  if (at_rest && !promoted) co_return true;
  Status next = status();
  next.last_applied = in.seen.target.revision;
  if (at_rest || phase() == Phase::failed) next.last_promoted = promoted ? in.seen.target.revision : "";
  co_await ask(Note{
      fmt::format("Taking over {} from another controller in phase {}", spec().dotted(), name_of(phase()))});
  co_return co_await save(next);
}

Plan<> Turn::Machine::idle() {
  co_await conclude(phase());
  if (status().outcome_pending) co_return;
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
  if (phase() == Phase::waiting && primary_carries_target()) {
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
  const bool has_pods = in.seen.target.kind != WorkloadView::Kind::service;
  if (!has_pods || in.seen.target.replicas == 0 || in.seen.primary.ready == 0) co_return;
  co_await ask(Note{fmt::format("Scaling down {} {}: it was scaled up outside of a rollout",
                                spec().target_kind, spec().target_dotted())});
  co_await park_target();
}

Plan<> Turn::Machine::start() {
  if (in.command.paused) co_return;
  if (in.seen.primary.replicas == 0) {
    co_await report(
        fmt::format("halt {} advancement: primary deployment is scaled to zero", spec().dotted()));
    co_return;
  }
  if (!in.no_room.empty()) {
    co_await report(fmt::format("halt {} advancement: {}", spec().dotted(), in.no_room));
    co_return;
  }
  const std::string revision = in.seen.target.revision;
  const std::optional<HookFailure> closed =
      co_await call_hooks(HookType::confirm_rollout, phase(), "Confirm-rollout");
  if (closed) {
    wake_at(now + spec().interval);
    if (phase() == Phase::waiting) co_return;
    const Phase before = phase();
    Status next = status();
    next.phase = Phase::waiting;
    std::vector<Message> messages = {
        alarm(fmt::format("Halt {} advancement waiting for approval {}", spec().dotted(), closed->hook.name),
              before)};
    if (!closed->hook.mute_alert)
      messages.push_back(Alert{Alert::Severity::warn, "Canary is waiting for approval."});
    co_await save(next, std::move(messages));
    co_return;
  }
  co_await look();
  if (in.seen.target.revision != revision) {
    wake_at(now);
    co_return;
  }
  // Recorded together with what it starts: a crash from here on is taken up by analyse().
  if (approved && in.command.verb == Command::Verb::approve)
    obey_with_next_step(fmt::format("Approved {}", spec().dotted()));
  const bool saved = co_await save(
      sync(Phase::progressing),
      {event(fmt::format("New revision detected! Scaling up {}", spec().target_dotted()), Phase::progressing),
       Alert{Alert::Severity::info, "New revision detected, progressing canary analysis.", true}});
  if (!saved) co_return;
  forget_run();
  const Done scaled = co_await ask(ScaleTarget{ScaleTarget::To::from_zero});
  if (!scaled) co_await report(scaled.error().message);
}

}  // namespace serin::canary
