#include <fmt/format.h>

#include "canary/machine_impl.h"

namespace serin::canary {

/// Whether something waits for somebody's approval now.
bool Turn::Machine::is_gated() const {
  if (phase() == Phase::waiting || phase() == Phase::waiting_promotion) return true;
  return phase() == Phase::progressing && !spec().hooks(HookType::confirm_traffic_increase).empty();
}

/// Carries out what somebody asks of the canary. True: the turn is over. What needs ready workloads is kept
/// until they are.
Plan<bool> Turn::Machine::obey() {
  if (!in.command.verb) co_return false;
  const bool promotable = runs_analysis() || phase() == Phase::waiting;
  switch (*in.command.verb) {
    case Command::Verb::rollback:
      co_await obey_rollback();
      co_return true;
    case Command::Verb::restart:
      co_await obey_restart();
      co_return true;
    case Command::Verb::approve:
      approved = is_gated();
      break;
    case Command::Verb::promote:
      approved = promotable;
      break;
  }
  if (approved) co_return false;
  co_await obeyed(fmt::format("Nothing to {} for {}", name_of(*in.command.verb), spec().dotted()));
  co_return true;
}

/// What follows carries the command out; the step's record tells so, who gave it and why.
void Turn::Machine::obey_with_next_step(std::string text) {
  obeying = event(text + in.command.by, phase());
}

/// Says why nothing comes of the command, and takes it off the Canary.
Plan<> Turn::Machine::obeyed(std::string text) {
  co_await normal(text + in.command.by, phase());
  co_await ask(ClearCommand{});
  wake_at(now);
}

/// Cleared last: whoever takes over after a crash goes on with it.
Plan<> Turn::Machine::obey_rollback() {
  if (runs_analysis()) {
    co_await rollback(fmt::format("asked for{}", in.command.by));
  } else if (phase() == Phase::promoting || phase() == Phase::finalising) {
    co_await undo_promotion(
        {alarm(fmt::format("Rolling back {} asked for{}", spec().dotted(), in.command.by), phase()),
         Alert{Alert::Severity::warn, fmt::format("Rolling back asked for{}", in.command.by)}});
  } else {
    co_await obeyed(fmt::format("Nothing to rollback for {}", spec().dotted()));
    co_return;
  }
  if (phase() == Phase::failed) co_await ask(ClearCommand{});
}

/// A run starts anew; a revision that has failed gets another one.
Plan<> Turn::Machine::obey_restart() {
  const bool failed = phase() == Phase::failed && status().canary_weight == 0 &&
                      in.seen.target.revision != status().last_promoted;
  if (!runs_analysis() && !failed) {
    co_await obeyed(fmt::format("Nothing to restart for {}", spec().dotted()));
    co_return;
  }
  obey_with_next_step(fmt::format("Restarting {} asked for", spec().dotted()));
  if (failed) {
    co_await start();
  } else {
    co_await restart();
  }
}

}  // namespace serin::canary
