#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/log.h"
#include "base/random.h"
#include "base/task.h"
#include "canary/action.h"
#include "kube/api.h"
#include "kube/cache.h"

namespace serin::controller {

using base::Json;

/// The controller's view of the cluster: a list+watch cache a kind, with our own writes laid over it until
/// the watch has brought them back, so that a turn never decides on what it has itself made outdated. Reading
/// costs no request.
class World {
 public:
  using Value = kube::Cache::Value;
  /// Called after an object of this kind has changed.
  using Listener = std::function<void(const kube::Resource&, const kube::ObjectRef&)>;

  World(kube::Api& api, base::Clock& clock, base::Random& random, base::Logger log, base::Executor executor,
        std::string ns);

  /// Keeps the caches; until cancelled.
  base::Task<void> run();
  /// Returns when every cache has listed its kind once (kinds that the server doesn't offer are not waited
  /// for).
  base::Task<void> wait_synced();
  void listen(Listener listener) { listener_ = std::move(listener); }

  /// The object as we know it, or null.
  [[nodiscard]] Value find(const kube::Resource& resource, const kube::ObjectRef& ref) const;
  [[nodiscard]] std::vector<Value> all(const kube::Resource& resource) const;
  /// Whether the server offers this kind.
  [[nodiscard]] bool offers(const kube::Resource& resource) const;

  /// Notes what the API answered to a write of ours.
  void wrote(const kube::Resource& resource, Json object);
  void removed(const kube::Resource& resource, const kube::ObjectRef& ref);

  [[nodiscard]] kube::Api& api() { return api_; }

 private:
  struct Kind {
    std::unique_ptr<kube::Cache> cache;
    std::map<kube::ObjectRef, Value> written;  ///< newer than what the cache has; null: deleted by us
  };
  void add(const kube::Resource& resource, kube::CacheOptions options);
  [[nodiscard]] const Kind* kind_of(const kube::Resource& resource) const;

  kube::Api& api_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  base::TaskGroup group_;
  std::map<std::string, Kind> kinds_;  ///< by group_resource()
  Listener listener_;
};

}  // namespace serin::controller
