#include "controller/world.h"

#include <charconv>

namespace serin::controller {
namespace {

/// Resource versions grow; they compare as numbers (Kubernetes API concepts, "resource versions").
std::uint64_t version_of(const Json& object) {
  const std::string& text = object.get("metadata", "resourceVersion").str();
  std::uint64_t version = 0;
  std::from_chars(text.data(), text.data() + text.size(), version);
  return version;
}

/// What no decision looks at and would only be held in memory.
void prune_status(Json& object) {
  object.erase("status");
}

}  // namespace

World::World(kube::Api& api, base::Clock& clock, base::Random& random, base::Logger log,
             base::Executor executor, std::string ns)
    : api_(api),
      clock_(clock),
      random_(random),
      log_(std::move(log)),
      ns_(std::move(ns)),
      group_(std::move(executor)) {
  add(kube::resources::canaries);
  if (ns_.empty()) add(kube::resources::namespaces);
}

kube::CacheOptions World::options_for(const kube::Resource& resource) const {
  using namespace kube::resources;
  kube::CacheOptions options{.ns = ns_};
  // Secrets stay secret: their contents are only read, and only while a checksum is made, for those in use.
  options.metadata_only = resource == configmaps || resource == secrets || resource == namespaces;
  if (resource == services || resource == hpas || resource == ingresses) options.prune = prune_status;
  return options;
}

World::Kind& World::add(const kube::Resource& resource) {
  Kind& kind = kinds_[resource.path("")];
  kind.cache = std::make_unique<kube::Cache>(api_, clock_, random_, log_, resource, options_for(resource),
                                             group_.executor());
  kind.cache->subscribe(
      [this, resource, &kind](const kube::ObjectRef& ref, const Value&, const Value& after) {
        const auto written = kind.written.find(ref);
        if (written != kind.written.end()) {
          const std::uint64_t ours = written->second ? version_of(*written->second) : 0;
          if (!after || version_of(*after) >= ours) kind.written.erase(written);
        }
        if (listener_) listener_(resource, ref);
      });
  return kind;
}

base::Task<void> World::run() {
  for (auto& [name, kind] : kinds_) group_.spawn(kind.cache->run());
  // The group lives as long as this: a kind may be added at any time.
  base::Wakeup never(group_.executor());
  group_.spawn(never.wait());
  co_await group_.join();
}

bool World::synced() const {
  return kind_of(kube::resources::canaries)->cache->synced();
}

base::Task<void> World::wait_synced() {
  while (!synced()) co_await clock_.sleep_for(std::chrono::milliseconds(5));
}

base::Task<bool> World::follow(kube::Resource resource, Need need) {
  const Kind* kind = kind_of(resource);
  if (!kind) {
    Kind& added = add(resource);
    group_.spawn(added.cache->run());
    kind = &added;
  }
  while (!kind->cache->synced() && !kind->cache->status().api_missing) {
    if (need == Need::useful && !kind->cache->status().problem.empty()) break;
    co_await clock_.sleep_for(std::chrono::milliseconds(5));
  }
  co_return kind->cache->synced();
}

std::string World::refusal(const kube::Resource& resource) const {
  const Kind* kind = kind_of(resource);
  const bool refused = kind && !kind->cache->synced() && kind->cache->status().forbidden;
  return refused ? kind->cache->status().problem : "";
}

const World::Kind* World::kind_of(const kube::Resource& resource) const {
  const auto it = kinds_.find(resource.path(""));
  return it == kinds_.end() ? nullptr : &it->second;
}

World::Value World::find(const kube::Resource& resource, const kube::ObjectRef& ref) const {
  const Kind* kind = kind_of(resource);
  if (!kind) return nullptr;
  const auto written = kind->written.find(ref);
  return written != kind->written.end() ? written->second : kind->cache->get(ref);
}

std::vector<World::Value> World::all(const kube::Resource& resource) const {
  const Kind* kind = kind_of(resource);
  return kind ? kind->cache->list() : std::vector<Value>();
}

void World::wrote(const kube::Resource& resource, Json object) {
  Kind& kind = kinds_.at(resource.path(""));
  const kube::ObjectRef ref = kube::ref_of(object);
  const Value cached = kind.cache->get(ref);
  if (cached && version_of(*cached) >= version_of(object)) return;
  kind.written[ref] = std::make_shared<const Json>(std::move(object));
}

void World::removed(const kube::Resource& resource, const kube::ObjectRef& ref) {
  Kind& kind = kinds_.at(resource.path(""));
  if (kind.cache->get(ref)) kind.written[ref] = nullptr;
}

}  // namespace serin::controller
