#include "local/controllers/garbage.h"

#include <fmt/format.h>

namespace serin::local {

using base::Errc;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

namespace {

constexpr auto retry_pause = 500ms;
constexpr std::size_t absent_max = 10'000;
constexpr const char* manager = "garbage-collector";

}  // namespace

GarbageCollector::GarbageCollector(kube::Api& api, base::Clock& clock, base::Logger log,
                                   base::Executor executor, FindKind find_kind)
    : api_(api),
      clock_(clock),
      log_(log.with("component", manager)),
      wakeup_(std::move(executor)),
      find_kind_(std::move(find_kind)) {}

void GarbageCollector::observe(const kube::Resource& resource, const Json* before, const Json* after) {
  const Json& object = after ? *after : *before;
  const std::string uid = kube::uid_of(object);
  // A name that was taken over by a new object: the old one is gone.
  if (before && after && kube::uid_of(*before) != uid) observe(resource, before, nullptr);
  if (after) {
    graph_.put(resource, object);
    enqueue(uid);
    if (kube::is_being_deleted(object)) enqueue_relatives(uid, object);
    if (before) enqueue_relatives(uid, *before);  // an owner may have been waiting to be left
  } else {
    if (absent_.size() >= absent_max) absent_.clear();
    absent_.insert(uid);
    graph_.erase(uid);
    enqueue_relatives(uid, object);
  }
}

void GarbageCollector::enqueue(const std::string& uid) {
  const GraphNode* node = graph_.find(uid);
  if (!node || (node->owners.empty() && !node->deleting) || !queued_.insert(uid).second) return;
  queue_.push_back(uid);
  wakeup_.notify();
}

void GarbageCollector::enqueue_relatives(const std::string& uid, const Json& object) {
  for (const std::string& dependent : graph_.dependents(uid)) enqueue(dependent);
  for (const Json& owner : object.get("metadata", "ownerReferences").items()) enqueue(owner["uid"].str());
}

Task<void> GarbageCollector::run() {
  std::vector<std::string> failed;
  while (true) {
    while (!queue_.empty()) {
      const std::string uid = queue_.front();
      queue_.pop_front();
      queued_.erase(uid);
      const Result<void> done = co_await look(uid);
      if (done) continue;
      log_.debug(done.error().message);
      if (done.error().code != Errc::conflict) failed.push_back(uid);  // a conflict's cause is on its way
    }
    if (failed.empty()) {
      co_await wakeup_.wait();
      continue;
    }
    co_await wakeup_.wait_until(clock_, clock_.now() + retry_pause);
    for (const std::string& uid : failed) enqueue(uid);
    failed.clear();
  }
}

Task<Result<void>> GarbageCollector::look(std::string uid) {
  const GraphNode* found = graph_.find(uid);
  if (!found) co_return Result<void>();
  GraphNode node = *found;
  Verdict verdict = judge(graph_, node, absent_);
  if (verdict.kind == Verdict::Kind::keep) co_return Result<void>();
  if (verdict.kind == Verdict::Kind::look_up) {
    auto looked_up = co_await look_up(std::move(node), std::move(verdict.owners));
    co_return looked_up;
  }
  auto done = co_await carry_out(std::move(node), std::move(verdict));
  co_return done;
}

Task<Result<void>> GarbageCollector::look_up(GraphNode node, std::vector<OwnerRef> owners) {
  bool learned = false;
  for (const OwnerRef& owner : owners) {
    const auto resource = find_kind_(owner.api_version, owner.kind);
    if (!resource) continue;  // not ours to judge; a CustomResourceDefinition may still come
    const auto object = co_await api_.get(*resource, resource->namespaced ? node.ref.ns : "", owner.name);
    if (!object && object.error().code != Errc::not_found) co_return base::fail(object.error());
    if (object && kube::uid_of(*object) == owner.uid) continue;  // the graph will learn of it
    absent_.insert(owner.uid);
    learned = true;
  }
  if (learned) enqueue(node.uid);
  co_return Result<void>();
}

Task<Result<void>> GarbageCollector::carry_out(GraphNode node, Verdict verdict) {
  const auto& [ns, name] = node.ref;
  if (verdict.kind == Verdict::Kind::patch) {
    const kube::WriteOptions options{.field_manager = manager};
    const auto patched = co_await api_.patch(node.resource, ns, name, kube::PatchType::merge,
                                             std::move(verdict.patch), "", options);
    if (!patched && patched.error().code != Errc::not_found) co_return base::fail(patched.error());
    co_return Result<void>();
  }
  kube::DeleteOptions options;
  options.uid = node.uid;
  options.resource_version = node.resource_version;  // its owners may just have changed
  options.propagation = verdict.propagation;
  const auto removed = co_await api_.remove(node.resource, ns, name, options);
  if (!removed && removed.error().code != Errc::not_found) co_return base::fail(removed.error());
  co_return Result<void>();
}

}  // namespace serin::local
