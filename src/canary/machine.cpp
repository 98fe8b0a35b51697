#include "canary/machine.h"

#include <fmt/format.h>

#include "canary/affinity.h"
#include "canary/hash.h"
#include "canary/machine_impl.h"

namespace serin::canary {

// --- Turn

Turn::Turn(Input input, base::MonoTime now) : machine_(std::make_unique<Machine>(std::move(input), now)) {
  machine_->resume(machine_->root.handle());
}
Turn::~Turn() = default;

bool Turn::done() const {
  return machine_->root.handle().done();
}

const Action& Turn::asked() const {
  return machine_->channel.asked.value();
}

void Turn::reply(Reply reply, base::MonoTime now) {
  machine_->now = now;
  machine_->channel.reply = std::move(reply);
  machine_->channel.asked.reset();
  machine_->resume(std::exchange(machine_->channel.waiting, {}));
}

Outcome Turn::outcome() const {
  return {machine_->in.memory, machine_->in.status, machine_->wake};
}

Turn::Machine::Machine(Input input, base::MonoTime time) : in(std::move(input)), now(time), root(turn()) {
  Adjusted possible = adjusted(std::move(in.spec), in.seen.capabilities);
  in.spec = std::move(possible.spec);
  adjustments = std::move(possible.warnings);
}

void Turn::Machine::resume(std::coroutine_handle<> handle) {
  handle.resume();
  if (root.handle().done() && root.handle().promise().bug)
    std::rethrow_exception(root.handle().promise().bug);
}

// --- pure pieces

std::string promotion_id(const Spec& spec, const std::string& revision,
                         const std::optional<std::map<std::string, std::string>>& configs) {
  std::string text = revision;
  if (configs) {
    for (const auto& [name, checksum] : *configs) text += fmt::format(" {}={}", name, checksum);
  }
  return stable_uuid(spec.uid, text);
}

bool is_new_revision(const Status& status, const Observation& seen) {
  if (!seen.target.exists) return false;
  if (status.last_applied.empty()) return true;
  const std::string& revision = seen.target.revision;
  if (revision != status.last_applied && revision != status.last_promoted) return true;
  const auto none = std::map<std::string, std::string>();
  return seen.configs && *seen.configs != status.tracked_configs.value_or(none);
}

namespace {
constexpr std::pair<Command::Verb, std::string_view> verb_names[] = {{Command::Verb::approve, "approve"},
                                                                     {Command::Verb::promote, "promote"},
                                                                     {Command::Verb::rollback, "rollback"},
                                                                     {Command::Verb::restart, "restart"}};
}  // namespace

std::string_view name_of(Command::Verb verb) {
  return std::ranges::find(verb_names, verb, &std::pair<Command::Verb, std::string_view>::first)->second;
}

std::optional<Command::Verb> parse_verb(std::string_view name) {
  const auto it = std::ranges::find(verb_names, name, &std::pair<Command::Verb, std::string_view>::second);
  if (it == std::end(verb_names)) return std::nullopt;
  return it->first;
}

// --- words

Plan<bool> Turn::Machine::save(Status next, std::vector<Message> messages) {
  if (obeying) messages.insert(messages.begin(), *obeying);
  const Done saved = co_await ask(SaveStatus{next, std::move(messages)});
  if (saved) {
    in.status = std::move(next);
    // Cleared last: whoever takes over after a crash finds the command, or what has come of it.
    if (std::exchange(obeying, std::nullopt)) co_await ask(ClearCommand{});
    co_return true;
  }
  // A conflict means that the Canary has changed: the next turn decides again on what it says then. The watch
  // event calls it at once, if it has not come yet.
  if (saved.error().code == base::Errc::conflict) {
    retry();
  } else {
    co_await report(
        fmt::format("updating canary {} status failed: {}", spec().dotted(), saved.error().message));
  }
  co_return false;
}

Status Turn::Machine::sync(Phase phase) const {
  Status next = in.status;
  next.phase = phase;
  next.failed_checks = 0;
  next.canary_weight = 0;
  next.iterations = 0;
  next.checks.clear();
  next.rolling_back.clear();
  next.outcome_pending = false;
  next.last_applied = in.seen.target.revision;
  next.tracked_configs = in.seen.configs;
  return next;
}

Plan<> Turn::Machine::report(std::string text) {
  retry();
  if (in.memory.problem == text) co_return;
  in.memory.problem = text;
  co_await warning(text, phase());
}

Readiness Turn::Machine::check(Memory::Wait& wait, const WorkloadView& workload, const std::string& name,
                               int percent) {
  const int progress = workload.updated + workload.available;
  if (!wait.since || progress > wait.progress) wait.since = now;
  wait.progress = progress;
  const base::Duration waited = now - *wait.since;
  Readiness state = readiness(workload, name, percent, waited, spec().progress_deadline);
  if (state.ready && workload.available == 0 && workload.replicas > 0) {
    state = {false, waited >= spec().progress_deadline,
             "waiting for rollout to finish: no replica is available"};
  }
  if (state.ready) wait = {};
  return state;
}

std::string Turn::Machine::primary_not_ready(const Readiness& state) const {
  const std::string_view noun = spec().target_kind == "DaemonSet" ? "primary daemonset " : "";
  return fmt::format("{}{} not ready: {}", noun, spec().primary_dotted(), state.text);
}

std::string Turn::Machine::canary_not_ready(const Readiness& state) const {
  if (spec().target_kind == "DaemonSet") {
    return fmt::format("canary damonset {} not ready with retryable {}: {}", spec().target_dotted(),
                       !state.for_good, state.text);
  }
  return fmt::format("canary deployment {} not ready: {}", spec().target_dotted(), state.text);
}

Readiness Turn::Machine::check_primary() {
  return check(in.memory.primary, in.seen.primary, spec().primary_name(), spec().primary_ready_percent);
}

Readiness Turn::Machine::check_canary() {
  return check(in.memory.canary, in.seen.target, spec().target_name, spec().canary_ready_percent);
}

void Turn::Machine::stop_waiting() {
  in.memory.primary = in.memory.canary = {};
}

Plan<bool> Turn::Machine::wait_for(Memory::Wait& wait, Readiness state, std::string text) {
  if (!state.for_good) wake_at(wait.since.value_or(now) + spec().progress_deadline);
  if (wait.text != text) {
    wait.text = text;
    co_await warning(text, phase());
  }
  co_return state.for_good;
}

Plan<> Turn::Machine::look() {
  in.seen = co_await ask(Observe{});
}

/// The cookies of a run are stored before any route names them: one that a browser has and nobody remembers
/// could not be deleted.
Plan<bool> Turn::Machine::remember_cookies(Routes routes) {
  if (!spec().session_affinity) co_return true;
  Status next = status();
  next.affinity = affinity_for(*spec().session_affinity, spec().uid, status().last_applied, status().affinity,
                               routes.canary > 0);
  if (next == status()) co_return true;
  co_return co_await save(next);
}

Plan<bool> Turn::Machine::route(Routes routes) {
  if (in.seen.routes == routes || !in.seen.capabilities.shifts) co_return true;
  const bool remembered = co_await remember_cookies(routes);
  if (!remembered) co_return false;
  const Done set = co_await ask(SetRoutes{routes});
  if (!set) {
    co_await report(set.error().message);
    co_return false;
  }
  in.seen.routes = routes;
  co_return true;
}

/// The target's pods are not needed any more; false after reporting why they could not be taken away.
Plan<bool> Turn::Machine::park_target() {
  const Done scaled = co_await ask(ScaleTarget{ScaleTarget::To::zero});
  if (!scaled) co_await report(scaled.error().message);
  co_return scaled.has_value();
}

Plan<std::optional<Turn::Machine::HookFailure>> Turn::Machine::call_hooks(HookType type, Phase payload_phase,
                                                                          std::string passed) {
  const bool is_gate = type == HookType::confirm_rollout || type == HookType::confirm_traffic_increase ||
                       type == HookType::confirm_promotion;
  if (is_gate && approved) co_return std::nullopt;
  for (const Webhook& hook : spec().hooks(type)) {
    const Done answer = co_await ask(CallHook{hook, payload_phase, status()});
    if (!answer) co_return HookFailure{hook, answer.error().message};
    if (!passed.empty()) co_await normal(fmt::format("{} check {} passed", passed, hook.name), phase());
  }
  co_return std::nullopt;
}

/// Records the end of a run, in Succeeded or Failed. Post-rollout hooks, which conclude() calls, are recorded
/// as owed: a crash loses none.
Plan<bool> Turn::Machine::end_run(Status next, std::vector<Message> messages) {
  next.rolling_back.clear();
  next.outcome_pending = !spec().hooks(HookType::post_rollout).empty();
  const bool saved = co_await save(next, std::move(messages));
  if (!saved) co_return false;
  const bool succeeded = phase() == Phase::succeeded;
  co_await ask(CountOutcome{succeeded, succeeded && spec().skip_analysis});
  co_return true;
}

/// Calls the post-rollout hooks of a run that has ended, if there are any; success is announced after them.
Plan<> Turn::Machine::conclude(Phase event_phase) {
  if (!status().outcome_pending) co_return;
  if (!in.memory.conclusion) {
    std::vector<Message> messages;
    for (const Webhook& hook : spec().hooks(HookType::post_rollout)) {
      const Done answer = co_await ask(CallHook{hook, phase(), status()});
      messages.push_back(
          answer ? event(fmt::format("Post-rollout check {} passed", hook.name), event_phase)
                 : alarm(fmt::format("Post-rollout hook {} failed {}", hook.name, answer.error().message),
                         event_phase));
      if (!answer) break;
    }
    if (phase() == Phase::succeeded) std::ranges::copy(success(), std::back_inserter(messages));
    in.memory.conclusion = std::move(messages);
  }
  Status next = status();
  next.outcome_pending = false;
  const bool saved = co_await save(next, *in.memory.conclusion);
  if (saved) in.memory.conclusion.reset();
}

// --- the turn

Plan<> Turn::Machine::turn() {
  if (in.deleting) {
    if (in.has_finalizer) co_await terminate();
    co_return;
  }
  if (spec().suspend) {
    if (!std::exchange(in.memory.suspended, true)) {
      co_await normal("skipping canary run as object is suspended", phase());
    }
    co_return;
  }
  in.memory.suspended = false;
  if (!in.problems.empty()) {
    const std::string text = fmt::format("invalid canary spec: {}", fmt::join(in.problems, "; "));
    if (in.memory.problem != text) {
      in.memory.problem = text;
      co_await warning(text, phase());
    }
    co_return;
  }
  if (in.command.paused != std::exchange(in.memory.paused, in.command.paused)) {
    co_await normal(
        fmt::format("{} {}{}", in.command.paused ? "Paused" : "Resumed", spec().dotted(), in.command.by),
        phase());
  }
  if (phase() == Phase::none) {
    Status next = status();
    next.phase = Phase::initializing;
    const bool saved = co_await save(next);
    if (!saved) co_return;
  }
  const std::string before = in.memory.problem;
  co_await act();
  // A turn that got through without reporting anything has overcome the last problem.
  if (in.memory.problem == before && !wake) in.memory.problem.clear();
}

Plan<> Turn::Machine::act() {
  if (!in.seen.target_problem.empty()) {
    const bool safe = co_await leave_stranded(in.seen.target_problem);
    if (safe) co_await report(in.seen.target_problem);
    co_return;
  }
  if (phase() == Phase::initializing) {
    const Done services = co_await ask(EnsureServices{});
    if (!services) {
      co_await report(services.error().message);
      co_return;
    }
    co_await bootstrap();
    co_return;
  }
  const bool adopted = co_await adopt();
  if (!adopted) co_return;
  // Named before it is put right.
  if (!in.seen.route_problem.empty()) co_await report(in.seen.route_problem);
  // Generated objects that cannot be kept must not keep traffic from being brought to safety.
  const bool kept = co_await upkeep();
  const bool may_be_unsafe = runs_analysis() || phase() == Phase::promoting || phase() == Phase::finalising ||
                             status().canary_weight > 0;
  if (!kept && !may_be_unsafe) co_return;
  const bool obeyed = co_await obey();
  if (obeyed) co_return;
  switch (phase()) {
    case Phase::progressing:
    case Phase::waiting_promotion:
      co_await analyse();
      break;
    case Phase::promoting:
      co_await promoting();
      break;
    case Phase::finalising:
      co_await finalising();
      break;
    default:
      co_await idle();
      break;
  }
}

Plan<bool> Turn::Machine::upkeep() {
  const Done services = co_await ask(EnsureServices{});
  if (!services) {
    co_await report(services.error().message);
    co_return false;
  }
  const bool primary = co_await primary_exists();
  if (!primary) co_return false;
  co_return co_await primary_serves();
}

}  // namespace serin::canary
