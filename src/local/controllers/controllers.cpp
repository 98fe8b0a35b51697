#include "local/controllers/controllers.h"

#include <algorithm>

#include "local/controllers/discovery.h"
#include "local/controllers/objects.h"

namespace serin::local {

using base::Task;
using kube::Resource;
using namespace std::chrono_literals;
namespace res = kube::resources;

namespace {

/// All that object_graph.h reads.
Json graph_metadata(const Json& object) {
  Json kept = Json::object();
  for (const char* member : {"name", "namespace", "uid", "resourceVersion", "deletionTimestamp", "finalizers",
                             "ownerReferences"}) {
    const Json& value = object.get("metadata", member);
    if (!value.is_null()) kept.set("metadata", member) = value;
  }
  return kept;
}

}  // namespace

Controllers::Controllers(kube::Api& api, base::Clock& clock, base::Random& random, base::Logger log,
                         const PodMetrics& usage, base::Executor executor, ControllerOptions options)
    : api_(api),
      clock_(clock),
      random_(random),
      log_(std::move(log)),
      usage_(usage),
      executor_(executor),
      options_(std::move(options)),
      events_(api, clock, random, log_),
      synced_(executor),
      garbage_(api, clock, log_, executor,
               [this](const std::string& api_version, const std::string& kind) {
                 return find_kind(api_version, kind);
               }),
      tasks_(executor) {
  set_up_workloads();
  set_up_daemonsets();
  set_up_endpoints();
  set_up_hpas();
  set_up_namespaces();
  set_up_crds();
}

Controllers::~Controllers() = default;

Mirror& Controllers::mirror(const Resource& resource, kube::ListOptions options) {
  auto& place = mirrors_[resource.path("")];
  if (!place) {
    place = std::make_unique<Mirror>(api_, clock_, log_, resource, std::move(options));
    place->on_synced([this] { synced_.notify(); });
  }
  return *place;
}

Reconciler::Setup Controllers::setup_of(const char* component, const Mirror& of, Decide decide) const {
  return {.component = component,
          .find = [&of](const ObjectRef& ref) { return of.find(ref); },
          .decide = std::move(decide),
          .has_seen =
              [this](const Expectation& expectation) {
                const auto found = mirrors_.find(expectation.resource.path(""));
                return found == mirrors_.end() || found->second->has_seen(expectation);
              }};
}

Reconciler& Controllers::add(Reconciler::Setup setup) {
  return *reconcilers_.emplace_back(
      std::make_unique<Reconciler>(std::move(setup), api_, clock_, events_, log_, executor_));
}

Reconciler& Controllers::reconciler(const char* component, Mirror& of, Decide decide) {
  Reconciler& made = add(setup_of(component, of, std::move(decide)));
  of.on_change([&made](const Json* before, const Json* after) {
    made.enqueue(kube::ref_of(after ? *after : *before));
  });
  return made;
}

Task<void> Controllers::run() {
  tasks_.spawn(start());
  co_await tasks_.join();
}

Task<void> Controllers::start() {
  for (auto& [path, mirror] : mirrors_) tasks_.spawn(mirror->run());
  co_await find_resources();
  while (!is_synced()) co_await synced_.wait();
  for (auto& reconciler : reconcilers_) tasks_.spawn(reconciler->run());
  tasks_.spawn(garbage_.run());
  tasks_.spawn(tick_hpas());
  log_.info("controllers of the embedded cluster are running");
}

Task<void> Controllers::find_resources() {
  while (true) {
    const auto resources = co_await discover(api_);
    if (resources) {
      for (const Resource& resource : *resources) collect(resource);
      co_return;
    }
    log_.warn(resources.error().message);
    co_await clock_.sleep_for(1s);
  }
}

bool Controllers::is_synced() const {
  const auto synced = [](const auto& entry) { return entry.second->is_synced(); };
  return std::ranges::all_of(mirrors_, synced) && std::ranges::all_of(graph_mirrors_, synced);
}

// --- The graph of all objects

void Controllers::collect(const Resource& resource) {
  auto& place = graph_mirrors_[resource.path("")];
  if (place) return;
  kube::ListOptions options;
  options.metadata_only = true;
  place = std::make_unique<Mirror>(api_, clock_, log_, resource, options);
  place->keep_only(graph_metadata);
  place->on_synced([this] { synced_.notify(); });
  place->on_change(
      [this, resource](const Json* before, const Json* after) { observe_graph(resource, before, after); });
  tasks_.spawn(run_graph_mirror(resource.path("")));
}

Task<void> Controllers::run_graph_mirror(std::string path) {
  co_await graph_mirrors_.at(path)->run();
  graph_mirrors_.erase(path);  // no longer served: its CustomResourceDefinition is gone
}

void Controllers::observe_graph(const Resource& resource, const Json* before, const Json* after) {
  garbage_.observe(resource, before, after);
  const std::string ns = kube::namespace_of(after ? *after : *before);
  const Json* owner = ns.empty() ? nullptr : mirrors_.at(res::namespaces.path(""))->find({"", ns});
  if (owner && kube::is_being_deleted(*owner)) namespaces_->enqueue({"", ns});
}

std::optional<Resource> Controllers::find_kind(const std::string& api_version,
                                               const std::string& kind) const {
  const auto slash = api_version.find('/');
  const std::string group = slash == std::string::npos ? "" : api_version.substr(0, slash);
  for (const auto& [path, mirror] : graph_mirrors_) {
    const Resource& resource = mirror->resource();
    if (resource.group == group && resource.kind == kind) return resource;
  }
  return std::nullopt;
}

void Controllers::set_up_crds() {
  mirror(res::crds).on_change([this](const Json*, const Json* after) {
    if (!after) return;
    if (const auto resource = resource_of_crd(*after)) collect(*resource);
  });
}

Task<void> Controllers::tick_hpas() {
  const Mirror& hpas = *mirrors_.at(res::hpas.path(""));
  while (true) {
    co_await clock_.sleep_for(options_.hpa_period);
    for (const Json* hpa : hpas.all()) hpas_->enqueue(kube::ref_of(*hpa));
  }
}

}  // namespace serin::local
