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

/// The controller's view of the cluster: a list+watch cache for each kind that a canary needs, with our own
/// writes laid over it until the watch has brought them back, so that a turn never decides on what it has
/// itself made outdated. Reading costs no request.
class World {
 public:
  using Value = kube::Cache::Value;
  /// Called after an object of this kind has changed.
  using Listener = std::function<void(const kube::Resource&, const kube::ObjectRef&)>;

  World(kube::Api& api, base::Clock& clock, base::Random& random, base::Logger log, base::Executor executor,
        std::string ns);

  /// Keeps the caches; until cancelled.
  base::Task<void> run();
  /// Whether the Canaries have been listed once.
  [[nodiscard]] bool synced() const;
  /// Returns when they have.
  base::Task<void> wait_synced();
  /// Sees to it that a kind is followed, and waits until it has been listed once. False: the server does not
  /// offer it now; it is found by itself if that changes. What is merely useful is not waited for when it
  /// cannot be listed for any other reason, such as missing rights.
  enum class Need { required, useful };
  base::Task<bool> follow(kube::Resource resource, Need need = Need::required);
  /// Why a kind that is followed has not been listed: a right that is missing. Empty: it has, or another
  /// reason.
  [[nodiscard]] std::string refusal(const kube::Resource& resource) const;
  void listen(Listener listener) { listener_ = std::move(listener); }

  /// The object as we know it, or null.
  [[nodiscard]] Value find(const kube::Resource& resource, const kube::ObjectRef& ref) const;
  [[nodiscard]] std::vector<Value> all(const kube::Resource& resource) const;
  /// Notes what the API answered to a write of ours.
  void wrote(const kube::Resource& resource, Json object);
  void removed(const kube::Resource& resource, const kube::ObjectRef& ref);

  [[nodiscard]] kube::Api& api() { return api_; }

 private:
  struct Kind {
    std::unique_ptr<kube::Cache> cache;
    std::map<kube::ObjectRef, Value> written;  ///< newer than what the cache has; null: deleted by us
  };
  Kind& add(const kube::Resource& resource);
  [[nodiscard]] kube::CacheOptions options_for(const kube::Resource& resource) const;
  [[nodiscard]] const Kind* kind_of(const kube::Resource& resource) const;

  kube::Api& api_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  std::string ns_;
  base::TaskGroup group_;
  std::map<std::string, Kind> kinds_;  ///< by path("")
  Listener listener_;
};

}  // namespace serin::controller
