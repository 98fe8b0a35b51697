#include "kube/cache.h"

#include <fmt/format.h>

namespace serin::kube {

using base::Duration;
using base::Errc;
using base::fail;
using base::MonoTime;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

namespace {

constexpr Duration first_pause = 250ms;
constexpr Duration longest_pause = 30s;
constexpr Duration missing_api_pause = 20s;  // somebody may install the CRD any time
/// A watch that ends sooner than this without a word does not count as a success: it must not spin.
constexpr Duration short_watch = 1s;

}  // namespace

Cache::Cache(Api& api, base::Clock& clock, base::Random& random, base::Logger log, Resource resource,
             CacheOptions options, base::Executor executor)
    : api_(api),
      clock_(clock),
      random_(random),
      log_(std::move(log)),
      resource_(std::move(resource)),
      options_(std::move(options)),
      backoff_(random, first_pause, longest_pause),
      first_sync_(std::move(executor)) {}

// --- Reading

Cache::Value Cache::get(const ObjectRef& ref) const {
  const auto found = objects_.find(ref);
  return found == objects_.end() ? nullptr : found->second;
}

std::vector<Cache::Value> Cache::list(std::string_view ns) const {
  std::vector<Value> values;
  auto at = ns.empty() ? objects_.begin() : objects_.lower_bound({std::string(ns), ""});
  for (; at != objects_.end() && (ns.empty() || at->first.ns == ns); ++at) values.push_back(at->second);
  return values;
}

Task<void> Cache::wait_synced() {
  while (!status_.synced) co_await first_sync_.wait();
}

void Cache::subscribe(Observer observer) {
  for (const auto& [ref, value] : objects_) observer(ref, nullptr, value);
  observers_.push_back(std::move(observer));
}

// --- Following the API

Task<void> Cache::run() {
  while (true) {
    Result<void> outcome;
    if (version_.empty()) outcome = co_await relist();
    if (outcome) outcome = co_await follow();
    if (outcome) continue;
    const base::Error& error = outcome.error();
    // Only a lost connection leaves the version in hand usable.
    if (error.code != Errc::unavailable && error.code != Errc::timeout) version_.clear();
    const Duration pause = pause_after(error);
    co_await clock_.sleep_for(pause);
  }
}

/// Reads everything and finds out what has changed.
Task<Result<void>> Cache::relist() {
  ListOptions options = list_options();
  options.limit = options_.page_size;
  std::vector<Json> items;
  while (true) {
    auto page = co_await api_.list(resource_, options_.ns, options);
    if (!page) co_return fail(std::move(page.error()));
    std::move(page->items.begin(), page->items.end(), std::back_inserter(items));
    version_ = page->resource_version;
    options.continue_token = page->continue_token;
    if (options.continue_token.empty()) break;
    version_.clear();  // a list that breaks off is no place to watch from
  }
  replace_all(std::move(items));
  if (!std::exchange(status_.synced, true)) first_sync_.notify();
  co_return Result<void>{};
}

/// Follows one watch to its end.
Task<Result<void>> Cache::follow() {
  const MonoTime since = clock_.now();
  auto watch = co_await api_.watch(resource_, options_.ns, version_, list_options());
  if (!watch) co_return fail(std::move(watch.error()));
  if (!status_.problem.empty()) log_.info(fmt::format("watching {} again", resource_.group_resource()));
  status_.problem.clear();
  status_.api_missing = false;
  status_.forbidden = false;
  bool heard = false;
  while (true) {
    auto event = co_await (*watch)->next();
    if (!event) co_return fail(std::move(event.error()));
    if (!event->has_value()) break;
    heard = true;
    backoff_.reset();
    apply(std::move(**event));
  }
  if (!heard && clock_.now() - since < short_watch) {
    co_return fail(Errc::unavailable, fmt::format("watch {}: ended at once", resource_.group_resource()));
  }
  backoff_.reset();
  co_return Result<void>{};
}

Duration Cache::pause_after(const base::Error& error) {
  const bool is_news = status_.problem.empty();
  status_.problem = error.message;
  status_.api_missing = error.code == Errc::not_found;
  status_.forbidden = error.code == Errc::forbidden;
  if (error.code == Errc::gone) {
    if (is_news) log_.debug(fmt::format("listing {} again: {}", resource_.group_resource(), error.message));
  } else if (is_news) {
    log_.warn(fmt::format("cannot follow {}: {}", resource_.group_resource(), error.message));
  }
  if (status_.api_missing) return Backoff::jittered(random_, missing_api_pause);
  return backoff_.next();
}

ListOptions Cache::list_options() const {
  return {.label_selector = options_.label_selector,
          .field_selector = options_.field_selector,
          .metadata_only = options_.metadata_only};
}

// --- Keeping

void Cache::replace_all(std::vector<Json> items) {
  std::map<ObjectRef, Value> vanished = objects_;
  for (const Json& item : items) vanished.erase(ref_of(item));
  for (const auto& [ref, value] : vanished) drop(ref, value);
  for (Json& item : items) store(std::move(item));
}

void Cache::apply(WatchEvent event) {
  if (std::string seen = resource_version_of(event.object); !seen.empty()) version_ = std::move(seen);
  switch (event.type) {
    case WatchEventType::bookmark:
      break;
    case WatchEventType::added:
    case WatchEventType::modified:
      store(std::move(event.object));
      break;
    case WatchEventType::deleted:
      drop(ref_of(event.object), get(ref_of(event.object)));
      break;
  }
}

void Cache::store(Json object) {
  const ObjectRef ref = ref_of(object);
  const Value before = get(ref);
  if (before && uid_of(*before) != uid_of(object)) {
    drop(ref, before);
    store(std::move(object));
    return;
  }
  if (before && resource_version_of(*before) == resource_version_of(object)) return;
  if (Json* metadata = object.find("metadata")) metadata->erase("managedFields");
  if (options_.prune) options_.prune(object);
  const Value after = std::make_shared<const Json>(std::move(object));
  objects_[ref] = after;
  announce(ref, before, after);
}

void Cache::drop(const ObjectRef& ref, Value last) {
  if (objects_.erase(ref) > 0) announce(ref, last, nullptr);
}

void Cache::announce(const ObjectRef& ref, const Value& before, const Value& after) {
  for (const Observer& observer : observers_) observer(ref, before, after);
}

}  // namespace serin::kube
