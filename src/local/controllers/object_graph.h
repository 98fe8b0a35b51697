#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "kube/api.h"

namespace serin::local {

using kube::Json;

struct OwnerRef {
  std::string api_version, kind, name, uid;
  bool blocks = false;  ///< blockOwnerDeletion
  Json reference;       ///< as it stands in the object
};

/// What garbage collection needs to know of an object.
struct GraphNode {
  kube::Resource resource;
  kube::ObjectRef ref;
  std::string uid, resource_version;
  std::vector<OwnerRef> owners;
  std::set<std::string> finalizers;
  bool deleting = false;

  /// Deleted with propagation Foreground: it waits for its dependents to go first.
  [[nodiscard]] bool waits_for_dependents() const {
    return deleting && finalizers.contains("foregroundDeletion");
  }
};

/// Every object of the cluster and who owns whom, from its metadata.
class ObjectGraph {
 public:
  void put(const kube::Resource& resource, const Json& object);
  void erase(const std::string& uid);
  /// Null if there is none.
  [[nodiscard]] const GraphNode* find(const std::string& uid) const;
  /// The uids of those that name this uid as an owner.
  [[nodiscard]] const std::set<std::string>& dependents(const std::string& uid) const;
  [[nodiscard]] std::vector<const GraphNode*> in_namespace(const std::string& ns) const;

 private:
  void unlink(const GraphNode& node);

  std::map<std::string, GraphNode> nodes_;
  std::map<std::string, std::set<std::string>> dependents_;
  std::map<std::string, std::set<std::string>> by_namespace_;
  const std::set<std::string> no_dependents_;
};

/// What garbage collection does about one object.
struct Verdict {
  enum class Kind {
    keep,
    look_up,  ///< ask the API server whether `owners` exist: the graph doesn't know them
    patch,    ///< metadata only; carries the resourceVersion
    remove,   ///< with `propagation`
  };
  Kind kind = Kind::keep;
  std::vector<OwnerRef> owners = {};
  Json patch = {};
  std::string propagation = {};
};

/// Judges one object by the rules of Kubernetes' garbage collector: an object goes when all its owners are
/// gone (or the last of them waits for its dependents); references to some that are gone are dropped; a
/// deleted object whose finalizers ask for it waits for its dependents (foregroundDeletion) or sets them free
/// (orphan). `known_absent` are the uids of owners that the API server said don't exist.
Verdict judge(const ObjectGraph& graph, const GraphNode& node, const std::set<std::string>& known_absent);

/// {"metadata": {...}} that drops these owners from the object.
Json patch_dropping_owners(const GraphNode& node, const std::set<std::string>& owner_uids);

}  // namespace serin::local
