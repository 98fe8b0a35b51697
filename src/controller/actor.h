#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "canary/machine.h"
#include "controller/effects.h"

namespace serin::controller {

/// One canary in motion: turns, strictly one after the other, whenever something it depends on has changed or
/// its time has come. Different canaries run side by side.
class Actor {
 public:
  Actor(Shared& shared, kube::ObjectRef ref, canary::SpecDefaults defaults, base::Executor executor);

  /// Until cancelled, or until the Canary is gone.
  base::Task<void> run();
  /// Something it depends on may have changed.
  void notify() { wakeup_.notify(); }
  /// Why it must not act although its spec is sound; empty: it may.
  void set_conflict(std::string text);
  /// What its turns depend on: "deployments.apps/podinfo".
  [[nodiscard]] bool depends_on(const kube::Resource& resource, const std::string& name) const;
  [[nodiscard]] const kube::ObjectRef& ref() const { return ref_; }
  /// "Deployment/podinfo": two canaries with one target is one too many.
  [[nodiscard]] std::string target() const;

 private:
  base::Task<void> turn(World::Value canary);
  base::Task<bool> ensure_finalizer(World::Value canary);
  base::Task<void> write_off();
  /// Chooses router and kind of target by the spec, and follows what they look at; what is wrong with the
  /// choice.
  base::Task<std::vector<std::string>> equip(World::Value canary);
  /// As World::follow() of what is required; a right that is missing is told before it is waited for.
  base::Task<bool> follow(kube::Resource resource, World::Value canary);

  Shared& shared_;
  kube::ObjectRef ref_;
  canary::SpecDefaults defaults_;
  base::Wakeup wakeup_;
  Announcements announcements_;
  canary::Memory memory_;
  std::optional<base::MonoTime> wake_;
  canary::Spec spec_;
  std::set<std::string> configs_;   ///< "configmaps/name" of what the target uses
  std::set<std::string> refusals_;  ///< kinds that are known to be refused
  std::string conflict_;
  std::string provider_;  ///< that routers_ are for
  std::vector<std::unique_ptr<routing::Router>> routers_;
  const routing::Router* router_ = nullptr;  ///< one of routers_
  std::unique_ptr<workload::Kind> kind_;
};

}  // namespace serin::controller
