#include "local/node/node.h"

#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <filesystem>

namespace serin::local {

namespace asio = boost::asio;
namespace res = kube::resources;
using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

namespace {

/// As Kubernetes calls the processor.
std::string architecture() {
  utsname system{};
  ::uname(&system);
  const std::string_view machine = system.machine;
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return std::string(machine);
}

std::string kernel() {
  utsname system{};
  ::uname(&system);
  return system.release;
}

NodeOptions adapted(NodeOptions options, const Fabric& fabric) {
  if (!fabric.isolated()) {
    options.host_address = "127.0.0.1";
    options.pod_addresses = "127.44.0.0";
  }
  return options;
}

Json node_object(const std::string& name) {
  const Json labels = Json::object({{"kubernetes.io/os", "linux"},
                                    {"kubernetes.io/arch", architecture()},
                                    {"kubernetes.io/hostname", name}});
  return Json::object({{"apiVersion", "v1"},
                       {"kind", "Node"},
                       {"metadata", Json::object({{"name", name}, {"labels", labels}})},
                       {"spec", Json::object()}});
}

Json condition(std::string_view type, bool status, std::string_view reason, std::string_view message,
               const std::string& now) {
  return Json::object({{"type", type},
                       {"status", status ? "True" : "False"},
                       {"lastHeartbeatTime", now},
                       {"lastTransitionTime", now},
                       {"reason", reason},
                       {"message", message}});
}

}  // namespace

Node::Node(base::Executor executor, kube::Api& api, base::Clock& clock, base::Random& random, Fabric& fabric,
           ImageTable images, NodeOptions options, base::Logger log)
    : executor_(executor),
      api_(api),
      clock_(clock),
      fabric_(fabric),
      images_(std::move(images)),
      options_(adapted(std::move(options), fabric)),
      log_(log.with("component", "node")),
      events_(api, clock, random, log_),
      context_(make_context()),
      pods_(api, clock, random, log_, res::pods, {}, executor),
      services_(api, clock, random, log_, res::services, {}, executor),
      headless_(api, clock, random, log_, res::endpointslices,
                {.label_selector = "service.kubernetes.io/headless"}, executor),
      ingresses_(api, clock, random, log_, res::ingresses, {}, executor),
      configmaps_(api, clock, random, log_, res::configmaps, {}, executor),
      secrets_(api, clock, random, log_, res::secrets, {}, executor),
      tasks_(executor),
      hosts_outdated_(executor),
      forever_(executor) {
  pods_.subscribe(
      [this](const auto& ref, const auto& before, const auto& after) { pod_changed(ref, before, after); });
  for (kube::Cache* cache : {&services_, &headless_, &ingresses_}) {
    cache->subscribe([this](const auto&, const auto&, const auto&) { services_changed(); });
  }
  for (kube::Cache* cache : {&configmaps_, &secrets_}) {
    cache->subscribe([this](const auto& ref, const auto&, const auto&) { objects_changed(ref.ns); });
  }
}

Node::~Node() = default;

NodeContext Node::make_context() {
  const auto find = [this](std::string_view kind, std::string_view ns, std::string_view name) {
    const kube::Cache& cache = kind == "Secret" ? secrets_ : configmaps_;
    return cache.get({std::string(ns), std::string(name)}).get();  // the cache holds it until the next event
  };
  const auto variables = [this](std::string_view ns) {
    const std::vector<kube::Cache::Value> services = services_.list(ns);
    std::vector<const Json*> objects;
    for (const auto& service : services) objects.push_back(service.get());
    return service_variables(objects);
  };
  const auto told = [this](const Json& pod, std::string type, std::string reason, std::string message) {
    tell(pod, std::move(type), std::move(reason), std::move(message));
  };
  const auto addresses = [this] { return services(); };
  return {executor_, clock_, api_, fabric_, images_, options_, log_, find, addresses, variables, told};
}

// --- The node itself

Task<Result<void>> Node::run() {
  const Result<void> registered = co_await register_node();
  if (!registered) co_return registered;
  if (!fabric_.isolated()) {
    log_.warn("pods share the host's network and files: " + fabric_.shared_reason());
    // Also clears what a killed run has left behind, and says at once if it can't be written.
    const Result<void> marked = mark_hosts_file(options_.hosts_file, "\n");
    if (!marked) co_return marked;
  }
  std::exception_ptr cancelled;
  try {
    co_await follow_cluster();
  } catch (...) {
    cancelled = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  context_.closing = true;
  tasks_.cancel();
  co_await tasks_.join();
  if (!fabric_.isolated()) {
    if (const Result<void> removed = mark_hosts_file(options_.hosts_file, ""); !removed) {
      log_.error(removed.error().message);
    }
  }
  if (cancelled) std::rethrow_exception(cancelled);
  co_return Result<void>();
}

Task<void> Node::follow_cluster() {
  // Pods last: what they refer to shall be known when they start.
  for (kube::Cache* cache : {&services_, &headless_, &ingresses_, &configmaps_, &secrets_})
    tasks_.spawn(cache->run());
  for (kube::Cache* cache : {&services_, &headless_, &ingresses_, &configmaps_, &secrets_}) {
    co_await cache->wait_synced();
  }
  tasks_.spawn(pods_.run());
  tasks_.spawn(write_hosts());
  tasks_.spawn(measure());
  co_await forever_.wait();
}

Task<Result<void>> Node::register_node() {
  std::error_code error;
  std::filesystem::create_directories(options_.folder + "/pods", error);
  if (error)
    co_return fail(Errc::internal, fmt::format("cannot make {}: {}", options_.folder, error.message()));
  const kube::WriteOptions options{.field_manager = "kubelet"};
  const Result<Json> created = co_await api_.create(res::nodes, "", node_object(options_.name), options);
  if (!created && created.error().code != Errc::already_exists) {
    co_return fail(created.error().within("cannot register the node " + options_.name));
  }
  const Json patch = Json::object({{"status", node_status()}});
  const Result<Json> patched =
      co_await api_.patch(res::nodes, "", options_.name, kube::PatchType::merge, patch, "status", options);
  if (!patched) co_return fail(patched.error().within("cannot write the status of node " + options_.name));
  co_return Result<void>();
}

Json Node::node_status() const {
  struct sysinfo machine{};
  ::sysinfo(&machine);
  const std::uint64_t memory_ki = static_cast<std::uint64_t>(machine.totalram) * machine.mem_unit / 1024;
  const Json capacity = Json::object({{"cpu", std::to_string(::sysconf(_SC_NPROCESSORS_ONLN))},
                                      {"memory", fmt::format("{}Ki", memory_ki)},
                                      {"pods", "65000"}});
  const std::string now = base::format_rfc3339(clock_.wall_now());
  const Json info = Json::object({{"operatingSystem", "linux"},
                                  {"architecture", architecture()},
                                  {"kernelVersion", kernel()},
                                  {"osImage", "host"},
                                  {"containerRuntimeVersion", "serin://local"},
                                  {"kubeletVersion", "v1.30.0-serin"},
                                  {"kubeProxyVersion", ""},
                                  {"machineID", ""},
                                  {"systemUUID", ""},
                                  {"bootID", ""}});
  return Json::object(
      {{"capacity", capacity},
       {"allocatable", capacity},
       {"nodeInfo", info},
       {"addresses", Json::array({Json::object({{"type", "InternalIP"}, {"address", options_.host_address}}),
                                  Json::object({{"type", "Hostname"}, {"address", options_.name}})})},
       {"conditions", Json::array({condition("MemoryPressure", false, "KubeletHasSufficientMemory", "", now),
                                   condition("DiskPressure", false, "KubeletHasNoDiskPressure", "", now),
                                   condition("PIDPressure", false, "KubeletHasSufficientPID", "", now),
                                   condition("Ready", true, "KubeletReady",
                                             fabric_.isolated() ? "pods run in namespaces of their own"
                                                                : "shared mode: " + fabric_.shared_reason(),
                                             now)})}});
}

// --- Pods

void Node::pod_changed(const kube::ObjectRef&, const kube::Cache::Value& before,
                       const kube::Cache::Value& after) {
  if (before && (!after || kube::uid_of(*before) != kube::uid_of(*after))) {
    if (const auto found = workers_.find(kube::uid_of(*before)); found != workers_.end()) {
      found->second->vanish();
    }
  }
  if (!after) return;
  const std::string uid = kube::uid_of(*after);
  const std::string& node = after->get("spec", "nodeName").str();
  if (node.empty()) {
    if (binding_.insert(uid).second) tasks_.spawn(bind(*after));
  } else if (node == options_.name) {
    if (const auto found = workers_.find(uid); found != workers_.end()) {
      found->second->update(*after);
    } else {
      start_worker(*after);
    }
  }
}

Task<void> Node::bind(Json pod) {
  const std::string ns = kube::namespace_of(pod), name = kube::name_of(pod);
  const Json patch = Json::object({{"metadata", Json::object({{"uid", kube::uid_of(pod)}})},
                                   {"spec", Json::object({{"nodeName", options_.name}})}});
  const Result<Json> bound = co_await api_.patch(res::pods, ns, name, kube::PatchType::merge, patch, "",
                                                 {.field_manager = "default-scheduler"});
  binding_.erase(kube::uid_of(pod));
  if (bound) {
    co_await write_event(
        "default-scheduler", std::move(pod),
        {"Normal", "Scheduled", fmt::format("Successfully assigned {}/{} to {}", ns, name, options_.name)});
  } else if (bound.error().code != Errc::not_found) {
    co_await write_event("default-scheduler", std::move(pod),
                         {"Warning", "FailedScheduling", bound.error().message});
  }
}

void Node::start_worker(const Json& pod) {
  const Result<std::string> address = next_address();
  if (!address) return tell(pod, "Warning", "FailedCreatePodSandBox", address.error().message);
  const auto worker = std::make_shared<PodWorker>(context_, pod, *address);
  workers_.emplace(kube::uid_of(pod), worker);
  tasks_.spawn(run_worker(worker));
}

Task<void> Node::run_worker(std::shared_ptr<PodWorker> worker) {
  co_await worker->run();
  const std::string uid = kube::uid_of(worker->pod());
  addresses_.erase(worker->address());
  samples_.erase(uid);
  workers_.erase(uid);
}

/// In turn, so that the address of an ended pod is not soon another's.
Result<std::string> Node::next_address() {
  const std::string network = options_.pod_addresses.substr(0, options_.pod_addresses.find(".0.0"));
  for (unsigned tried = 0; tried < 65000; ++tried) {
    last_address_ = last_address_ >= 0xfffe ? 2 : last_address_ + 1;
    std::string address = fmt::format("{}.{}.{}", network, last_address_ >> 8, last_address_ & 0xff);
    if (addresses_.insert(address).second) return address;
  }
  return fail(Errc::unavailable, "every pod address is in use");
}

std::shared_ptr<PodWorker> Node::worker_of(const kube::ObjectRef& ref) const {
  const kube::Cache::Value pod = pods_.get(ref);
  const auto found = pod ? workers_.find(kube::uid_of(*pod)) : workers_.end();
  return found != workers_.end() ? found->second : nullptr;
}

// --- What pods see of the cluster

void Node::objects_changed(const std::string& ns) {
  for (const auto& [uid, worker] : workers_) {
    if (kube::namespace_of(worker->pod()) == ns) worker->refresh_volumes();
  }
}

void Node::services_changed() {
  hosts_outdated_.notify();
}

std::vector<ServiceAddress> Node::services() const {
  const std::vector<kube::Cache::Value> services = services_.list(), slices = headless_.list(),
                                        ingresses = ingresses_.list();
  std::vector<const Json*> objects, headless, entries;
  for (const auto& service : services) objects.push_back(service.get());
  for (const auto& slice : slices) headless.push_back(slice.get());
  for (const auto& ingress : ingresses) entries.push_back(ingress.get());
  return service_addresses(objects, headless, entries);
}

Task<void> Node::write_hosts() {
  for (;;) {
    co_await hosts_outdated_.wait();
    for (const auto& [uid, worker] : workers_) worker->refresh_hosts();
    if (fabric_.isolated()) continue;
    const Result<void> marked = mark_hosts_file(options_.hosts_file, service_lines(services(), ""));
    if (!marked) log_.error(marked.error().message);
  }
}

void Node::tell(const Json& pod, std::string type, std::string reason, std::string message) {
  tasks_.spawn(write_event("kubelet", pod, {std::move(type), std::move(reason), std::move(message)}));
}

Task<void> Node::write_event(std::string component, Json about, Notice notice) {
  co_await events_.write(std::move(component), std::move(about), std::move(notice));
}

// --- Measuring

Task<void> Node::measure() {
  for (;;) {
    co_await clock_.sleep_for(options_.usage_interval);
    std::vector<std::shared_ptr<PodWorker>> workers;
    for (const auto& [uid, worker] : workers_) workers.push_back(worker);
    for (const auto& worker : workers) {
      co_await measure_pod(worker);
    }
  }
}

Task<void> Node::measure_pod(std::shared_ptr<PodWorker> worker) {
  if (!worker->host()) co_return;
  const Result<Usage> used = co_await worker->host()->usage();
  const std::string uid = kube::uid_of(worker->pod());
  if (!used || !workers_.contains(uid)) co_return;
  const base::MonoTime now = clock_.now();
  const auto [found, is_new] = samples_.try_emplace(uid);
  Sample& sample = found->second;
  if (!is_new) {
    const base::Duration window = now - sample.at;
    const std::int64_t cpu_ns = std::max<std::int64_t>(used->cpu_ns - sample.cpu_ns, 0);
    sample.usage = {cpu_ns * 1000 / std::max<std::int64_t>(window.count(), 1), used->rss_bytes,
                    clock_.wall_now(), window};
    sample.measured = true;
  }
  sample.at = now;
  sample.cpu_ns = used->cpu_ns;
}

std::optional<PodUsage> Node::usage(const kube::ObjectRef& pod) const {
  const std::shared_ptr<PodWorker> worker = worker_of(pod);
  const auto found = worker ? samples_.find(kube::uid_of(worker->pod())) : samples_.end();
  if (found == samples_.end() || !found->second.measured) return std::nullopt;
  return found->second.usage;
}

}  // namespace serin::local
