#include "local/node/pod_worker.h"

#include <fmt/format.h>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <filesystem>

#include "local/node/volumes.h"

namespace serin::local {

namespace asio = boost::asio;
using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

namespace {

constexpr auto retry_pause = 1s;

bool has_ended(const Json& pod) {
  const std::string& phase = pod.get("status", "phase").str();
  return phase == "Succeeded" || phase == "Failed";
}

}  // namespace

PodWorker::PodWorker(NodeContext& node, Json pod, std::string address)
    : context_{node, std::move(pod), "", std::move(address), nullptr, [this] { dirty_.notify(); }},
      tasks_(node.executor),
      wake_(node.executor),
      dirty_(node.executor),
      finished_before_(has_ended(context_.pod)) {
  context_.folder = node.options.folder + "/pods/" + kube::uid_of(context_.pod);
  const Result<base::WallTime> before = base::parse_rfc3339(context_.pod.get("status", "startTime").str());
  started_at_ = before ? *before : node.clock.wall_now();
  make_containers();
}

void PodWorker::make_containers() {
  const Json& pod = context_.pod;
  const base::WallTime now = context_.node.clock.wall_now();
  for (const Json& spec : pod.get("spec", "initContainers").items()) {
    ContainerState state = resumed_state(spec, pod.get("status", "initContainerStatuses"), now);
    state.reason = "PodInitializing";
    init_containers_.emplace_back(context_, spec, std::move(state), true);
  }
  for (const Json& spec : pod.get("spec", "containers").items()) {
    ContainerState state = resumed_state(spec, pod.get("status", "containerStatuses"), now);
    if (!init_containers_.empty()) state.reason = "PodInitializing";
    containers_.emplace_back(context_, spec, std::move(state), false);
  }
}

Container* PodWorker::container(std::string_view name) {
  for (std::deque<Container>* list : {&containers_, &init_containers_}) {
    for (Container& container : *list) {
      if (container.state().name == name) return &container;
    }
  }
  return nullptr;
}

// --- Life

Task<void> PodWorker::run() {
  if (kube::is_being_deleted(context_.pod)) begin_end();
  tasks_.spawn(write_statuses());
  std::exception_ptr cancelled;
  try {
    co_await live();
  } catch (...) {
    cancelled = std::current_exception();
  }
  if (cancelled) co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  tasks_.cancel();
  co_await tasks_.join();
  context_.host.reset();
  if (cancelled) std::rethrow_exception(cancelled);
  if (context_.node.closing) co_return;
  if (!vanished_) {
    co_await write_status();
    co_await remove_object();
  }
  std::error_code error;
  std::filesystem::remove_all(context_.folder, error);
}

/// Returns when the pod is to be removed.
Task<void> PodWorker::live() {
  if (!finished_before_ && !ending_) {
    const bool ready = co_await set_up();
    const bool initialized = ready && co_await run_init_containers();
    if (initialized) {
      for (Container& container : containers_) start_container(container);
    }
    co_await containers_ended();
    dirty_.notify();
  }
  while (!ending_) {
    co_await wake_.wait();
  }
}

/// False: the pod is to end before it has begun.
Task<bool> PodWorker::set_up() {
  for (bool told = false; !ending_;) {
    Result<void> made = make_volumes(context_.pod, context_.volumes_folder(), context_.node.find);
    const char* reason = "FailedMount";
    if (made) {
      reason = "FailedCreatePodSandBox";
      made = co_await make_sandbox();
    }
    if (made) co_return !ending_;
    if (!told) context_.tell("Warning", reason, made.error().message);
    told = true;
    dirty_.notify();
    co_await wake_.wait_until(context_.node.clock, context_.node.clock.now() + retry_pause);
  }
  co_return false;
}

Task<Result<void>> PodWorker::make_sandbox() {
  const std::string hostname =
      context_.pod.get("spec", "hostname").str_or(kube::name_of(context_.pod)).substr(0, 63);
  refresh_hosts();
  const std::string resolver = context_.folder + "/resolv.conf";
  // Names that no hosts file knows fail at once: nobody listens there.
  const Result<void> written =
      write_in_place(resolver, "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n");
  if (!written) co_return written;
  PodSandbox sandbox{hostname, context_.address, {{context_.folder + "/hosts", "/etc/hosts", false}}};
  std::error_code error;
  if (std::filesystem::exists("/etc/resolv.conf", error)) {
    sandbox.mounts.push_back({resolver, "/etc/resolv.conf", false});
  }
  Result<std::unique_ptr<ProcessHost>> host = co_await context_.node.fabric.make_pod(std::move(sandbox));
  if (!host) co_return fail(host.error());
  context_.host = std::move(*host);
  dirty_.notify();
  co_return Result<void>();
}

void PodWorker::start_container(Container& container) {
  ++running_;
  tasks_.spawn(run_container(container));
}

Task<void> PodWorker::run_container(Container& container) {
  co_await container.run();
  --running_;
  wake_.notify();
}

Task<void> PodWorker::containers_ended() {
  while (running_ > 0) {
    co_await wake_.wait();
  }
}

Task<bool> PodWorker::run_init_containers() {
  for (Container& container : init_containers_) {
    start_container(container);
    co_await containers_ended();
    if (ending_ || !container.state().succeeded()) co_return false;
  }
  co_return true;
}

void PodWorker::update(Json pod) {
  // The status is ours alone: what was written last is newer than what the watch brings.
  if (!written_.is_null()) pod.set("status") = context_.pod["status"];
  context_.pod = std::move(pod);
  if (kube::is_being_deleted(context_.pod)) begin_end();
  dirty_.notify();
}

void PodWorker::vanish() {
  vanished_ = true;
  begin_end();
}

void PodWorker::begin_end() {
  if (std::exchange(ending_, true)) return;
  const Json& metadata = context_.pod["metadata"];
  const std::int64_t grace = vanished_
                                 ? 0
                                 : metadata["deletionGracePeriodSeconds"].int_or(
                                       context_.pod.get("spec", "terminationGracePeriodSeconds").int_or(30));
  for (std::deque<Container>* list : {&init_containers_, &containers_}) {
    for (Container& container : *list) tasks_.spawn(container.stop(std::chrono::seconds(grace)));
  }
  wake_.notify();
}

Task<void> PodWorker::remove_object() {
  const kube::DeleteOptions options{
      .uid = kube::uid_of(context_.pod), .resource_version = {}, .propagation = {}, .grace_seconds = 0};
  while (!vanished_ && !context_.node.closing) {
    const Result<void> removed = co_await context_.node.api.remove(
        kube::resources::pods, kube::namespace_of(context_.pod), kube::name_of(context_.pod), options);
    if (removed) co_return;
    // A conflict is a new pod of the same name: ours is gone.
    if (removed.error().code == Errc::not_found || removed.error().code == Errc::conflict) co_return;
    context_.node.log.warn("cannot remove pod: " + removed.error().message);
    co_await context_.node.clock.sleep_for(retry_pause);
  }
}

// --- What others see

PodFacts PodWorker::facts() const {
  PodFacts facts;
  for (const Container& container : init_containers_) facts.init_containers.push_back(container.state());
  for (const Container& container : containers_) facts.containers.push_back(container.state());
  facts.host_address = context_.node.options.host_address;
  if (context_.host) facts.address = context_.address;
  facts.started_at = started_at_;
  return facts;
}

Task<void> PodWorker::write_statuses() {
  co_await write_status();
  for (;;) {
    co_await dirty_.wait();
    co_await write_status();
  }
}

/// Until the API has it, or the pod is gone.
Task<void> PodWorker::write_status() {
  while (!vanished_ && !finished_before_ && !context_.node.closing) {
    Json status = pod_status(context_.pod, facts(), context_.node.clock.wall_now());
    if (status == written_) co_return;
    const Json patch =
        Json::object({{"metadata", Json::object({{"uid", kube::uid_of(context_.pod)}})}, {"status", status}});
    const Result<Json> patched = co_await context_.node.api.patch(
        kube::resources::pods, kube::namespace_of(context_.pod), kube::name_of(context_.pod),
        kube::PatchType::merge, patch, "status", {.field_manager = "kubelet"});
    if (patched) {
      // The next status is compared with this one, and takes its transition times over.
      context_.pod.set("status") = (*patched)["status"];
      written_ = std::move(status);
      co_return;
    }
    if (patched.error().code == Errc::not_found) co_return;
    context_.node.log.warn("cannot write a pod's status: " + patched.error().message);
    co_await context_.node.clock.sleep_for(retry_pause);
  }
}

void PodWorker::refresh_volumes() {
  if (!context_.host) return;
  const Result<void> made = make_volumes(context_.pod, context_.volumes_folder(), context_.node.find);
  if (!made) context_.tell("Warning", "FailedMount", made.error().message);
}

void PodWorker::refresh_hosts() {
  std::error_code error;
  std::filesystem::create_directories(context_.folder, error);
  const std::string text = pod_hosts(context_.node.services(), kube::namespace_of(context_.pod),
                                     kube::name_of(context_.pod), context_.address);
  const Result<void> written = write_in_place(context_.folder + "/hosts", text);
  if (!written) context_.node.log.error(written.error().message);
}

}  // namespace serin::local
