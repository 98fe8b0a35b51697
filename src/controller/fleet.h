#pragma once

#include <set>

#include "controller/world.h"

namespace serin::controller {

/// How many canaries may be in a run at once: a change that concerns hundreds of them (a shared ConfigMap)
/// must not roll out everything together (scenario 21).
class Fleet {
 public:
  /// `runs_max`: 0 is no limit (flag -max-rollouts).
  Fleet(World& world, std::size_t runs_max) : world_(world), runs_max_(runs_max) {}

  [[nodiscard]] std::size_t runs_max() const { return runs_max_; }
  /// Whether this canary, which is in no run, may begin one. If so its place is kept until leave().
  bool enter(const kube::ObjectRef& ref);
  /// It is in no run.
  void leave(const kube::ObjectRef& ref) { entered_.erase(ref); }

 private:
  World& world_;
  std::size_t runs_max_;
  std::set<kube::ObjectRef> entered_;
};

}  // namespace serin::controller
