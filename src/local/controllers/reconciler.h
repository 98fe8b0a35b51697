#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/task.h"
#include "local/controllers/events.h"
#include "local/controllers/plan.h"

namespace serin::local {

/// What a controller has done to an object and must see in its cache before it decides again: deciding on an
/// older state would do it twice.
struct Expectation {
  kube::Resource resource;
  ObjectRef ref;
  std::string uid;
  std::int64_t version = 0;  ///< at least this resourceVersion; 0: gone, or being deleted
};

/// The thin shell around one decision function: a queue of objects to look at, one look at a time, and the
/// plan carried out write by write. The first failure ends a plan; the object is looked at again after a
/// back-off (5 ms, doubling up to 30 s; it starts over with the first plan that succeeds).
class Reconciler {
 public:
  struct Setup {
    std::string component;  ///< who events and writes name: "deployment-controller"
    /// The object, null if it is gone.
    std::function<const Json*(const ObjectRef&)> find;
    std::function<Plan(const Json& object, base::WallTime now)> decide;
    std::function<bool(const Expectation&)> has_seen;
    /// Told of each write's outcome: empty text for success. May be empty.
    std::function<void(const ObjectRef&, const Write&, const std::string& failure)> observe_write = {};
    /// For Write::Verb::finalize: the kinds of which a namespace must be empty. May be empty.
    std::function<std::vector<kube::Resource>()> contents = {};
  };

  Reconciler(Setup setup, kube::Api& api, base::Clock& clock, EventWriter& events, base::Logger log,
             base::Executor executor);

  /// Looks at the object soon.
  void enqueue(const ObjectRef& key);
  /// Looks at the queue until cancelled.
  base::Task<void> run();

 private:
  struct Item {
    std::optional<base::MonoTime> due;  ///< next look; nullopt: none is planned
    int failures = 0;
    std::vector<Expectation> expected;
  };

  [[nodiscard]] std::optional<ObjectRef> next_due() const;
  [[nodiscard]] std::optional<base::MonoTime> earliest() const;
  void look_at(Item& item, base::MonoTime time);
  base::Task<void> look(ObjectRef key);
  base::Task<bool> carry_out(ObjectRef key, Json object, Plan plan);
  base::Task<base::Result<Json>> apply(Write write);
  base::Task<base::Result<Json>> finalize(Write write);

  Setup setup_;
  kube::Api& api_;
  base::Clock& clock_;
  EventWriter& events_;
  base::Logger log_;
  base::Wakeup wakeup_;
  std::map<ObjectRef, Item> items_;
};

}  // namespace serin::local
