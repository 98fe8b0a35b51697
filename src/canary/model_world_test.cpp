#include "canary/model_world.h"

#include <fmt/format.h>

#include <array>

namespace serin::canary {

using namespace std::chrono_literals;

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

WorkloadView view(const ModelWorld::Workload& workload) {
  WorkloadView view;
  view.exists = workload.exists;
  view.generation = view.observed_generation = 1;
  view.replicas = workload.wanted;
  view.status_replicas = view.updated = workload.wanted;
  view.ready = view.available = workload.ready;
  view.revision = workload.revision;
  return view;
}

}  // namespace

ModelWorld::ModelWorld(Spec s) : spec(std::move(s)) {
  target = {"A", "", 2, 2, false, true};
  now += std::chrono::hours(1);
}

Observation ModelWorld::observe() const {
  Observation seen;
  seen.target = view(target);
  if (!target.exists) seen.target_problem = "deployment podinfo.test get query error: not found";
  seen.primary = view(primary);
  seen.primary_id = primary.id;
  seen.configs = configs;
  seen.routes = routes;
  seen.capabilities = capabilities;
  if (foreign_hashes) seen.takeover = primary.revision == target.revision;
  return seen;
}

void ModelWorld::push(const std::string& revision, bool broken) {
  target.revision = revision;
  target.broken = broken;
  if (broken) target.ready = 0;
}

void ModelWorld::tell(const Message& message) {
  if (const auto* event = std::get_if<Announce>(&message)) {
    events.push_back(fmt::format("{} {} {}", event->kind == Announce::Kind::normal ? "N" : "W",
                                 name_of(event->phase), event->text));
  } else if (const auto* alert = std::get_if<Alert>(&message)) {
    constexpr const char* names[] = {"info", "warn", "error"};
    alerts.push_back(fmt::format("{} {}", names[static_cast<int>(alert->severity)], alert->text));
  }
}

Reply ModelWorld::carry_out(const Action& action) {
  const auto scale = [this](ScaleTarget to) -> Done {
    if (to.to == ScaleTarget::To::zero) {
      if (capabilities.shifts && routes && routes->canary > 0)
        violations.push_back("target scaled down while it gets traffic");
      if (!primary.exists || primary.ready == 0) violations.push_back("target scaled down without a primary");
      target.wanted = target.ready = 0;
    } else if (target.wanted == 0) {
      target.wanted = to.to == ScaleTarget::To::primary ? primary.wanted : 2;
    }
    return {};
  };
  if (const std::string text = refuse(action); !text.empty())
    return Done(base::fail(base::Errc::rejected, text));
  return std::visit(
      Overloaded{
          [&](const Announce& a) -> Reply {
            tell(a);
            return Done();
          },
          [&](const Alert& a) -> Reply {
            tell(a);
            return Done();
          },
          [&](const GrowPrimary& g) -> Reply {
            primary.wanted = std::max(primary.wanted, g.replicas);
            return Done();
          },
          [&](const ClearCommand&) -> Reply {
            command.verb.reset();
            return Done();
          },
          [&](const Observe&) -> Reply { return observe(); },
          [&](const SaveStatus& s) -> Reply {
            foreign_hashes = foreign_hashes && status.last_applied == s.status.last_applied;
            status = s.status;
            for (const Message& message : s.messages) tell(message);
            return Done();
          },
          [&](const EnsurePrimary& p) -> Reply {
            if (!primary.exists) primary = {p.revision, p.id, 2, 0, target.broken, true};
            return Done();
          },
          [&](const EnsureApex&) -> Reply { return ApexReply{}; },
          [&](const EnsureRoute&) -> Reply {
            if (!routes) routes = Routes{};
            return Done();
          },
          [&](const SetRoutes& s) -> Reply {
            routes = s.routes;
            return Done();
          },
          [&](const ScaleTarget& s) -> Reply { return scale(s); },
          [&](const Promote& p) -> Reply {
            if (target.revision != p.revision)
              return Done(base::fail(base::Errc::conflict, "target changed"));
            previous_revision = primary.revision;
            primary.revision = p.revision;
            primary.id = p.id;
            primary.broken = target.broken || p.revision.starts_with("broken-as-primary");
            if (primary.broken) primary.ready = 0;
            return Done();
          },
          [&](const RestorePrimary&) -> Reply {
            if (!keeps_history)
              return Done(base::fail(base::Errc::not_found,
                                     "it has no earlier template; repair it by hand, or push a fix"));
            primary.revision = previous_revision;
            primary.id = "restored";
            primary.broken = false;
            return Done();
          },
          [&](const ForgetEarlierConfigs&) -> Reply { return Done(); },
          [&](const CallHook& h) -> Reply {
            const std::string text = answer(h.hook);
            if (text.empty()) return Done();
            return Done(base::fail(base::Errc::rejected, text));
          },
          [&](const EvaluateMetrics&) -> Reply {
            const std::string text = check();
            if (text.empty()) return CheckReply{.results = results};
            return CheckReply{false, no_data, shared, {text}, results};
          },
          [&](const Drain&) -> Reply {
            now += std::chrono::seconds(3);
            return Done();
          },
          [&](const RemoveFinalizer&) -> Reply {
            finalizer = false;
            gone = deleting;
            return Done();
          },
          [&](const auto&) -> Reply { return Done(); },
      },
      action);
}

void ModelWorld::check_rules() {
  if (!routes) return;
  if (routes->primary + routes->canary != 100) violations.push_back("weights do not add up to 100");
  if (routes->canary > 0 && target.ready == 0 && primary.ready > 0)
    violations.push_back("traffic to a target without pods");
  if (routes->primary > 0 && primary.ready == 0 && target.ready > 0 && routes->canary == 0) {
    violations.push_back(fmt::format("traffic to a primary without pods in {}", name_of(status.phase)));
  }
}

void ModelWorld::pods_become_ready() {
  for (Workload* workload : {&target, &primary}) {
    if (workload->exists && !workload->broken) workload->ready = workload->wanted;
  }
}

bool ModelWorld::run_turn() {
  Input input{spec, {}, status, memory_, observe(), command, deleting, finalizer, settings};
  Turn turn(std::move(input), now);
  while (!turn.done()) {
    const Action action = turn.asked();
    if (before) before(action);
    Reply reply = carry_out(action);
    check_rules();
    if (actions++ == crash_at) {
      memory_ = {};
      wake_ = now;
      return false;
    }
    turn.reply(std::move(reply), now);
  }
  memory_ = turn.outcome().memory;
  wake_ = turn.outcome().wake;
  return true;
}

void ModelWorld::settle(base::Duration limit) {
  const base::MonoTime end = now + limit;
  wake_ = now;
  while (wake_ && now < end && !gone) {
    now = std::max(now, *wake_);
    const auto pods = [this] {
      return std::array{target.wanted, target.ready, primary.wanted, primary.ready};
    };
    const auto pods_before = pods();
    run_turn();
    pods_become_ready();
    if (pods() != pods_before) {
      now += std::chrono::seconds(1);
      wake_ = now;  // as the watch event would
    }
  }
}

bool ModelWorld::saw(std::string_view text) const {
  for (const std::string& event : events) {
    if (event.find(text) != std::string::npos) return true;
  }
  return false;
}

std::vector<std::string> ModelWorld::texts() const {
  std::vector<std::string> result;
  for (const std::string& event : events) {
    if (event.find("not ready") != std::string::npos || event.find("providers") != std::string::npos)
      continue;
    result.push_back(event.substr(event.find(' ', 2) + 1));
  }
  return result;
}

Spec podinfo() {
  Spec spec;
  spec.name = spec.target_name = spec.service.name = "podinfo";
  spec.ns = "test";
  spec.uid = "11111111-2222-3333-4444-555555555555";
  spec.target_kind = "Deployment";
  spec.service.port = 9898;
  spec.interval = 10s;
  spec.threshold = 3;
  spec.step_weight = 20;
  spec.max_weight = 60;
  spec.progress_deadline = 60s;
  Webhook acceptance;
  acceptance.name = "acceptance-test";
  acceptance.type = HookType::pre_rollout;
  Webhook load;
  load.name = "load-test";
  spec.webhooks = {acceptance, load};
  return spec;
}

ModelWorld initialized(Spec spec) {
  ModelWorld world(std::move(spec));
  world.settle();
  world.events.clear();
  world.actions = 0;
  return world;
}

Spec iterated(int iterations) {
  Spec spec = podinfo();
  spec.step_weight = 0;
  spec.iterations = iterations;
  return spec;
}

Spec gated(HookType type) {
  Spec spec = podinfo();
  Webhook gate;
  gate.name = "gate";
  gate.type = type;
  spec.webhooks.push_back(gate);
  return spec;
}

void open_after(ModelWorld& world, int questions) {
  world.answer = [questions, asked = 0](const Webhook& hook) mutable -> std::string {
    if (hook.name != "gate") return "";
    return ++asked > questions ? "" : "Forbidden";
  };
}

}  // namespace serin::canary
