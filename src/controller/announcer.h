#pragma once

#include <map>
#include <string>

#include "base/log.h"
#include "controller/ports.h"
#include "hooks/caller.h"
#include "kube/events.h"
#include "notify/alerts.h"
#include "notify/event_webhook.h"

namespace serin::controller {

/// Announces to the Canary's Events, the event webhooks, the chat rooms and the log (spec 01 §1.1).
class EventAnnouncer final : public Announcer {
 public:
  EventAnnouncer(kube::EventRecorder& events, notify::EventWebhooks& webhooks, notify::Alerts& alerts,
                 base::Logger log);

  void announce(const base::Json& canary, const canary::Spec& spec, const canary::Announce& event,
                Delivery delivery) override;
  void note(const canary::Spec& spec, const canary::Note& note) override;
  void alert(const canary::Spec& spec, const canary::Alert& alert, Delivery delivery) override;

 private:
  kube::EventRecorder& events_;
  notify::EventWebhooks& webhooks_;
  notify::Alerts& alerts_;
  base::Logger log_;
};

/// Calls hooks over HTTP.
class HookCaller final : public Caller {
 public:
  explicit HookCaller(hooks::Webhooks& webhooks) : webhooks_(webhooks) {}
  base::Task<base::Result<void>> call(canary::Spec spec, canary::CallHook call) override;

 private:
  hooks::Webhooks& webhooks_;
};

}  // namespace serin::controller
