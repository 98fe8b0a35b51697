#include "local/mesh/mesh_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "kube/cache.h"
#include "local/mesh/route_attachment.h"
#include "local/mesh/snapshot_builder.h"

namespace serin::local {

namespace asio = boost::asio;
using base::Json;
using base::Task;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
using Channel = asio::local::stream_protocol::socket;

/// A kind that a CRD may bring at any time. It is followed once its CRD is served: no polling, and no
/// complaints while there is none.
struct OptionalKind {
  std::string crd;
  kube::Resource resource;            ///< its version is the first one of `versions` that is served
  std::vector<std::string> versions;  ///< those that the reader of the original uses, best first
  std::unique_ptr<kube::Cache> cache = nullptr;
};

std::vector<OptionalKind> optional_kinds() {
  std::vector<OptionalKind> kinds;
  kinds.push_back({"trafficsplits.split.smi-spec.io",
                   kube::resources::trafficsplits_v1alpha1,
                   {"v1alpha1", "v1alpha2", "v1alpha3"}});
  kinds.push_back({"httproutes.gateway.networking.k8s.io",
                   {"gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"},
                   {"v1", "v1beta1"}});
  kinds.push_back({"httproutes.policy.linkerd.io",
                   {"policy.linkerd.io", "v1beta3", "httproutes", "HTTPRoute"},
                   {"v1beta3", "v1beta2", "v1beta1", "v1alpha1"}});
  return kinds;
}

/// The best of these versions that can be read now; empty while there is none.
std::string served_version(const Json& crd, const std::vector<std::string>& wanted) {
  bool established = false;
  for (const Json& each : crd.get("status", "conditions").items()) {
    established = established || (each["type"].str() == "Established" && each["status"].str() == "True");
  }
  if (!established) return {};
  for (const std::string& version : wanted) {
    for (const Json& each : crd.get("spec", "versions").items()) {
      if (each["name"].str() == version && each["served"].bool_or(false)) return version;
    }
  }
  return {};
}

void drop_schemas(Json& crd) {
  for (Json& version : crd.set("spec", "versions").make_array()) version.erase("schema");
}

}  // namespace

class MeshController::Impl {
 public:
  Impl(kube::Api& api, base::Clock& clock, base::Random& random, base::Logger log, base::Executor executor)
      : api_(api),
        clock_(clock),
        random_(random),
        log_(std::move(log)),
        executor_(executor),
        changed_(executor),
        answered_(executor) {
    namespace res = kube::resources;
    services_ = follow(res::services, {});
    slices_ = follow(res::endpointslices, {});
    pods_ = follow(res::pods, {});
    replica_sets_ = follow(res::replicasets, {.metadata_only = true});
    ingresses_ = follow(res::ingresses, {});
    crds_ = follow(res::crds, {.prune = drop_schemas});
  }

  Task<void> run(int config_fd) {
    Channel channel(executor_);
    boost::system::error_code error;
    channel.assign({}, config_fd, error);
    if (error) {
      log_.error(fmt::format("mesh: descriptor {} is no stream socket: {}", config_fd, error.message()));
      co_return;
    }
    channel_ = &channel;
    first_ = true;
    base::TaskGroup tasks(executor_);
    tasks_ = &tasks;
    for (kube::Cache* each : caches()) tasks.spawn(each->run());
    tasks.spawn(push());
    tasks.spawn(listen());
    co_await tasks.join();
    tasks_ = nullptr;
    channel_ = nullptr;
  }

  std::uint64_t applied_ = 0;
  std::vector<std::string> problems_;
  MeshSnapshot sent_;

 private:
  std::unique_ptr<kube::Cache> follow(kube::Resource resource, kube::CacheOptions options) {
    auto cache = std::make_unique<kube::Cache>(api_, clock_, random_, log_, std::move(resource),
                                               std::move(options), executor_);
    cache->subscribe([this](const kube::ObjectRef&, const auto&, const auto&) { changed_.notify(); });
    return cache;
  }

  /// Those that are followed now.
  [[nodiscard]] std::vector<kube::Cache*> caches() const {
    std::vector<kube::Cache*> all = {services_.get(),     slices_.get(),    pods_.get(),
                                     replica_sets_.get(), ingresses_.get(), crds_.get()};
    for (const OptionalKind& kind : optional_) {
      if (kind.cache) all.push_back(kind.cache.get());
    }
    return all;
  }

  void look_for_optional_kinds() {
    for (OptionalKind& kind : optional_) {
      const kube::Cache::Value crd = kind.cache ? nullptr : crds_->get({"", kind.crd});
      const std::string version = crd ? served_version(*crd, kind.versions) : std::string();
      if (version.empty()) continue;
      kind.resource.version = version;
      kind.cache = follow(kind.resource, {});
      tasks_->spawn(kind.cache->run());
    }
  }

  [[nodiscard]] MeshSnapshot collect() {
    MeshObjects objects{.services = services_->list(),
                        .endpoint_slices = slices_->list(),
                        .pods = pods_->list(),
                        .replica_sets = replica_sets_->list(),
                        .ingresses = ingresses_->list()};
    for (const OptionalKind& kind : optional_) {
      if (!kind.cache) continue;
      const bool routes = kind.resource.kind == "HTTPRoute";
      std::ranges::move(kind.cache->list(),
                        std::back_inserter(routes ? objects.http_routes : objects.traffic_splits));
    }
    objects.http_routes = versions_.in_force(objects.http_routes);
    if (versions_.ignored() != complaints_) {
      complaints_ = versions_.ignored();
      for (const std::string& each : complaints_) log_.warn("mesh: this version is ignored: " + each);
    }
    return build_snapshot(objects);
  }

  /// Waits for what is being listed: a snapshot without the splits or routes there are would send traffic
  /// elsewhere for a moment.
  Task<void> wait_synced() {
    for (kube::Cache* each : caches()) {
      if (!each->synced()) co_await each->wait_synced();
    }
  }

  Task<void> push() {
    for (;;) {
      co_await wait_synced();
      look_for_optional_kinds();
      co_await wait_synced();
      MeshSnapshot snapshot = collect();
      snapshot.generation = sent_.generation;
      if (first_ || snapshot != sent_) {
        ++snapshot.generation;
        sent_ = std::move(snapshot);
        first_ = false;
        const bool sent = co_await send();
        if (!sent) co_return;
      }
      co_await write_statuses();
      co_await changed_.wait();
    }
  }

  /// Says on HTTPRoutes who accepts them, once the proxy obeys them.
  Task<void> write_statuses() {
    ServicesByRef services;
    const std::vector<kube::Cache::Value> known = services_->list();
    for (const auto& each : known) services[kube::ref_of(*each)] = each.get();
    for (const OptionalKind& kind : optional_) {
      if (!kind.cache || kind.resource.kind != "HTTPRoute") continue;
      for (const kube::Cache::Value& route : kind.cache->list()) {
        Json parents = next_parents(*route, services, clock_.wall_now());
        if (parents.empty() && route->get("status", "parents").empty()) continue;
        if (parents == route->get("status", "parents")) continue;
        co_await write_status(kind.resource, route, std::move(parents));
      }
    }
  }

  Task<void> write_status(kube::Resource resource, kube::Cache::Value route, Json parents) {
    Json patch = Json::object({{"status", Json::object({{"parents", std::move(parents)}})}});
    patch.set("metadata", "resourceVersion") = kube::resource_version_of(*route);
    const kube::ObjectRef ref = kube::ref_of(*route);
    const base::Result<Json> written =
        co_await api_.patch(std::move(resource), ref.ns, ref.name, kube::PatchType::merge, std::move(patch),
                            "status", {.field_manager = "policy-controller"});
    // A conflict or the route's end comes with an event, and with it the next look.
    if (!written && written.error().code != base::Errc::conflict &&
        written.error().code != base::Errc::not_found) {
      log_.warn(fmt::format("mesh: status of HTTPRoute {}: {}", ref.dotted(), written.error().message));
    }
  }

  /// Returns when the proxy has answered. False: it hung up.
  Task<bool> send() {
    const std::string line = to_json(sent_).dump() + "\n";
    waiting_for_answer_ = true;
    problems_.clear();
    const auto [error, size] = co_await asio::async_write(*channel_, asio::buffer(line), as_result);
    if (error) co_return false;
    while (waiting_for_answer_) co_await answered_.wait();
    co_return true;
  }

  Task<void> listen() {
    std::string pending;
    for (;;) {
      const auto [error, size] =
          co_await asio::async_read_until(*channel_, asio::dynamic_buffer(pending), '\n', as_result);
      if (error) break;
      const base::Result<Json> report = Json::parse(std::string_view(pending).substr(0, size));
      if (report) take(*report);
      pending.erase(0, size);
    }
    log_.info("mesh: the proxy has hung up");
    tasks_->cancel();
  }

  void take(const Json& report) {
    if (report.contains("failed")) {
      const Json& failed = report["failed"];
      problems_.push_back(
          fmt::format("cannot listen on {}: {}", failed["address"].str(), failed["cause"].str()));
      log_.warn("mesh: " + problems_.back());
      return;
    }
    if (report.contains("rejected")) {
      problems_.push_back(report["rejected"].str());
      log_.error("mesh: the proxy refused its configuration: " + problems_.back());
    } else {
      applied_ = static_cast<std::uint64_t>(report["applied"].int_or(0));
    }
    waiting_for_answer_ = false;
    answered_.notify();
  }

  kube::Api& api_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  base::Executor executor_;
  base::Wakeup changed_, answered_;
  std::unique_ptr<kube::Cache> services_, slices_, pods_, replica_sets_, ingresses_, crds_;
  std::vector<OptionalKind> optional_ = optional_kinds();
  RouteVersions versions_;
  std::vector<std::string> complaints_;  // the versions that are ignored, as they were logged
  base::TaskGroup* tasks_ = nullptr;     // of the present run()
  Channel* channel_ = nullptr;
  bool first_ = true, waiting_for_answer_ = false;
};

MeshController::MeshController(kube::Api& api, base::Clock& clock, base::Random& random, base::Logger log,
                               base::Executor executor)
    : impl_(std::make_unique<Impl>(api, clock, random, std::move(log), std::move(executor))) {}
MeshController::~MeshController() = default;

Task<void> MeshController::run(int config_fd) {
  co_await impl_->run(config_fd);
}
std::uint64_t MeshController::applied() const {
  return impl_->applied_;
}
const std::vector<std::string>& MeshController::problems() const {
  return impl_->problems_;
}
const MeshSnapshot& MeshController::sent() const {
  return impl_->sent_;
}

}  // namespace serin::local
