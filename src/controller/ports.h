#pragma once

#include <memory>
#include <string>

#include "base/task.h"
#include "canary/action.h"
#include "canary/spec.h"

namespace serin::controller {

/// Judges a canary by its metrics.
class Analyst {
 public:
  virtual ~Analyst() = default;
  /// Whether every metric provider of this canary answers; the error is the event's text.
  virtual base::Task<base::Result<void>> check_providers(canary::Spec spec) = 0;
  /// One pass over all metrics; what does not pass is told in their order.
  virtual base::Task<canary::CheckReply> evaluate(canary::Spec spec) = 0;
};

/// Calls webhooks.
class Caller {
 public:
  virtual ~Caller() = default;
  virtual base::Task<base::Result<void>> call(canary::Spec spec, canary::CallHook call) = 0;
};

/// How a message is sent.
struct Delivery {
  /// Names it, also if another controller sends it again: what has arrived under this name is not repeated,
  /// where the receiver can tell. Empty: it may be merged with earlier ones of the same text.
  std::string id = {};
  /// Held until everybody concerned has it, or has been given up.
  std::shared_ptr<void> receipt = {};
};

/// Tells people: Kubernetes Events, event webhooks, chat rooms, the log. Never waits and never fails.
class Announcer {
 public:
  virtual ~Announcer() = default;
  virtual void announce(const base::Json& canary, const canary::Spec& spec, const canary::Announce& event,
                        Delivery delivery) = 0;
  virtual void note(const canary::Spec& spec, const canary::Note& note) = 0;
  virtual void alert(const canary::Spec& spec, const canary::Alert& alert, Delivery delivery) = 0;
};

/// Counts what happens to canaries, for /metrics (spec 04 §6).
class Meter {
 public:
  virtual ~Meter() = default;
  virtual void status(const canary::Spec& spec, canary::Phase phase) = 0;
  virtual void weight(const canary::Spec& spec, canary::Routes routes) = 0;
  /// How long a judgement of the canary took.
  virtual void judged(const canary::Spec& spec, base::Duration took) = 0;
  virtual void outcome(const canary::Spec& spec, const canary::CountOutcome& outcome) = 0;
  virtual void gone(const canary::Spec& spec) = 0;
};

}  // namespace serin::controller
