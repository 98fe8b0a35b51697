#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "base/task.h"
#include "local/node/processes.h"

namespace serin::local {

/// Where a container's probes and hooks act.
struct HandlerTarget {
  ProcessHost* network = nullptr;  ///< from where connections are made
  ProcessHost* pod = nullptr;      ///< where commands run
  Program program;                 ///< environment, directory and mounts for commands
  std::string address;             ///< the pod's
  base::Json container;            ///< names ports
  base::Clock* clock = nullptr;
  std::string loopback;  ///< what stands for localhost in commands; empty: the pod has a loopback of its own
};

/// Carries out one handler of a probe or hook (httpGet, tcpSocket, exec, sleep). Errors say what was seen, in
/// the kubelet's words (`HTTP probe failed with statuscode: 500`); timeout: the deadline came first. What the
/// target points to must outlive the task.
base::Task<base::Result<void>> run_handler(HandlerTarget target, base::Json handler, base::Duration timeout);

/// A word of a command with this address for every host named localhost or 127.0.0.1.
std::string with_loopback(std::string word, std::string_view address);

/// A port by number or by its name in the container; nullopt if there is none of that name.
std::optional<std::uint16_t> port_of(const base::Json& container, const base::Json& port);

/// Turns single results into the state of a probe, as its thresholds say.
class ProbeState {
 public:
  ProbeState(const base::Json& probe, bool initially) : ok_(initially) {
    success_threshold_ = probe["successThreshold"].int_or(1);
    failure_threshold_ = probe["failureThreshold"].int_or(3);
  }

  /// True if ok() has changed.
  bool add(bool success);
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool failed() const { return failures_ >= failure_threshold_; }

 private:
  std::int64_t success_threshold_, failure_threshold_;
  std::int64_t successes_ = 0, failures_ = 0;
  bool ok_;
};

}  // namespace serin::local
