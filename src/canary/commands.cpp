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
  co_await ask(ClearCommand{});
  co_await normal(
      fmt::format("Nothing to {} for {}{}", name_of(*in.command.verb), spec().dotted(), in.command.by),
      phase());
  co_return true;
}

/// Cleared last: whoever takes over after a crash goes on with it.
Plan<> Turn::Machine::obey_rollback() {
  const std::string reason = fmt::format("asked for{}", in.command.by);
  if (runs_analysis()) {
    co_await rollback(reason);
  } else if (phase() == Phase::promoting || phase() == Phase::finalising) {
    co_await failed_promotion(fmt::format("rollback {}", reason));
  } else {
    co_await normal(fmt::format("Nothing to rollback for {}{}", spec().dotted(), in.command.by), phase());
    co_await ask(ClearCommand{});
    co_return;
  }
  if (phase() == Phase::failed) co_await ask(ClearCommand{});
}

/// A run starts anew; a revision that has failed gets another one.
Plan<> Turn::Machine::obey_restart() {
  const bool failed = phase() == Phase::failed && status().canary_weight == 0 &&
                      in.seen.target.revision != status().last_promoted;
  if (runs_analysis()) {
    co_await normal(fmt::format("Restarting {} asked for{}", spec().dotted(), in.command.by), phase());
    co_await restart();
  } else if (failed) {
    co_await normal(fmt::format("Restarting {} asked for{}", spec().dotted(), in.command.by), phase());
    co_await start();
  } else {
    co_await normal(fmt::format("Nothing to restart for {}{}", spec().dotted(), in.command.by), phase());
  }
  co_await ask(ClearCommand{});
}

}  // namespace serin::canary
