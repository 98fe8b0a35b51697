#include "notify/event_webhook.h"

#include <fmt/format.h>

#include "notify/destination.h"

namespace serin::notify {

base::Json event_payload(const canary::Spec& spec, const canary::Webhook& hook, const canary::Announce& event,
                         const std::string& checksum, base::WallTime now) {
  base::Json body = base::Json::object({{"name", spec.name},
                                        {"namespace", spec.ns},
                                        {"phase", canary::name_of(event.phase)},
                                        {"checksum", checksum}});
  base::Json& metadata = body.set("metadata");
  for (const auto& [key, value] : hook.metadata) metadata.set(key) = value;
  metadata.set("eventMessage") = event.text;
  metadata.set("eventType") = event.kind == canary::Announce::Kind::normal ? "Normal" : "Warning";
  metadata.set("timestamp") = fmt::format("{}", now.time_since_epoch().count());
  return body;
}

EventWebhooks::EventWebhooks(hooks::Webhooks& webhooks, base::Clock& clock, base::Logger log,
                             std::string default_url, base::Executor executor, std::size_t queue_max)
    : webhooks_(webhooks),
      clock_(clock),
      log_(std::move(log)),
      default_url_(std::move(default_url)),
      outbox_(executor, queue_max, log_, "events for webhooks") {}

void EventWebhooks::send(const canary::Spec& spec, const canary::Announce& event, const std::string& checksum,
                         const std::shared_ptr<void>& receipt) {
  std::vector<canary::Webhook> hooks = spec.hooks(canary::HookType::event);
  if (hooks.empty() && !default_url_.empty()) {
    canary::Webhook fallback;
    fallback.name = "events";
    fallback.url = default_url_;
    fallback.type = canary::HookType::event;
    hooks.push_back(std::move(fallback));
  }
  for (const canary::Webhook& hook : hooks) {
    const std::string body = event_payload(spec, hook, event, checksum, clock_.wall_now()).dump();
    outbox_.post(hook.url,
                 [this, hook, body, dotted = spec.dotted(), receipt] { return deliver(hook, body, dotted); });
  }
}

base::Task<void> EventWebhooks::deliver(canary::Webhook hook, std::string body, std::string dotted) {
  const base::Result<http::Url> url = http::Url::parse(hook.url);
  const base::Result<void> sent = co_await webhooks_.call(std::move(hook), std::move(body));
  if (sent) co_return;
  log_.with("canary", dotted)
      .error("error sending event to webhook: " +
             (url ? redacted(sent.error().message, *url) : sent.error().message));
}

}  // namespace serin::notify
