#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "canary/machine.h"
#include "canary/plan.h"
#include "canary/strategy.h"

namespace serin::canary {

/// The state of one turn, and its parts: bootstrap.cpp, rest.cpp, rollout.cpp, promotion.cpp, rollback.cpp,
/// commands.cpp, termination.cpp.
class Turn::Machine {
 public:
  Machine(Input input, base::MonoTime now);

  Channel channel;
  Input in;
  std::vector<std::string> adjustments;  ///< what the provider cannot do of the spec
  bool approved = false;                 ///< gates count as open in this turn: somebody has said so
  std::optional<Message> obeying;        ///< what is told of the command that the next save() carries out
  base::MonoTime now;
  std::optional<base::MonoTime> wake;
  Plan<> root;

  /// Calls the handle that waits for a reply (or starts the turn), and rethrows a bug of the plan.
  void resume(std::coroutine_handle<> handle);

 private:
  // --- words for the parts
  template <class Asked>
  Ask<Asked> ask(Asked action) {
    return {channel, std::move(action)};
  }
  static Announce event(std::string text, Phase phase) {
    return {Announce::Kind::normal, std::move(text), phase};
  }
  static Announce alarm(std::string text, Phase phase) {
    return {Announce::Kind::warning, std::move(text), phase};
  }
  /// Told at once. What a status means is told with it instead, by save().
  Ask<Announce> normal(std::string text, Phase phase) { return ask(event(std::move(text), phase)); }
  Ask<Announce> warning(std::string text, Phase phase) { return ask(alarm(std::move(text), phase)); }
  [[nodiscard]] const Spec& spec() const { return in.spec; }
  [[nodiscard]] const Status& status() const { return in.status; }
  [[nodiscard]] Phase phase() const { return in.status.phase; }
  [[nodiscard]] bool is_new() const { return is_new_revision(in.status, in.seen); }
  [[nodiscard]] bool runs_analysis() const {
    return phase() == Phase::progressing || phase() == Phase::waiting_promotion;
  }
  /// Nothing has been tried of this run yet.
  [[nodiscard]] bool at_start() const {
    const bool mirrored = in.seen.routes && in.seen.routes->mirrored;
    return status().canary_weight == 0 && status().iterations == 0 && !mirrored;
  }
  void wake_at(base::MonoTime time) { wake = wake ? std::min(*wake, time) : time; }
  void retry() { wake_at(now + in.settings.retry); }

  /// Saves and tells; false if it failed, and the turn should end (it will be called again).
  Plan<bool> save(Status next, std::vector<Message> messages = {});
  /// The status at the start of a phase: no checks failed, no weight, the target's present revision.
  [[nodiscard]] Status sync(Phase phase) const;
  /// Announces a problem once, until it changes, and sees to another try.
  Plan<> report(std::string text);
  /// Notes that a thing is awaited; announces why when the reason changes. True if it is hopeless.
  Plan<bool> wait_for(Memory::Wait& wait, Readiness state, std::string text);
  /// Whether a workload may carry traffic: ready by its status, and with at least one available pod unless it
  /// is wanted at zero. Keeps the wait's clock, which only progress sets back.
  Readiness check(Memory::Wait& wait, const WorkloadView& workload, const std::string& name, int percent);
  [[nodiscard]] std::string primary_not_ready(const Readiness& state) const;
  [[nodiscard]] std::string canary_not_ready(const Readiness& state) const;
  Readiness check_primary();
  Readiness check_canary();
  void stop_waiting();
  Plan<> look();
  /// Sets the routes if they are not so already; false after reporting why not.
  Plan<bool> route(Routes routes);
  Plan<bool> remember_cookies(Routes routes);
  Plan<bool> park_target();
  /// Calls hooks of a type in order until one fails: its name and text; nullopt if all passed.
  struct HookFailure {
    Webhook hook;
    std::string text;
  };
  Plan<std::optional<HookFailure>> call_hooks(HookType type, Phase payload_phase, std::string passed);
  Plan<bool> end_run(Status next, std::vector<Message> messages);
  Plan<> conclude(Phase event_phase);

  // --- machine.cpp
  Plan<> turn();
  Plan<bool> upkeep();
  Plan<> act();
  // --- bootstrap.cpp
  Plan<> bootstrap();
  Plan<bool> primary_exists();
  Plan<bool> primary_serves();
  // --- commands.cpp
  Plan<bool> obey();
  void obey_with_next_step(std::string text);
  Plan<> obeyed(std::string text);
  Plan<> obey_rollback();
  Plan<> obey_restart();
  [[nodiscard]] bool is_gated() const;
  // --- rest.cpp
  Plan<bool> adopt();
  Plan<> idle();
  Plan<> tidy();
  Plan<> start();
  // --- rollout.cpp
  Plan<> analyse();
  Plan<bool> revision_unchanged();
  Plan<> restart();
  void forget_run();
  Plan<> cancel();
  Plan<bool> leave_stranded(std::string why);
  void forget_lowered_iterations();
  Plan<> route_refused();
  [[nodiscard]] bool primary_carries_target() const;
  Plan<bool> workloads_ready();
  Plan<bool> judged_good();
  Plan<bool> wants_rollback();
  Plan<> tell_missing_traffic(CheckReply checks);
  Plan<> failed_check(std::string text);
  Plan<bool> routes_as_recorded();
  Plan<bool> traffic_increase_confirmed();
  Plan<> step();
  Plan<> carry_out(Step next);
  // --- rollback.cpp
  Plan<> rollback(std::string reason);
  Plan<> tell_rollback(std::string reason);
  Plan<bool> primary_can_take_over();
  // --- promotion.cpp
  Plan<bool> promotion_confirmed();
  [[nodiscard]] bool promotion_was_confirmed() const;
  Plan<> promote();
  Plan<> promoting();
  Plan<bool> promoted_copy();
  Plan<bool> canary_serves_for_primary();
  [[nodiscard]] int weight_left() const;
  Plan<> step_back();
  Plan<> finalising();
  [[nodiscard]] std::vector<Message> success() const;
  Plan<> failed_promotion(std::string reason);
  Plan<> undo_promotion(std::vector<Message> messages);
  Plan<> replace_lost_primary(std::string why);
  Plan<bool> primary_wants_pods();
  Plan<> heal();
  // --- termination.cpp
  Plan<> terminate();
  Plan<bool> workload_given_back();
  Plan<bool> target_reverted();
};

}  // namespace serin::canary
