#include "local/controllers/mirror.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "local/controllers/objects.h"

namespace serin::local {

using base::Errc;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

Mirror::Mirror(kube::Api& api, base::Clock& clock, base::Logger log, kube::Resource resource,
               kube::ListOptions options)
    : api_(api),
      clock_(clock),
      log_(std::move(log)),
      resource_(std::move(resource)),
      options_(std::move(options)) {}

const Json* Mirror::find(const ObjectRef& ref) const {
  const auto found = objects_.find(ref);
  return found == objects_.end() ? nullptr : &found->second;
}

Objects Mirror::all() const {
  Objects objects;
  for (const auto& [ref, object] : objects_) objects.push_back(&object);
  return objects;
}

Objects Mirror::in_namespace(const std::string& ns) const {
  Objects objects;
  for (auto it = objects_.lower_bound({ns, ""}); it != objects_.end() && it->first.ns == ns; ++it) {
    objects.push_back(&it->second);
  }
  return objects;
}

bool Mirror::has_seen(const Expectation& expected) const {
  const Json* object = find(expected.ref);
  const bool present = object && kube::uid_of(*object) == expected.uid;
  if (expected.version == 0) return !present || kube::is_being_deleted(*object);
  return present ? version_number(*object) >= expected.version : version_ >= expected.version;
}

Task<void> Mirror::run() {
  base::Duration pause = 0ms;
  while (true) {
    if (pause > 0ms) co_await clock_.sleep_for(pause);
    Result<void> done;
    if (position_.empty()) {
      done = co_await list();
      if (done || done.error().code == Errc::not_found) set_synced();
    } else {
      done = co_await follow();
    }
    if (done) {
      pause = 0ms;
      continue;
    }
    const Errc code = done.error().code;
    if (code == Errc::not_found) {
      while (!objects_.empty()) erase(ObjectRef(objects_.begin()->first));
      position_.clear();
      co_return;
    }
    if (code == Errc::gone) position_.clear();
    log_.debug(fmt::format("{}: {}", resource_.group_resource(), done.error().message));
    pause = std::clamp<base::Duration>(pause * 2, 10ms, 5s);
  }
}

void Mirror::set_synced() {
  if (!std::exchange(synced_, true) && synced_listener_) synced_listener_();
}

Task<Result<void>> Mirror::list() {
  auto listed = co_await api_.list(resource_, "", options_);
  if (!listed) co_return base::fail(listed.error());
  std::set<ObjectRef> present;
  for (const Json& object : listed->items) {
    present.insert(kube::ref_of(object));
    put(object);
  }
  std::vector<ObjectRef> missing;
  for (const auto& [ref, object] : objects_) {
    if (!present.contains(ref)) missing.push_back(ref);
  }
  for (const ObjectRef& ref : missing) erase(ref);
  position_ = listed->resource_version;
  std::int64_t version = 0;
  std::from_chars(position_.data(), position_.data() + position_.size(), version);
  version_ = std::max(version_, version);
  co_return Result<void>();
}

Task<Result<void>> Mirror::follow() {
  auto watch = co_await api_.watch(resource_, "", position_, options_);
  if (!watch) co_return base::fail(watch.error());
  while (true) {
    auto event = co_await (*watch)->next();
    if (!event) co_return base::fail(event.error());
    if (!event->has_value()) co_return Result<void>();
    take(**event);
  }
}

void Mirror::take(const kube::WatchEvent& event) {
  position_ = kube::resource_version_of(event.object);
  version_ = std::max(version_, version_number(event.object));
  switch (event.type) {
    case kube::WatchEventType::added:
    case kube::WatchEventType::modified:
      return put(event.object);
    case kube::WatchEventType::deleted:
      return erase(kube::ref_of(event.object));
    case kube::WatchEventType::bookmark:
      return;
  }
}

void Mirror::put(const Json& object) {
  Json kept = trim_ ? trim_(object) : object;
  const auto [place, is_new] = objects_.try_emplace(kube::ref_of(object));
  const Json before = std::exchange(place->second, std::move(kept));
  if (!is_new && kube::resource_version_of(before) == kube::resource_version_of(place->second)) return;
  for (const Listener& listener : listeners_) listener(is_new ? nullptr : &before, &place->second);
}

void Mirror::erase(const ObjectRef& ref) {
  auto node = objects_.extract(ref);
  if (node.empty()) return;
  for (const Listener& listener : listeners_) listener(&node.mapped(), nullptr);
}

}  // namespace serin::local
