#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "kube/api.h"
#include "kube/backoff.h"

namespace serin::kube {

struct CacheOptions {
  std::string ns;  ///< empty: all namespaces
  std::string label_selector, field_selector;
  bool metadata_only = false;
  /// Drops what the owner does not use from each object before it is kept; managedFields are always dropped.
  std::function<void(Json&)> prune;
  int page_size = 500;
};

struct CacheStatus {
  bool synced = false;       ///< everything has been listed once
  bool api_missing = false;  ///< the server does not know this kind: its CRD is not installed
  bool forbidden = false;    ///< this account has no right to list or watch it
  std::string problem;       ///< why the view may be outdated right now; empty: it is followed
};

/// All objects of one kind, kept up to date by list and watch.
///
/// Every change reaches the observers once, in the API's order; changes that happened while the connection
/// was lost are found by comparing with a new list (several changes of one object then arrive as one; an
/// object that was deleted and created anew arrives as both). While the server cannot be reached, or has lost
/// the kind, what was known stays.
class Cache {
 public:
  using Value = std::shared_ptr<const Json>;
  /// Called with the object before and after the change: (null, new), (old, new), (old, null).
  using Observer = std::function<void(const ObjectRef& ref, const Value& before, const Value& after)>;

  Cache(Api& api, base::Clock& clock, base::Random& random, base::Logger log, Resource resource,
        CacheOptions options, base::Executor executor);
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  /// Lists and watches until cancelled.
  base::Task<void> run();

  /// The object, or null. A Value stays as it is while the cache moves on.
  [[nodiscard]] Value get(const ObjectRef& ref) const;
  /// All objects of one namespace, or of all, sorted.
  [[nodiscard]] std::vector<Value> list(std::string_view ns = {}) const;
  [[nodiscard]] bool synced() const { return status_.synced; }
  [[nodiscard]] const CacheStatus& status() const { return status_; }
  [[nodiscard]] const Resource& resource() const { return resource_; }
  /// Returns once everything has been listed (one waiter at a time).
  base::Task<void> wait_synced();

  /// Objects already known are announced at once, as new ones. The observer must not call back into the
  /// cache to subscribe, and outlives it.
  void subscribe(Observer observer);

 private:
  base::Task<base::Result<void>> relist();
  base::Task<base::Result<void>> follow();
  void replace_all(std::vector<Json> items);
  void apply(WatchEvent event);
  void store(Json object);
  void drop(const ObjectRef& ref, Value last);
  void announce(const ObjectRef& ref, const Value& before, const Value& after);
  base::Duration pause_after(const base::Error& error);
  [[nodiscard]] ListOptions list_options() const;

  Api& api_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  Resource resource_;
  CacheOptions options_;
  Backoff backoff_;
  base::Wakeup first_sync_;
  CacheStatus status_;
  std::string version_;  ///< where the next watch starts; empty: list first
  std::map<ObjectRef, Value> objects_;
  std::vector<Observer> observers_;
};

}  // namespace serin::kube
