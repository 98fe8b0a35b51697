#pragma once

#include <functional>
#include <map>

#include "base/log.h"
#include "base/task.h"
#include "local/controllers/plan.h"
#include "local/controllers/reconciler.h"

namespace serin::local {

/// All objects of one resource, kept up to date by list and watch. Costs no request while nothing changes.
class Mirror {
 public:
  /// `before` is null for a new object, `after` for one that is gone.
  using Listener = std::function<void(const Json* before, const Json* after)>;

  Mirror(kube::Api& api, base::Clock& clock, base::Logger log, kube::Resource resource,
         kube::ListOptions options = {});

  /// Before run(). With `trim`, what is kept of each object; absent: all of it.
  void on_change(Listener listener) { listeners_.push_back(std::move(listener)); }
  /// Told when is_synced() becomes true.
  void on_synced(std::function<void()> listener) { synced_listener_ = std::move(listener); }
  void keep_only(std::function<Json(const Json&)> trim) { trim_ = std::move(trim); }

  [[nodiscard]] const kube::Resource& resource() const { return resource_; }
  [[nodiscard]] const Json* find(const ObjectRef& ref) const;
  [[nodiscard]] Objects all() const;
  [[nodiscard]] Objects in_namespace(const std::string& ns) const;
  [[nodiscard]] bool has_seen(const Expectation& expectation) const;
  /// The first list is complete, or the server doesn't serve the resource.
  [[nodiscard]] bool is_synced() const { return synced_; }

  /// Until cancelled; ends by itself, with nothing left, when the server does not serve the resource.
  base::Task<void> run();

 private:
  base::Task<base::Result<void>> list();
  base::Task<base::Result<void>> follow();
  void take(const kube::WatchEvent& event);
  void set_synced();
  void put(const Json& object);
  void erase(const ObjectRef& ref);

  kube::Api& api_;
  base::Clock& clock_;
  base::Logger log_;
  const kube::Resource resource_;
  const kube::ListOptions options_;
  std::vector<Listener> listeners_;
  std::function<Json(const Json&)> trim_;
  std::function<void()> synced_listener_;
  std::map<ObjectRef, Json> objects_;
  std::string position_;      // where the next watch starts
  std::int64_t version_ = 0;  // the highest seen
  bool synced_ = false;
};

}  // namespace serin::local
