#include <fmt/format.h>

#include "canary/machine_impl.h"

namespace serin::canary {

/// The primary workload is there; made from the target's present revision if not.
Plan<bool> Turn::Machine::primary_exists() {
  if (in.seen.primary.exists) co_return true;
  const std::string revision = in.seen.target.revision;
  if (phase() != Phase::initializing) {
    const bool promoted = revision == status().last_promoted;
    co_await warning(
        fmt::format("{} is gone, making it anew from {}{}", spec().primary_dotted(), spec().target_dotted(),
                    promoted ? "" : ", whose revision has not been promoted"),
        phase());
  }
  const Done made = co_await ask(EnsurePrimary{revision, promotion_id(spec(), revision, in.seen.configs)});
  if (!made) {
    co_await report(made.error().message);
    co_return false;
  }
  co_await look();
  co_return true;
}

/// What sends traffic to the primary: its autoscaler, the apex Service and the mesh object.
Plan<bool> Turn::Machine::primary_serves() {
  const Done scaler = co_await ask(EnsurePrimaryScaler{});
  if (!scaler) {
    co_await report(scaler.error().message);
    co_return false;
  }
  ApexReply apex = co_await ask(EnsureApex{});
  if (!apex.done) {
    co_await report(apex.done.error().message);
    co_return false;
  }
  const Done mesh = co_await ask(EnsureRoute{});
  if (!mesh) {
    co_await report(mesh.error().message);
    co_return false;
  }
  if (apex.took_over) co_await ask(Drain{});
  co_return true;
}

Plan<> Turn::Machine::bootstrap() {
  if (!spec().skip_analysis && !in.memory.providers_online) {
    const Done online = co_await ask(CheckProviders{});
    in.memory.providers_online = online.has_value();
    if (online) {
      co_await normal("all the metrics providers are available!", phase());
    } else {
      const std::string text = fmt::format("Error checking metric providers: {}", online.error().message);
      if (std::exchange(in.memory.problem, text) != text) {
        co_await ask(Announce{Announce::Kind::error, text, phase()});
      }
      wake_at(now + spec().interval);
    }
  }
  if (!in.seen.config_problem.empty()) {
    co_await report(in.seen.config_problem);
    co_return;
  }
  // The revision is recorded before the primary is made from it: an edit in between is then a new revision.
  const bool recorded =
      status().last_applied == in.seen.target.revision && status().tracked_configs == in.seen.configs;
  if (!in.seen.primary.exists && !recorded) {
    const bool saved = co_await save(sync(Phase::initializing));
    if (!saved) co_return;
  }
  const bool made = co_await primary_exists();
  if (!made) co_return;

  const Readiness state = check_primary();
  if (!state.ready) {
    // Nothing is routed to it yet, so a corrected target may still replace what cannot start.
    const std::string id = promotion_id(spec(), in.seen.target.revision, in.seen.configs);
    if (in.seen.primary_id != id) {
      const bool saved = co_await save(sync(Phase::initializing));
      if (!saved) co_return;
      const Done copied = co_await ask(Promote{in.seen.target.revision, id});
      if (!copied) co_await report(copied.error().message);
      co_return;
    }
    co_await wait_for(in.memory.primary, state, primary_not_ready(state));
    co_return;
  }
  stop_waiting();

  const bool serves = co_await primary_serves();
  if (!serves) co_return;
  co_await ask(Note{fmt::format("Scaling down {} {}", spec().target_kind, spec().target_dotted())});
  const Done scaled = co_await ask(ScaleTarget{ScaleTarget::To::zero});
  if (!scaled) {
    co_await report(fmt::format("scaling down canary {} {} failed: {}", spec().target_kind,
                                spec().target_dotted(), scaled.error().message));
    co_return;
  }
  // A primary that was found, made from we don't know what, is no judged revision: then nothing is recorded,
  // and the target's revision is analysed like any other.
  Status next = status();
  next.phase = Phase::initialized;
  const bool known =
      in.seen.primary_id == promotion_id(spec(), status().last_applied, status().tracked_configs);
  if (!known) next.last_applied.clear();
  next.last_promoted = next.last_applied;
  const bool saved = co_await save(
      next, {event(fmt::format("Initialization done! {}", spec().dotted()), Phase::initialized),
             Alert{Alert::Severity::info,
                   fmt::format("New {} detected, initialization completed.", spec().target_kind), true}});
  if (saved) wake_at(now);
}

}  // namespace serin::canary
