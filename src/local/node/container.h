#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/task.h"
#include "local/node/container_log.h"
#include "local/node/handlers.h"
#include "local/node/node_context.h"
#include "local/node/pod_status.h"

namespace serin::local {

/// One container of a pod: started, probed, restarted and ended as its spec says. Single-threaded; lives as
/// long as its tasks.
class Container {
 public:
  Container(PodContext& pod, base::Json spec, ContainerState state, bool is_init);

  /// Returns when the container has ended and will not be started again, or after stop().
  base::Task<void> run();
  /// Ends it in good order: preStop hook, SIGTERM, and SIGKILL when `grace` is over.
  base::Task<void> stop(base::Duration grace);

  [[nodiscard]] const ContainerState& state() const { return state_; }
  [[nodiscard]] const base::Json& spec() const { return spec_; }
  /// The log of this instance; null before the first.
  [[nodiscard]] std::shared_ptr<ContainerLog> log() const { return log_; }
  /// For a command beside the main process: same environment, directory and mounts. nullopt: not running.
  [[nodiscard]] std::optional<Program> program_beside() const;

 private:
  base::Task<bool> start();
  base::Task<bool> start_process(Image image);
  base::Result<Program> make_program(const Image& image);
  void use_host_paths(Program& program);
  void make_log();
  base::Task<void> supervise();
  base::Task<void> pump(Fd end, int stream);
  base::Task<void> end_process(base::Duration grace);
  base::Task<void> wait_ended();
  void ended(ExitStatus status);
  [[nodiscard]] bool restarts() const;
  base::Task<void> pause_before_restart();
  base::Task<void> pause_for_image(std::string problem);
  void wait_because(std::string reason, std::string message);
  void explain_port_conflict();

  // Probes and hooks (container_probes.cpp)
  void start_probes(base::TaskGroup& group);
  base::Task<void> post_start();
  base::Task<void> probe_startup(base::TaskGroup* group);
  base::Task<void> probe_liveness();
  base::Task<void> probe_readiness();
  base::Task<bool> probe_once(const char* kind);
  void begin_probes_after_startup(base::TaskGroup& group);
  base::Task<void> kill_unhealthy(const char* kind);
  [[nodiscard]] HandlerTarget handler_target() const;
  [[nodiscard]] base::Duration pod_grace() const;

  PodContext& pod_;
  base::Json spec_;
  ContainerState state_;
  bool is_init_;
  bool stopping_ = false;
  base::Duration stop_grace_{};
  int crashes_ = 0, pull_failures_ = 0;
  base::Wakeup wake_;  // for pauses, which stop() ends
  std::optional<Process> process_;
  Program program_;
  Fd output_, errors_;
  std::shared_ptr<ContainerLog> log_;
};

}  // namespace serin::local
