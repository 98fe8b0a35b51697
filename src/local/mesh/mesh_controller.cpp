#include "local/mesh/mesh_controller.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <optional>

#include "kube/cache.h"
#include "local/mesh/snapshot_builder.h"

namespace serin::local {

namespace asio = boost::asio;
using base::Json;
using base::Task;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
using Channel = asio::local::stream_protocol::socket;

constexpr const char* split_crd = "trafficsplits.split.smi-spec.io";

/// The version of TrafficSplits that can be read now; empty while there is none.
std::string served_version(const Json& crd) {
  bool established = false;
  for (const Json& each : crd.get("status", "conditions").items()) {
    established = established || (each["type"].str() == "Established" && each["status"].str() == "True");
  }
  if (!established) return {};
  for (const Json& each : crd.get("spec", "versions").items()) {
    if (each["served"].bool_or(false)) return each["name"].str();
  }
  return {};
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
    crds_ = follow(res::crds, {.field_selector = fmt::format("metadata.name={}", split_crd)});
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
    for (kube::Cache* each :
         {services_.get(), slices_.get(), pods_.get(), replica_sets_.get(), crds_.get()}) {
      tasks.spawn(each->run());
    }
    if (splits_) tasks.spawn(splits_->run());
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

  /// TrafficSplits are followed once their CRD serves them: no polling, and no complaints while there is
  /// none.
  void look_for_splits() {
    if (splits_) return;
    for (const kube::Cache::Value& crd : crds_->list()) {
      const std::string version = kube::name_of(*crd) == split_crd ? served_version(*crd) : std::string();
      if (version.empty()) continue;
      kube::Resource resource = kube::resources::trafficsplits_v1alpha1;
      resource.version = version;
      splits_ = follow(resource, {});
      tasks_->spawn(splits_->run());
    }
  }

  [[nodiscard]] MeshSnapshot collect() const {
    MeshObjects objects{.services = services_->list(),
                        .endpoint_slices = slices_->list(),
                        .pods = pods_->list(),
                        .replica_sets = replica_sets_->list()};
    if (splits_) objects.traffic_splits = splits_->list();
    return build_snapshot(objects);
  }

  Task<void> push() {
    for (kube::Cache* each :
         {services_.get(), slices_.get(), pods_.get(), replica_sets_.get(), crds_.get()}) {
      co_await each->wait_synced();
    }
    for (;;) {
      look_for_splits();
      MeshSnapshot snapshot = collect();
      snapshot.generation = sent_.generation;
      // A snapshot without the splits that are being listed would send traffic back for a moment.
      const bool complete = !splits_ || splits_->synced();
      if (complete && (first_ || snapshot != sent_)) {
        ++snapshot.generation;
        sent_ = std::move(snapshot);
        first_ = false;
        const bool sent = co_await send();
        if (!sent) co_return;
      }
      if (splits_ && !splits_->synced()) {
        co_await splits_->wait_synced();
      } else {
        co_await changed_.wait();
      }
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
  std::unique_ptr<kube::Cache> services_, slices_, pods_, replica_sets_, crds_, splits_;
  base::TaskGroup* tasks_ = nullptr;  // of the present run()
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
