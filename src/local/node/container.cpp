#include "local/node/container.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>

#include "local/node/volumes.h"

namespace serin::local {

namespace asio = boost::asio;
using base::fail;
using base::Json;
using base::Result;
using base::Task;
using Kind = ContainerState::Kind;
using namespace std::chrono_literals;

namespace {

constexpr auto config_pause = 1s;  // a missing ConfigMap is looked for this often
constexpr auto calm = 10min;       // after which a restart starts with short pauses again

}  // namespace

Container::Container(PodContext& pod, Json spec, ContainerState state, bool is_init)
    : pod_(pod),
      spec_(std::move(spec)),
      state_(std::move(state)),
      is_init_(is_init),
      wake_(pod.node.executor) {
  const std::string last_log = pod_.log_path(state_.name, state_.restarts);
  std::error_code error;
  if (std::filesystem::exists(last_log, error)) {
    log_ = std::make_shared<ContainerLog>(pod_.node.executor, pod_.node.clock, last_log);
    log_->close();
  }
}

Task<void> Container::run() {
  while (!stopping_) {
    const bool started = co_await start();
    if (!started && state_.kind == Kind::waiting) continue;  // a reason to wait; start() has waited
    if (started) co_await supervise();
    if (stopping_ || !restarts()) break;
    co_await pause_before_restart();
  }
}

void Container::wait_because(std::string reason, std::string message) {
  state_.kind = Kind::waiting;
  state_.reason = std::move(reason);
  state_.message = std::move(message);
  pod_.changed();
}

// --- Starting

/// True when the program runs. Otherwise the state says why, and if it is `waiting` the next attempt is due.
Task<bool> Container::start() {
  Result<Image> image = pod_.node.images.find(state_.image);
  if (!image) {
    co_await pause_for_image(image.error().message);
    co_return false;
  }
  if (pull_failures_ > 0 || state_.restarts == 0) {
    pod_.tell("Normal", "Pulled",
              fmt::format("Container image \"{}\" already present on machine", state_.image));
  }
  pull_failures_ = 0;
  const bool started = co_await start_process(std::move(*image));
  co_return started;
}

Task<void> Container::pause_for_image(std::string problem) {
  const base::MonoTime now = pod_.node.clock.now();
  const base::Duration pause =
      std::min(pod_.node.options.restart_pause_max,
               pod_.node.options.restart_pause * (1 << std::min(pull_failures_++, 16)));
  pod_.tell("Warning", "Failed", fmt::format("Failed to pull image \"{}\": {}", state_.image, problem));
  pod_.tell("Warning", "Failed", "Error: ErrImagePull");
  wait_because("ErrImagePull", problem);
  const bool stopped = co_await wake_.wait_until(pod_.node.clock, now + pause / 2);
  if (stopped) co_return;
  pod_.tell("Normal", "BackOff", fmt::format("Back-off pulling image \"{}\"", state_.image));
  wait_because("ImagePullBackOff", fmt::format("Back-off pulling image \"{}\": {}", state_.image, problem));
  co_await wake_.wait_until(pod_.node.clock, now + pause);
}

Result<Program> Container::make_program(const Image& image) {
  const NodeOptions& options = pod_.node.options;
  Variables variables = pod_.node.service_variables(kube::namespace_of(pod_.pod));
  variables["PATH"] = image.folder.empty() ? options.search_path : image.folder + ":" + options.search_path;
  variables["HOSTNAME"] = kube::name_of(pod_.pod);
  variables["HOME"] = "/";
  if (!pod_.node.fabric.isolated()) variables["SERIN_BIND_ADDRESS"] = pod_.address;
  for (const auto& [key, value] : image.env) variables[key] = value;
  // The address is newer here than in the object.
  Json pod = pod_.pod;
  pod.set("status", "podIP") = pod_.address;
  pod.set("status", "hostIP") = options.host_address;
  Result<Variables> all = container_variables(pod, spec_, std::move(variables), pod_.node.find);
  if (!all) return fail(all.error());
  Result<std::vector<std::string>> words = container_command(spec_, image.entrypoint, *all);
  if (!words) return fail(words.error());
  Result<std::vector<BindMount>> mounts = container_mounts(pod, spec_, pod_.volumes_folder(), *all);
  if (!mounts) return fail(mounts.error());
  Program program;
  program.argv = std::move(*words);
  for (const auto& [key, value] : *all) program.env.push_back(key + "=" + value);
  program.cwd = spec_["workingDir"].str();
  if (program.cwd.empty()) program.cwd = image.folder.empty() ? "/" : image.folder;
  program.mounts = std::move(*mounts);
  if (!pod_.node.fabric.isolated()) use_host_paths(program);
  return program;
}

/// Shared mode mounts nothing: says where the files are.
void Container::use_host_paths(Program& program) {
  for (const BindMount& mount : std::exchange(program.mounts, {})) {
    if (mount.target.starts_with("/var/run/secrets/")) continue;  // added to every pod, rarely needed
    pod_.tell("Warning", "FailedMount",
              fmt::format("without namespaces nothing can be mounted at {}; the files are at {} (allow user "
                          "namespaces, or use that path)",
                          mount.target, mount.source));
  }
  program.env.push_back("SERIN_VOLUMES=" + pod_.volumes_folder());
}

Task<bool> Container::start_process(Image image) {
  Result<Program> program = make_program(image);
  if (!program) {
    pod_.tell("Warning", "Failed", "Error: " + program.error().message);
    wait_because("CreateContainerConfigError", program.error().message);
    co_await wake_.wait_until(pod_.node.clock, pod_.node.clock.now() + config_pause);
    co_return false;
  }
  Result<FdPair> output = make_pipe();
  Result<FdPair> errors = make_pipe();
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!output || !errors) {
    wait_because("CreateContainerError", "out of file descriptors");
    co_await wake_.wait_until(pod_.node.clock, pod_.node.clock.now() + config_pause);
    co_return false;
  }
  pod_.tell("Normal", "Created", fmt::format("Created container: {}", state_.name));
  make_log();
  program_ = std::move(*program);
  const std::vector<int> fds{null.get(), output->second.get(), errors->second.get()};
  const Result<Process> process = co_await pod_.host->start(program_, fds);
  state_.id = fmt::format("serin://{}-{}-{}", kube::uid_of(pod_.pod), state_.name, state_.restarts);
  state_.started_at = pod_.node.clock.wall_now();
  if (!process) {
    pod_.tell("Warning", "Failed", "Error: " + process.error().message);
    log_->close();
    ended({128, 0});
    state_.reason = "StartError";
    state_.message = process.error().message;
    pod_.changed();
    co_return false;
  }
  process_ = *process;
  output_ = std::move(output->first);
  errors_ = std::move(errors->first);
  state_.kind = Kind::running;
  state_.reason.clear();
  state_.message.clear();
  pod_.tell("Normal", "Started", fmt::format("Started container {}", state_.name));
  co_return true;
}

/// A log for this instance; the one before is kept, older ones are not.
void Container::make_log() {
  const std::string outdated = pod_.log_path(state_.name, state_.restarts - 2);
  std::error_code error;
  std::filesystem::remove(outdated, error);
  std::filesystem::remove(outdated + ".1", error);
  log_ = std::make_shared<ContainerLog>(pod_.node.executor, pod_.node.clock,
                                        pod_.log_path(state_.name, state_.restarts));
}

std::optional<Program> Container::program_beside() const {
  if (state_.kind != Kind::running || !process_ || process_->ended()) return std::nullopt;
  Program program = program_;
  program.mounts.clear();
  program.beside = pod_.node.fabric.isolated() ? process_->pid() : 0;
  return program;
}

// --- Running

/// Copies what the program writes into the log, until it and its children have closed the pipe.
Task<void> Container::pump(Fd end, int stream) {
  const std::shared_ptr<ContainerLog> log = log_;
  asio::posix::stream_descriptor pipe(pod_.node.executor, end.release());
  for (;;) {
    char buffer[16384];
    const auto [error, n] =
        co_await pipe.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    log->append(stream, {buffer, n});
  }
}

Task<void> Container::supervise() {
  base::TaskGroup pumps(pod_.node.executor), probes(pod_.node.executor);
  pumps.spawn(pump(std::move(output_), 1));
  pumps.spawn(pump(std::move(errors_), 2));
  if (stopping_) {
    probes.spawn(end_process(stop_grace_));  // asked to stop while it was being started
  } else {
    start_probes(probes);
  }
  pod_.changed();
  std::exception_ptr cancelled;
  ExitStatus status;
  try {
    status = co_await process_->wait();
  } catch (...) {
    cancelled = std::current_exception();
  }
  if (cancelled) co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  probes.cancel();
  co_await probes.join();
  // What the program wrote last is still on its way; something it left behind must not hold us up.
  if (!cancelled) co_await base::run_until(pod_.node.clock, pod_.node.clock.now() + 1s, pumps.join());
  pumps.cancel();
  co_await pumps.join();
  log_->close();
  if (cancelled) std::rethrow_exception(cancelled);
  if (pod_.node.closing) throw boost::system::system_error(asio::error::operation_aborted);
  ended(status);
  pod_.changed();
}

void Container::ended(ExitStatus status) {
  state_.kind = Kind::terminated;
  state_.exit_code = status.exit_code();
  state_.reason = state_.exit_code == 0 ? "Completed" : "Error";
  state_.message.clear();
  state_.finished_at = pod_.node.clock.wall_now();
  state_.ready = is_init_ && state_.exit_code == 0;
  state_.started = false;
  process_.reset();
  if (state_.exit_code != 0 && !stopping_ && !pod_.node.fabric.isolated()) explain_port_conflict();
}

/// Pods share the ports of the host in shared mode: says so when that may be why a program has ended.
void Container::explain_port_conflict() {
  for (const Json& port : spec_["ports"].items()) {
    pod_.tell(
        "Warning", "SharedNetwork",
        fmt::format("container {} ended with {}: without namespaces all pods share the host's ports. If "
                    "it binds 0.0.0.0:{}, let it bind the address in SERIN_BIND_ADDRESS ({}) instead, or "
                    "allow user namespaces",
                    state_.name, state_.exit_code, port["containerPort"].int_or(0), pod_.address));
    return;
  }
}

// --- Restarting

bool Container::restarts() const {
  const std::string policy = pod_.pod.get("spec", "restartPolicy").str_or("Always");
  if (policy == "Never") return false;
  if (policy == "OnFailure" || is_init_) return state_.exit_code != 0;
  return true;
}

Task<void> Container::pause_before_restart() {
  if (state_.finished_at - state_.started_at >= calm) crashes_ = 0;
  ++crashes_;
  state_.last_state = state_.state();
  if (crashes_ > 1) {  // the first restart comes at once
    const base::Duration pause =
        std::min(pod_.node.options.restart_pause_max,
                 pod_.node.options.restart_pause * (1 << std::min(crashes_ - 2, 16)));
    const std::string where = fmt::format("{} in pod {}_{}({})", state_.name, kube::name_of(pod_.pod),
                                          kube::namespace_of(pod_.pod), kube::uid_of(pod_.pod));
    pod_.tell("Warning", "BackOff", "Back-off restarting failed container " + where);
    wait_because("CrashLoopBackOff",
                 fmt::format("back-off {} restarting failed container={} pod={}_{}({})",
                             base::format_duration(pause), state_.name, kube::name_of(pod_.pod),
                             kube::namespace_of(pod_.pod), kube::uid_of(pod_.pod)));
    co_await wake_.wait_until(pod_.node.clock, pod_.node.clock.now() + pause);
  }
  if (stopping_) {
    state_.kind = Kind::terminated;
    state_.reason = state_.exit_code == 0 ? "Completed" : "Error";
    state_.message.clear();
    co_return;
  }
  ++state_.restarts;
}

// --- Stopping

Task<void> Container::stop(base::Duration grace) {
  stopping_ = true;
  stop_grace_ = grace;
  wake_.notify();
  if (!process_ || process_->ended()) co_return;
  pod_.tell("Normal", "Killing", fmt::format("Stopping container {}", state_.name));
  co_await end_process(grace);
}

Task<void> Container::wait_ended() {
  Process process = *process_;
  co_await process.wait();
}

Task<void> Container::end_process(base::Duration grace) {
  base::Clock& clock = pod_.node.clock;
  const base::MonoTime deadline = clock.now() + grace;
  const pid_t pid = process_->pid();
  const Json& hook = spec_.get("lifecycle", "preStop");
  if (!hook.is_null() && grace > 0s) {
    const Result<void> ran = co_await run_handler(handler_target(), hook, grace);
    if (!ran) pod_.tell("Warning", "FailedPreStopHook", "PreStopHook failed: " + ran.error().message);
  }
  if (process_ && grace > 0s) {
    const Result<void> signalled = co_await pod_.host->signal(pid, SIGTERM);
    // After a hook that took all the time the program still gets as long as on a cluster.
    const base::MonoTime until = std::max(deadline, clock.now() + (hook.is_null() ? 0s : 2s));
    if (signalled && process_) co_await base::run_until(clock, until, wait_ended());
  }
  if (!process_) co_return;
  const Result<void> killed = co_await pod_.host->kill(pid);
  if (killed && process_) co_await wait_ended();
}

}  // namespace serin::local
