#pragma once

#include <functional>
#include <string>
#include <vector>

#include "canary/machine.h"

namespace serin::canary {

/// A world of one canary in a few lines, for tests of the core: two workloads whose pods become ready a
/// second after they are wanted, a route, hooks and checks with given answers, and a clock that only moves
/// when nothing is left to do. It carries turns out, keeps the trace of what they did, and checks the safety
/// rules after every action.
class ModelWorld {
 public:
  struct Workload {
    std::string revision;
    std::string id;  ///< flagger-id of the primary
    int wanted = 0, ready = 0;
    bool broken = false;  ///< its pods never become ready
    bool exists = false;
  };

  explicit ModelWorld(Spec spec);

  Spec spec;
  Status status;
  Workload target, primary;
  std::string previous_revision;  ///< of the primary, for RestorePrimary
  bool keeps_history = true;      ///< RestorePrimary finds it
  std::map<std::string, std::string> configs;
  std::optional<Routes> routes;
  Capabilities capabilities;
  bool foreign_hashes = false;  ///< until the next status is saved: they are another controller's
  Command command;
  Settings settings;
  bool deleting = false, finalizer = true, gone = false;
  std::function<std::string(const Webhook&)> answer = [](const Webhook&) { return std::string(); };
  std::function<std::string()> check = [] { return std::string(); };  ///< the failure's text; empty: passed
  bool shared = false;   ///< what fails does so for the primary as well
  bool no_data = false;  ///< what fails does so for want of data
  /// Why a write fails; empty: it succeeds. Asked for actions whose reply is Done.
  std::function<std::string(const Action&)> refuse = [](const Action&) { return std::string(); };
  std::vector<CheckResult> results;           ///< what checks measure
  std::function<void(const Action&)> before;  ///< sees every action, may change the world
  int crash_at =
      -1;  ///< the controller dies just after this action (counted over the whole run) and starts anew

  std::vector<std::string> events;      ///< "N Progressing text"
  std::vector<std::string> alerts;      ///< "warn text"
  std::vector<std::string> violations;  ///< broken safety rules
  int actions = 0;
  base::MonoTime now{};

  /// Runs turns and lets time pass until nothing would happen any more, at most `limit`.
  void settle(base::Duration limit = std::chrono::hours(2));
  /// Changes the target's pod template, as a user does.
  void push(const std::string& revision) { push(revision, false); }
  void push(const std::string& revision, bool broken);
  [[nodiscard]] bool saw(std::string_view text) const;
  [[nodiscard]] std::vector<std::string> texts() const;

 private:
  [[nodiscard]] Observation observe() const;
  [[nodiscard]] Reply carry_out(const Action& action);
  void tell(const Message& message);
  void check_rules();
  void pods_become_ready();
  /// False: the controller died on the way.
  bool run_turn();

  Memory memory_;
  std::optional<base::MonoTime> wake_;
};

/// The guide's canary: weights 20, 40, 60, a pre-rollout and a rollout hook, threshold 3, interval 10 s.
Spec podinfo();
/// The same with iterations instead of weights.
Spec iterated(int iterations);
/// The same with a hook "gate" of this type.
Spec gated(HookType type);
/// The gate is closed until it has been asked so often.
void open_after(ModelWorld& world, int questions);
/// A bootstrapped canary at rest on revision A.
ModelWorld initialized(Spec spec = podinfo());

}  // namespace serin::canary
