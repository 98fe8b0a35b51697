#include <fmt/format.h>

#include "local/node/container.h"

namespace serin::local {

using base::Json;
using base::Result;
using base::Task;
using Kind = ContainerState::Kind;

namespace {

base::Duration seconds_of(const Json& probe, const char* field, std::int64_t otherwise) {
  return std::chrono::seconds(probe[field].int_or(otherwise));
}

/// "livenessProbe" as events name it.
std::string_view title_of(std::string_view kind) {
  if (kind == "livenessProbe") return "Liveness";
  return kind == "readinessProbe" ? "Readiness" : "Startup";
}

}  // namespace

HandlerTarget Container::handler_target() const {
  const Program program = program_beside().value_or(Program{});
  // In shared mode programs listen on their pod's address alone, where all pods have one loopback.
  const std::string loopback = pod_.node.fabric.isolated() ? "" : pod_.address;
  return {&pod_.node.fabric.processes(),
          pod_.host.get(),
          program,
          pod_.address,
          spec_,
          &pod_.node.clock,
          loopback};
}

base::Duration Container::pod_grace() const {
  return std::chrono::seconds(pod_.pod.get("spec", "terminationGracePeriodSeconds").int_or(30));
}

void Container::start_probes(base::TaskGroup& group) {
  state_.started = false;
  state_.ready = false;
  if (spec_["lifecycle"].contains("postStart")) group.spawn(post_start());
  if (!is_init_ && spec_.contains("startupProbe")) {
    group.spawn(probe_startup(&group));
  } else {
    begin_probes_after_startup(group);
  }
}

void Container::begin_probes_after_startup(base::TaskGroup& group) {
  state_.started = true;
  if (is_init_) return;
  if (spec_.contains("livenessProbe")) group.spawn(probe_liveness());
  if (spec_.contains("readinessProbe")) {
    group.spawn(probe_readiness());
  } else {
    state_.ready = true;
  }
  pod_.changed();
}

Task<void> Container::post_start() {
  const Json& hook = spec_.get("lifecycle", "postStart");
  const Result<void> ran = co_await run_handler(handler_target(), hook, std::chrono::minutes(2));
  if (ran) co_return;
  pod_.tell("Warning", "FailedPostStartHook", "PostStartHook failed: " + ran.error().message);
  co_await end_process(pod_grace());
}

/// One attempt; a failure is told.
Task<bool> Container::probe_once(const char* kind) {
  const Json& probe = spec_[kind];
  const Result<void> seen =
      co_await run_handler(handler_target(), probe, seconds_of(probe, "timeoutSeconds", 1));
  if (!seen) {
    pod_.tell("Warning", "Unhealthy",
              fmt::format("{} probe failed: {}", title_of(kind), seen.error().message));
  }
  co_return seen.has_value();
}

Task<void> Container::kill_unhealthy(const char* kind) {
  std::string title(title_of(kind));
  title[0] = static_cast<char>(title[0] - 'A' + 'a');
  pod_.tell("Normal", "Killing",
            fmt::format("Container {} failed {} probe, will be restarted", state_.name, title));
  const Json& own_grace = spec_[kind]["terminationGracePeriodSeconds"];
  const base::Duration grace = own_grace.is_null() ? pod_grace() : std::chrono::seconds(own_grace.int_or(30));
  co_await end_process(grace);
}

Task<void> Container::probe_startup(base::TaskGroup* group) {
  const Json& probe = spec_["startupProbe"];
  ProbeState state(probe, false);
  co_await pod_.node.clock.sleep_for(seconds_of(probe, "initialDelaySeconds", 0));
  while (!state.ok()) {
    const bool success = co_await probe_once("startupProbe");
    state.add(success);
    if (state.ok()) break;
    if (state.failed()) {
      co_await kill_unhealthy("startupProbe");
      co_return;
    }
    co_await pod_.node.clock.sleep_for(seconds_of(probe, "periodSeconds", 10));
  }
  begin_probes_after_startup(*group);
}

Task<void> Container::probe_liveness() {
  const Json& probe = spec_["livenessProbe"];
  ProbeState state(probe, true);
  co_await pod_.node.clock.sleep_for(seconds_of(probe, "initialDelaySeconds", 0));
  for (;;) {
    const bool success = co_await probe_once("livenessProbe");
    state.add(success);
    if (!state.ok()) {
      co_await kill_unhealthy("livenessProbe");
      co_return;
    }
    co_await pod_.node.clock.sleep_for(seconds_of(probe, "periodSeconds", 10));
  }
}

Task<void> Container::probe_readiness() {
  const Json& probe = spec_["readinessProbe"];
  ProbeState state(probe, false);
  co_await pod_.node.clock.sleep_for(seconds_of(probe, "initialDelaySeconds", 0));
  for (;;) {
    const bool success = co_await probe_once("readinessProbe");
    if (state.add(success)) {
      state_.ready = state.ok();
      pod_.changed();
    }
    co_await pod_.node.clock.sleep_for(seconds_of(probe, "periodSeconds", 10));
  }
}

}  // namespace serin::local
