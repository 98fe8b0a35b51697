#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <utility>

#include "local/apiserver/front.h"

namespace serin::local {

using base::Task;
using http::Request;
using http::Responder;

namespace {

constexpr base::Duration bookmark_interval = std::chrono::minutes(1);
/// Without timeoutSeconds a watch lasts between one and two times this, so that clients don't come back all
/// at once.
constexpr std::int64_t lifetime_min_seconds = 1800;
/// Events are gathered up to this size before they are written.
constexpr std::size_t piece_size = 64u << 10;

std::string_view name_of(kube::WatchEventType type) {
  switch (type) {
    case kube::WatchEventType::added:
      return "ADDED";
    case kube::WatchEventType::modified:
      return "MODIFIED";
    case kube::WatchEventType::deleted:
      return "DELETED";
    case kube::WatchEventType::bookmark:
      return "BOOKMARK";
  }
  return "";
}

std::string line_of(std::string_view type, const Json& object) {
  std::string line = "{\"type\":\"";
  line += type;
  line += "\",\"object\":";
  line += object.dump();
  line += "}\n";
  return line;
}

std::int64_t seconds_of(const std::string& text) {
  const base::Result<Json> number = Json::parse(text.empty() ? "0" : text);
  return number ? number->int_or(0) : 0;
}

/// Writes a subscription's events as they come, until the time is up or the client has gone.
class WatchStream {
 public:
  WatchStream(base::Executor executor, std::unique_ptr<Subscription> subscription, const Rest& rest,
              Rendering rendering, bool bookmarks)
      : wakeup_(std::move(executor)),
        subscription_(std::move(subscription)),
        rest_(rest),
        rendering_(std::move(rendering)),
        bookmarks_(bookmarks) {
    subscription_->on_change([this] { wakeup_.notify(); });
  }

  Task<void> run(Responder& responder, const Registry& registry, base::Clock& clock, base::MonoTime end) {
    base::MonoTime bookmark_at = clock.now() + bookmark_interval;
    while (!gone_ && clock.now() < end) {
      std::string piece = gather();
      if (piece.empty() && bookmarks_ && clock.now() >= bookmark_at) {
        const Event bookmark = subscription_->bookmark(registry.revision());
        piece = line_of("BOOKMARK", rendered(bookmark));
      }
      if (!piece.empty()) {
        bookmark_at = clock.now() + bookmark_interval;
        const base::Result<void> written = co_await responder.write(std::move(piece));
        if (!written) co_return;
        continue;
      }
      if (ended_) co_return;
      co_await wakeup_.wait_until(clock, bookmarks_ ? std::min(bookmark_at, end) : end);
    }
  }

  Task<void> watch_peer(Responder& responder) {
    co_await responder.closed();
    gone_ = true;
    wakeup_.notify();
  }

 private:
  std::string gather() {
    std::string piece;
    while (!ended_ && piece.size() < piece_size) {
      StatusResult<std::optional<Event>> event = subscription_->next();
      if (!event) {
        piece += line_of("ERROR", event.error().to_json());
        ended_ = true;
      } else if (event->has_value()) {
        piece += line_of(name_of((*event)->type), rendered(**event));
      } else {
        ended_ = subscription_->ended();
        break;
      }
    }
    return piece;
  }

  Json rendered(const Event& event) {
    return rest_.render(subscription_->served(), event.object, rendering_, std::exchange(first_, false));
  }

  base::Wakeup wakeup_;
  std::unique_ptr<Subscription> subscription_;
  const Rest& rest_;
  Rendering rendering_;
  bool bookmarks_;
  bool first_ = true;  ///< a table's columns come with its first event only
  bool gone_ = false;
  bool ended_ = false;
};

/// The end of a watch that was not to end yet. The server's own end is no failure: the client sees the
/// connection close, as it does when any API server goes.
void end_early(const std::exception_ptr& failure, Responder& responder) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    if (!base::is_cancellation(e)) throw;
  }
  responder.abandon();
}

}  // namespace

Task<void> Front::watch(Request request, RequestInfo info, Responder& responder) {
  const StatusResult<Rendering> rendering = Rendering::of(request, info);
  WatchFlags flags{info.query("labelSelector"), info.query("fieldSelector"), info.query("resourceVersion"),
                   info.flag("sendInitialEvents")};
  if (!info.name.empty()) flags.field_selector = "metadata.name=" + info.name;
  StatusResult<std::unique_ptr<Subscription>> subscription = registry_.watch(info.resource, info.ns, flags);
  http::Response head;
  head.headers.set("Content-Type", "application/json");
  head.headers.set("Cache-Control", "no-cache, private");
  if (!rendering || (!subscription && subscription.error().reason != "Expired")) {
    head = status_response(rendering ? subscription.error() : rendering.error());
    (void)co_await responder.send(std::move(head));
    co_return;
  }
  const base::Result<void> started = co_await responder.start(std::move(head));
  if (!started) co_return;
  if (!subscription) {
    // As a real server does: a revision that is too old is the stream's only event.
    (void)co_await responder.write(line_of("ERROR", subscription.error().to_json()));
    (void)co_await responder.finish();
    co_return;
  }
  std::int64_t seconds = seconds_of(info.query("timeoutSeconds"));
  if (seconds <= 0)
    seconds = lifetime_min_seconds + static_cast<std::int64_t>(random_.below(lifetime_min_seconds));
  WatchStream stream(executor_, std::move(*subscription), rest_, *rendering,
                     info.flag("allowWatchBookmarks") || flags.initial_events);
  base::TaskGroup group(executor_);
  group.spawn(stream.watch_peer(responder));
  std::exception_ptr failure;
  try {
    co_await stream.run(responder, registry_, clock_, clock_.now() + std::chrono::seconds(seconds));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
  group.cancel();
  co_await group.join();
  if (failure) co_return end_early(failure, responder);
  (void)co_await responder.finish();
}

}  // namespace serin::local
