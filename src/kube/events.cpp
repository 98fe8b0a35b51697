#include "kube/events.h"

#include <fmt/format.h>

#include <algorithm>

namespace serin::kube {

using base::Duration;
using base::Errc;
using base::fail;
using base::MonoTime;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

namespace {

constexpr Duration first_pause = 1s;
constexpr Duration longest_pause = 10s;

std::string_view name_of(EventType type) {
  return type == EventType::normal ? "Normal" : "Warning";
}

}  // namespace

EventTarget EventTarget::of(const Json& object) {
  return {object["apiVersion"].str(), object["kind"].str(), namespace_of(object),
          kube::name_of(object),      uid_of(object),       resource_version_of(object)};
}

struct EventRecorder::Entry {
  EventTarget target;
  EventType type = EventType::normal;
  std::string message;
  EventIdentity identity;
  std::string event_name;  ///< once written
  int count = 0;
  base::WallTime first, last;
  MonoTime written_at{};
  bool queued = false;
  std::uint64_t used = 0;  ///< larger: more recently
};

EventRecorder::EventRecorder(Api& api, base::Clock& clock, base::Random& random, base::Logger log,
                             EventOptions options, base::Executor executor)
    : api_(api),
      clock_(clock),
      random_(random),
      log_(std::move(log)),
      options_(std::move(options)),
      work_(executor),
      idle_(executor) {}

// --- Recording

void EventRecorder::record(EventTarget target, EventType type, std::string message, EventIdentity identity) {
  const bool merges = identity.id.empty();
  const Key key{target.kind, target.ns, target.name, target.uid, type, message};
  const auto known = merges ? entries_.find(key) : entries_.end();
  const bool is_new = known == entries_.end();
  if (is_new && queue_.size() >= options_.queue_max) {
    if (dropped_++ == 0) log_.error("events are lost: the API takes them too slowly");
    return;
  }
  const std::shared_ptr<Entry> entry = is_new ? std::make_shared<Entry>() : known->second;
  if (is_new) {
    entry->type = type;
    entry->message = std::move(message);
    entry->identity = std::move(identity);
    entry->first = clock_.wall_now();
  }
  if (is_new && merges) {
    if (entries_.size() >= options_.remembered_max) forget_oldest();
    entries_.emplace(key, entry);
  }
  entry->target = std::move(target);
  entry->last = clock_.wall_now();
  entry->used = ++uses_;
  ++entry->count;
  if (std::exchange(entry->queued, true)) return;
  (entry->event_name.empty() ? queue_ : repeats_).push_back(entry);
  work_.notify();
}

void EventRecorder::forget_oldest() {
  // Entries that wait to be written are kept alive by their queue.
  const auto oldest =
      std::ranges::min_element(entries_, {}, [](const auto& item) { return item.second->used; });
  entries_.erase(oldest);
}

// --- Writing

bool EventRecorder::is_idle() const {
  return queue_.empty() && repeats_.empty() && !writing_;
}

Task<void> EventRecorder::run() {
  while (true) {
    std::shared_ptr<Entry> entry = take_due();
    if (entry) {
      writing_ = true;
      co_await write(std::move(entry));
      writing_ = false;
    } else if (is_idle()) {
      idle_.notify();
      co_await work_.wait();
    } else {
      co_await work_.wait_until(clock_, next_repeat());
    }
  }
}

/// What is to be written now: new events first, then counts whose time has come.
std::shared_ptr<EventRecorder::Entry> EventRecorder::take_due() {
  std::deque<std::shared_ptr<Entry>>& from = queue_.empty() ? repeats_ : queue_;
  if (from.empty()) return nullptr;
  if (queue_.empty() && !flushing_ && next_repeat() > clock_.now()) return nullptr;
  std::shared_ptr<Entry> entry = std::move(from.front());
  from.pop_front();
  return entry;
}

/// When the next count update is due. They are written in the order they were recorded, so that the first
/// one's time serves for all.
MonoTime EventRecorder::next_repeat() const {
  return repeats_.front()->written_at + options_.repeat_interval;
}

Task<void> EventRecorder::write(std::shared_ptr<Entry> entry) {
  Backoff backoff(random_, first_pause, longest_pause);
  for (int attempt = 1;; ++attempt) {
    const Result<int> written = co_await write_once(entry);
    const bool may_pass =
        !written && (written.error().code == Errc::unavailable || written.error().code == Errc::timeout);
    if (may_pass && attempt < options_.attempts_max) {
      co_await clock_.sleep_for(backoff.next());
      continue;
    }
    entry->queued = written && entry->count != *written;  // recorded again meanwhile
    if (entry->queued) repeats_.push_back(entry);
    if (written) co_return;
    ++dropped_;
    log_.warn(fmt::format("event lost: {}: {}", entry->message, written.error().message));
    co_return;
  }
}

/// Returns the count that was written.
Task<Result<int>> EventRecorder::write_once(std::shared_ptr<Entry> entry) {
  entry->written_at = clock_.now();
  int count = entry->count;
  if (!entry->event_name.empty()) {
    Json patch = Json::object({{"count", count}, {"lastTimestamp", base::format_rfc3339(entry->last)}});
    auto patched = co_await api_.patch(resources::events, entry->target.ns, entry->event_name,
                                       PatchType::merge, std::move(patch), "", {});
    if (patched) co_return count;
    if (patched.error().code != Errc::not_found) co_return fail(std::move(patched.error()));
    // The server has let the old event expire: this is a new one.
    entry->event_name.clear();
    entry->count = count = 1;
    entry->first = entry->last;
  }
  auto created = co_await create(entry);
  if (!created) co_return fail(std::move(created.error()));
  co_return count;
}

Task<Result<void>> EventRecorder::create(std::shared_ptr<Entry> entry) {
  const std::string name = name_for(*entry);
  Json object = event_object(*entry);
  object.set("metadata", "name") = name;
  auto created = co_await api_.create(resources::events, entry->target.ns, std::move(object), {});
  const bool is_there =
      !created && created.error().code == Errc::already_exists && !entry->identity.id.empty();
  if (!created && !is_there) co_return fail(std::move(created.error()));
  entry->event_name = name;
  co_return Result<void>{};
}

Json EventRecorder::event_object(const Entry& entry) const {
  const EventTarget& target = entry.target;
  return Json::object({
      {"apiVersion", "v1"},
      {"kind", "Event"},
      {"metadata", Json::object({{"name", ""}, {"namespace", target.ns}})},
      {"involvedObject", Json::object({{"kind", target.kind},
                                       {"namespace", target.ns},
                                       {"name", target.name},
                                       {"uid", target.uid},
                                       {"apiVersion", target.api_version},
                                       {"resourceVersion", target.resource_version}})},
      {"reason", options_.reason},
      {"message", entry.message},
      {"source", Json::object({{"component", options_.component}})},
      {"firstTimestamp", base::format_rfc3339(entry.first)},
      {"lastTimestamp", base::format_rfc3339(entry.last)},
      {"count", entry.count},
      {"type", name_of(entry.type)},
      {"eventTime", nullptr},
      {"reportingComponent", options_.component},
      {"reportingInstance", ""},
  });
}

std::string EventRecorder::name_for(const Entry& entry) {
  if (!entry.identity.id.empty()) return fmt::format("{}.{}", entry.target.name, entry.identity.id);
  const auto since_epoch = clock_.wall_now().time_since_epoch();
  const std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
  last_stamp_ = std::max(now, last_stamp_ + 1);
  return fmt::format("{}.{:x}", entry.target.name, last_stamp_);
}

// --- Shutdown

Task<bool> EventRecorder::flush(MonoTime deadline) {
  flushing_ = true;
  work_.notify();
  while (!is_idle() && clock_.now() < deadline) co_await idle_.wait_until(clock_, deadline);
  flushing_ = false;
  co_return is_idle();
}

}  // namespace serin::kube
