#include "notify/event_webhook.h"

#include <fmt/format.h>

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
      queue_max_(queue_max),
      work_(executor),
      idle_(executor) {}

void EventWebhooks::send(const canary::Spec& spec, const canary::Announce& event,
                         const std::string& checksum) {
  std::vector<canary::Webhook> hooks = spec.hooks(canary::HookType::event);
  if (hooks.empty() && !default_url_.empty()) {
    canary::Webhook fallback;
    fallback.name = "events";
    fallback.url = default_url_;
    fallback.type = canary::HookType::event;
    hooks.push_back(std::move(fallback));
  }
  for (canary::Webhook& hook : hooks) {
    if (queue_.size() >= queue_max_) {
      queue_.pop_front();
      ++dropped_;
    }
    std::string body = event_payload(spec, hook, event, checksum, clock_.wall_now()).dump();
    queue_.push_back({std::move(hook), std::move(body), spec.dotted()});
  }
  if (!queue_.empty()) work_.notify();
}

base::Task<void> EventWebhooks::run() {
  while (true) {
    while (!queue_.empty()) {
      Call call = std::move(queue_.front());
      queue_.pop_front();
      sending_ = true;
      const base::Result<void> sent = co_await webhooks_.call(std::move(call.hook), std::move(call.body));
      sending_ = false;
      if (!sent)
        log_.with("canary", call.dotted).error("error sending event to webhook: " + sent.error().message);
    }
    idle_.notify();
    co_await work_.wait();
  }
}

base::Task<bool> EventWebhooks::flush(base::MonoTime deadline) {
  while ((!queue_.empty() || sending_) && clock_.now() < deadline) {
    co_await idle_.wait_until(clock_, deadline);
  }
  co_return queue_.empty() && !sending_;
}

}  // namespace serin::notify
