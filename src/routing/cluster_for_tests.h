#pragma once

#include <gtest/gtest.h>

#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml.h"
#include "routing/router.h"

namespace serin::base {

/// How gtest shows a document.
inline void PrintTo(const Json& json, std::ostream* out) {
  *out << sorted(json).dump_pretty();
}

}  // namespace serin::base

namespace serin::routing {

inline Json yaml(std::string_view text) {
  return base::parse_yaml(text).value().at(0);
}

/// The Canary of spec 05's examples: podinfo in namespace test, port 9898.
inline canary::Spec podinfo() {
  canary::Spec spec;
  spec.name = spec.target_name = spec.service.name = "podinfo";
  spec.ns = "test";
  spec.uid = "u1";
  spec.service.port = 9898;
  spec.service.target_port = 9898;
  return spec;
}

inline const workload::SelectorLabel label{"app", "podinfo"};

/// The metadata of an object that the Canary of the examples owns.
inline Json owned(std::string_view name) {
  Json metadata = Json::object({{"name", name}, {"namespace", "test"}});
  metadata.set("ownerReferences") = yaml(
      "[{apiVersion: flagger.app/v1beta1, kind: Canary, name: podinfo, uid: u1, controller: true, "
      "blockOwnerDeletion: true}]");
  return metadata;
}

inline void add_members(Json& object, const Json& more) {
  for (const Json::Member& member : more.members()) object.set(member.key) = member.value;
}

/// Objects as a server would hold them, and a router that works on them.
class Cluster {
 public:
  explicit Cluster(canary::Spec wanted = podinfo()) : spec(std::move(wanted)) {}

  canary::Spec spec;
  canary::Affinity affinity;

  void put(const kube::Resource& resource, Json object) {
    objects_[resource.path(kube::namespace_of(object), kube::name_of(object))] = std::move(object);
  }
  void remove(const kube::Resource& resource, const std::string& name) {
    objects_.erase(resource.path("test", name));
  }
  /// Null if there is none.
  [[nodiscard]] Json get(const kube::Resource& resource, const std::string& name) const {
    const auto found = objects_.find(resource.path("test", name));
    return found == objects_.end() ? Json() : found->second;
  }
  [[nodiscard]] Situation situation() const {
    return {spec, label, affinity, [this](const kube::Resource& resource, const kube::ObjectRef& ref) {
              const auto found = objects_.find(resource.path(ref.ns, ref.name));
              return found == objects_.end() ? nullptr : &found->second;
            }};
  }

  /// Carries writes out; their log lines, or the error.
  std::vector<std::string> apply(const base::Result<Writes>& writes) {
    if (!writes) return {"error: " + writes.error().message};
    std::vector<std::string> log;
    for (const Write& write : *writes) {
      const std::string path =
          write.resource.path(kube::namespace_of(write.object), kube::name_of(write.object));
      EXPECT_NE(objects_.contains(path), write.verb == Write::Verb::create) << path;
      if (write.verb == Write::Verb::remove) {
        objects_.erase(path);
      } else {
        objects_[path] = write.object;
      }
      log.push_back(write.done);
    }
    return log;
  }
  std::vector<std::string> reconcile(const Router& router) { return apply(router.reconcile(situation())); }
  std::vector<std::string> set(const Router& router, canary::Routes routes) {
    return apply(router.set(situation(), routes));
  }
  /// "90/10", "100/0 mirrored", "none" or the error.
  [[nodiscard]] std::string read(const Router& router) const {
    const base::Result<std::optional<canary::Routes>> routes = router.read(situation());
    if (!routes) return "error: " + routes.error().message;
    if (!*routes) return "none";
    const canary::Routes& found = **routes;
    return std::to_string(found.primary) + "/" + std::to_string(found.canary) +
           (found.mirrored ? " mirrored" : "");
  }

 private:
  std::map<std::string, Json> objects_;
};

using Lines = std::vector<std::string>;

}  // namespace serin::routing
