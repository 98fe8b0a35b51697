#pragma once

#include <string>

#include "controller/ports.h"
#include "controller/world.h"

namespace serin::controller {

/// The objects around one canary: as the world knows them, and as we write them.
class Objects {
 public:
  Objects(World& world, Announcer& announcer, const canary::Spec& spec)
      : world_(world), announcer_(announcer), spec_(spec) {}

  /// The object as the world knows it, or null: missing, on its way out, or of an earlier Canary of this
  /// name.
  [[nodiscard]] World::Value find(const kube::Resource& resource, const kube::ObjectRef& ref) const;
  /// The same in the canary's namespace.
  [[nodiscard]] World::Value find(const kube::Resource& resource, const std::string& name) const;

  /// Creates, replaces, removes or patches, and lets the world know. Errors are "<attempt>: <API's text>";
  /// `done` is logged afterwards, unless it is empty.
  base::Task<canary::Done> create(kube::Resource resource, Json object, std::string attempt,
                                  std::string done);
  base::Task<canary::Done> replace(kube::Resource resource, Json object, std::string attempt,
                                   std::string done);
  /// What is gone already is removed.
  base::Task<canary::Done> remove(kube::Resource resource, Json object, std::string attempt,
                                  std::string done);
  base::Task<canary::Done> patch(kube::Resource resource, std::string name, Json merge, std::string attempt,
                                 std::string done);

  /// Reads the object now, and lets the world know: after a conflict the watch may be behind.
  base::Task<void> refresh(kube::Resource resource, kube::ObjectRef ref);

  [[nodiscard]] kube::Api& api() { return world_.api(); }
  void note(std::string text) { announcer_.note(spec_, {std::move(text)}); }

 private:
  canary::Done conclude(const kube::Resource& resource, base::Result<Json> written,
                        const std::string& attempt, std::string done);

  World& world_;
  Announcer& announcer_;
  const canary::Spec& spec_;
};

}  // namespace serin::controller
