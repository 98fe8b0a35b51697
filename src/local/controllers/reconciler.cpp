#include "local/controllers/reconciler.h"

#include <fmt/format.h>

#include <algorithm>

#include "local/controllers/objects.h"

namespace serin::local {

using base::Errc;
using base::MonoTime;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

Reconciler::Reconciler(Setup setup, kube::Api& api, base::Clock& clock, EventWriter& events, base::Logger log,
                       base::Executor executor)
    : setup_(std::move(setup)),
      api_(api),
      clock_(clock),
      events_(events),
      log_(log.with("component", setup_.component)),
      wakeup_(std::move(executor)) {}

void Reconciler::enqueue(const ObjectRef& key) {
  Item& item = items_[key];
  // What failed keeps its back-off: a storm of events must not become a storm of attempts.
  if (item.failures > 1 && item.due) return;
  look_at(item, clock_.now());
}

void Reconciler::look_at(Item& item, MonoTime time) {
  if (!item.due || time < *item.due) item.due = time;
  wakeup_.notify();
}

std::optional<ObjectRef> Reconciler::next_due() const {
  const MonoTime now = clock_.now();
  const std::pair<const ObjectRef, Item>* first = nullptr;
  for (const auto& entry : items_) {
    if (!entry.second.due || *entry.second.due > now) continue;
    if (!first || *entry.second.due < *first->second.due) first = &entry;
  }
  if (!first) return std::nullopt;
  return first->first;
}

std::optional<MonoTime> Reconciler::earliest() const {
  std::optional<MonoTime> time;
  for (const auto& [key, item] : items_) {
    if (item.due && (!time || *item.due < *time)) time = item.due;
  }
  return time;
}

Task<void> Reconciler::run() {
  while (true) {
    const std::optional<ObjectRef> key = next_due();
    if (key) {
      co_await look(*key);
      continue;
    }
    const std::optional<MonoTime> time = earliest();
    if (time) {
      co_await wakeup_.wait_until(clock_, *time);
    } else {
      co_await wakeup_.wait();
    }
  }
}

Task<void> Reconciler::look(ObjectRef key) {
  Item& item = items_[key];
  item.due.reset();
  std::erase_if(item.expected, setup_.has_seen);
  if (!item.expected.empty()) co_return;  // the event that fulfils it comes back here

  const Json* object = setup_.find(key);
  if (!object) {
    items_.erase(key);
    co_return;
  }
  Json copy = *object;
  const base::WallTime wall_now = clock_.wall_now();
  Plan plan = setup_.decide(copy, wall_now);
  if (plan.wake) look_at(item, clock_.now() + std::max<base::Duration>(*plan.wake - wall_now, 0ns));
  const bool done = co_await carry_out(key, std::move(copy), std::move(plan));
  // Nothing erases an item but this task, so that `item` is still there.
  if (done) {
    item.failures = 0;
    co_return;
  }
  const auto pause = std::min<base::Duration>(5ms * (1 << std::min(item.failures, 13)), 30s);
  ++item.failures;
  item.due.reset();
  look_at(item, clock_.now() + pause);
}

Task<bool> Reconciler::carry_out(ObjectRef key, Json object, Plan plan) {
  for (Notice& notice : plan.notices) co_await events_.write(setup_.component, object, std::move(notice));
  for (const Write& write : plan.writes) {
    Result<Json> written = co_await apply(write);
    const bool gone_already =
        write.verb == Write::Verb::remove && !written && written.error().code == Errc::not_found;
    const bool failed = !written && !gone_already;
    if (setup_.observe_write) setup_.observe_write(key, write, failed ? written.error().message : "");
    if (failed) {
      const auto& [code, message] = written.error();
      log_.debug(fmt::format("{} {}: {}", key.dotted(), base::name_of(code), message));
      if (write.failure_notice && code != Errc::conflict) {
        Notice notice = *write.failure_notice;
        notice.message += ": " + message;
        co_await events_.write(setup_.component, object, std::move(notice));
      }
      co_return false;
    }
    const Json& subject = write.verb == Write::Verb::remove ? write.object : *written;
    const std::int64_t version = write.verb == Write::Verb::remove ? 0 : version_number(subject);
    items_[key].expected.push_back({write.resource, kube::ref_of(subject), kube::uid_of(subject), version});
    if (write.notice) co_await events_.write(setup_.component, object, *write.notice);
  }
  co_return true;
}

Task<Result<Json>> Reconciler::apply(Write write) {
  using Verb = Write::Verb;
  const ObjectRef ref = kube::ref_of(write.object);
  const kube::WriteOptions options{.field_manager = setup_.component};
  switch (write.verb) {
    case Verb::create: {
      auto created = co_await api_.create(write.resource, ref.ns, std::move(write.object), options);
      co_return created;
    }
    case Verb::replace:
    case Verb::replace_status: {
      const char* subresource = write.verb == Verb::replace ? "" : "status";
      auto replaced = co_await api_.replace(write.resource, std::move(write.object), subresource, options);
      co_return replaced;
    }
    case Verb::finalize: {
      auto finalized = co_await finalize(std::move(write));
      co_return finalized;
    }
    case Verb::merge: {
      auto patched = co_await api_.patch(write.resource, ref.ns, ref.name, kube::PatchType::merge,
                                         std::move(write.object), "", options);
      co_return patched;
    }
    case Verb::remove:
      break;
  }
  kube::DeleteOptions removal;
  removal.uid = kube::uid_of(write.object);
  removal.propagation = write.propagation;
  const auto removed = co_await api_.remove(write.resource, ref.ns, ref.name, removal);
  if (!removed) co_return base::fail(removed.error());
  co_return Json();
}

Task<Result<Json>> Reconciler::finalize(Write write) {
  // A cache may lag behind; whatever it missed would outlive its namespace for good.
  const std::string ns = kube::name_of(write.object);
  kube::ListOptions one;
  one.limit = 1;
  one.metadata_only = true;
  std::vector<kube::Resource> kinds;
  if (setup_.contents) kinds = setup_.contents();
  for (const kube::Resource& kind : kinds) {
    const auto left = co_await api_.list(kind, ns, one);
    if (left && !left->items.empty()) {
      co_return base::fail(Errc::conflict,
                           fmt::format("namespace {} still has {}", ns, kind.group_resource()));
    }
  }
  const kube::WriteOptions options{.field_manager = setup_.component};
  auto finalized = co_await api_.replace(write.resource, std::move(write.object), "finalize", options);
  co_return finalized;
}

}  // namespace serin::local
