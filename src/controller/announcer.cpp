#include "controller/announcer.h"

#include "hooks/payload.h"

namespace serin::controller {

EventAnnouncer::EventAnnouncer(kube::EventRecorder& events, notify::EventWebhooks& webhooks,
                               notify::Alerts& alerts, base::Logger log)
    : events_(events), webhooks_(webhooks), alerts_(alerts), log_(std::move(log)) {}

void EventAnnouncer::announce(const base::Json& canary, const canary::Spec& spec,
                              const canary::Announce& event, Delivery delivery) {
  const bool normal = event.kind == canary::Announce::Kind::normal;
  events_.record(kube::EventTarget::of(canary), normal ? kube::EventType::normal : kube::EventType::warning,
                 event.text, {delivery.id, delivery.receipt});
  const base::Result<canary::Status> status = canary::read_status(canary);
  webhooks_.send(spec, event, hooks::checksum(status.value_or(canary::Status{})),
                 std::move(delivery.receipt));
  const base::Logger log = log_.with("canary", spec.dotted());
  if (event.kind == canary::Announce::Kind::error) {
    log.error(event.text);
  } else {
    log.info(event.text);
  }
}

void EventAnnouncer::alert(const canary::Spec& spec, const canary::Alert& alert, Delivery delivery) {
  alerts_.send(spec, alert, std::move(delivery.receipt));
}

void EventAnnouncer::note(const canary::Spec& spec, const canary::Note& note) {
  log_.with("canary", spec.dotted()).info(note.text);
}

base::Task<base::Result<void>> HookCaller::call(canary::Spec spec, canary::CallHook call) {
  std::string body = hooks::payload(spec, call.hook, call.phase, call.status).dump();
  base::Result<void> result = co_await webhooks_.call(std::move(call.hook), std::move(body));
  co_return result;
}

}  // namespace serin::controller
