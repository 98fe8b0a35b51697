#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/task.h"
#include "canary/action.h"
#include "canary/spec.h"
#include "hooks/caller.h"
#include "notify/outbox.h"

namespace serin::notify {

/// The body of an event call (spec 09 §3.1). The hook's own metadata cannot override the event's three keys.
base::Json event_payload(const canary::Spec& spec, const canary::Webhook& hook, const canary::Announce& event,
                         const std::string& checksum, base::WallTime now);

/// Sends every event to the webhooks that want it, off the path of the rollout: each URL gets its events in
/// order, and a dead one delays no other. When too many wait the oldest are dropped, and counted.
class EventWebhooks {
 public:
  /// `default_url`: for canaries without a hook of type event; empty: none (flag -event-webhook).
  EventWebhooks(hooks::Webhooks& webhooks, base::Clock& clock, base::Logger log, std::string default_url,
                base::Executor executor, std::size_t queue_max = 1000);

  /// `receipt` is let go of when everybody has it, or was given up.
  void send(const canary::Spec& spec, const canary::Announce& event, const std::string& checksum,
            const std::shared_ptr<void>& receipt = {});
  /// Sends what is queued, until cancelled.
  base::Task<void> run() { return outbox_.run(); }
  /// For shutdown, while run() still runs: true when everything is sent, false at the deadline.
  base::Task<bool> flush(base::MonoTime deadline) { return outbox_.flush(clock_, deadline); }
  [[nodiscard]] std::size_t dropped() const { return outbox_.dropped(); }

 private:
  base::Task<void> deliver(canary::Webhook hook, std::string body, std::string dotted);

  hooks::Webhooks& webhooks_;
  base::Clock& clock_;
  base::Logger log_;
  std::string default_url_;
  Outbox outbox_;
};

}  // namespace serin::notify
