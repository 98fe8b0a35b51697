#include "local/controllers/object_graph.h"

#include <algorithm>

namespace serin::local {

void ObjectGraph::put(const kube::Resource& resource, const Json& object) {
  GraphNode node;
  node.resource = resource;
  node.ref = kube::ref_of(object);
  node.uid = kube::uid_of(object);
  node.resource_version = kube::resource_version_of(object);
  node.deleting = kube::is_being_deleted(object);
  for (const Json& owner : object.get("metadata", "ownerReferences").items()) {
    node.owners.push_back({owner["apiVersion"].str(), owner["kind"].str(), owner["name"].str(),
                           owner["uid"].str(), owner["blockOwnerDeletion"].bool_or(false), owner});
  }
  for (const Json& finalizer : object.get("metadata", "finalizers").items()) {
    node.finalizers.insert(finalizer.str());
  }
  erase(node.uid);
  for (const OwnerRef& owner : node.owners) dependents_[owner.uid].insert(node.uid);
  by_namespace_[node.ref.ns].insert(node.uid);
  nodes_[node.uid] = std::move(node);
}

void ObjectGraph::erase(const std::string& uid) {
  const auto found = nodes_.find(uid);
  if (found == nodes_.end()) return;
  unlink(found->second);
  nodes_.erase(found);
}

void ObjectGraph::unlink(const GraphNode& node) {
  const auto remove = [&](auto& index, const std::string& key) {
    const auto found = index.find(key);
    if (found == index.end()) return;
    found->second.erase(node.uid);
    if (found->second.empty()) index.erase(found);
  };
  for (const OwnerRef& owner : node.owners) remove(dependents_, owner.uid);
  remove(by_namespace_, node.ref.ns);
}

const GraphNode* ObjectGraph::find(const std::string& uid) const {
  const auto found = nodes_.find(uid);
  return found == nodes_.end() ? nullptr : &found->second;
}

const std::set<std::string>& ObjectGraph::dependents(const std::string& uid) const {
  const auto found = dependents_.find(uid);
  return found == dependents_.end() ? no_dependents_ : found->second;
}

std::vector<const GraphNode*> ObjectGraph::in_namespace(const std::string& ns) const {
  std::vector<const GraphNode*> nodes;
  const auto found = by_namespace_.find(ns);
  if (found == by_namespace_.end()) return nodes;
  for (const std::string& uid : found->second) nodes.push_back(&nodes_.at(uid));
  return nodes;
}

namespace {

Json patch_of(const GraphNode& node, const char* member, Json value) {
  return Json::object(
      {{"metadata", Json::object({{"resourceVersion", node.resource_version}, {member, std::move(value)}})}});
}

Json patch_without_finalizer(const GraphNode& node, const std::string& finalizer) {
  Json left = Json::array();
  for (const std::string& one : node.finalizers) {
    if (one != finalizer) left.push_back(one);
  }
  return patch_of(node, "finalizers", std::move(left));
}

bool blocks(const GraphNode& dependent, const std::string& owner_uid) {
  return std::ranges::any_of(dependent.owners,
                             [&](const OwnerRef& o) { return o.uid == owner_uid && o.blocks; });
}

/// An object that is being deleted: what its own finalizers ask for.
Verdict judge_deleting(const ObjectGraph& graph, const GraphNode& node) {
  const auto& dependents = graph.dependents(node.uid);
  if (node.finalizers.contains("orphan") && dependents.empty()) {
    return {.kind = Verdict::Kind::patch, .patch = patch_without_finalizer(node, "orphan")};
  }
  const bool blocked = std::ranges::any_of(
      dependents, [&](const std::string& uid) { return blocks(*graph.find(uid), node.uid); });
  if (node.waits_for_dependents() && !blocked) {
    return {.kind = Verdict::Kind::patch, .patch = patch_without_finalizer(node, "foregroundDeletion")};
  }
  return {};
}

/// The propagation a removal goes on with: what its finalizers already say, else `otherwise`.
std::string propagation_of(const GraphNode& node, const char* otherwise) {
  if (node.finalizers.contains("orphan")) return "Orphan";
  if (node.finalizers.contains("foregroundDeletion")) return "Foreground";
  return otherwise;
}

}  // namespace

Json patch_dropping_owners(const GraphNode& node, const std::set<std::string>& owner_uids) {
  Json left = Json::array();
  for (const OwnerRef& owner : node.owners) {
    if (!owner_uids.contains(owner.uid)) left.push_back(owner.reference);
  }
  return patch_of(node, "ownerReferences", std::move(left));
}

Verdict judge(const ObjectGraph& graph, const GraphNode& node, const std::set<std::string>& known_absent) {
  std::set<std::string> freed, gone, waiting;
  std::size_t solid = 0;
  std::vector<OwnerRef> unknown;
  for (const OwnerRef& owner : node.owners) {
    const GraphNode* found = graph.find(owner.uid);
    const bool elsewhere = found && !found->ref.ns.empty() && found->ref.ns != node.ref.ns;
    if (found && found->deleting && found->finalizers.contains("orphan")) {
      freed.insert(owner.uid);
    } else if (known_absent.contains(owner.uid) || elsewhere) {
      gone.insert(owner.uid);
    } else if (!found) {
      unknown.push_back(owner);
    } else if (found->waits_for_dependents()) {
      waiting.insert(owner.uid);
    } else {
      ++solid;
    }
  }
  if (!freed.empty()) {
    return {.kind = Verdict::Kind::patch, .patch = patch_dropping_owners(node, freed)};
  }
  if (node.deleting) return judge_deleting(graph, node);
  if (node.owners.empty()) return {};
  if (!unknown.empty()) return {.kind = Verdict::Kind::look_up, .owners = std::move(unknown)};
  if (solid > 0) {
    gone.merge(waiting);
    if (gone.empty()) return {};
    return {.kind = Verdict::Kind::patch, .patch = patch_dropping_owners(node, gone)};
  }
  // Under an owner that waits for its dependents, theirs go first too.
  const bool waits = !waiting.empty() && !graph.dependents(node.uid).empty();
  return {.kind = Verdict::Kind::remove,
          .propagation = propagation_of(node, waits ? "Foreground" : "Background")};
}

}  // namespace serin::local
