#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/log.h"
#include "controller/actor.h"

namespace serin::controller {

/// Drives every Canary of the World: an actor each, woken by what it depends on. Of two canaries with one
/// target only the older acts. A bug in one canary's turn is logged and stops no other canary.
class Controller {
 public:
  Controller(Shared& shared, canary::SpecDefaults defaults, base::Logger log, base::Executor executor);

  /// Until cancelled. The World must be running.
  base::Task<void> run();
  /// How many canaries there are, by namespace.
  [[nodiscard]] std::map<std::string, int> counts() const;

 private:
  void changed(const kube::Resource& resource, const kube::ObjectRef& ref);
  void start(const kube::ObjectRef& ref);
  base::Task<void> drive(kube::ObjectRef ref);
  void settle_conflicts(const std::string& ns);

  Shared& shared_;
  canary::SpecDefaults defaults_;
  base::Logger log_;
  base::TaskGroup group_;
  std::map<std::string, std::map<std::string, std::unique_ptr<Actor>>> actors_;  ///< by namespace and name
};

}  // namespace serin::controller
