#include <fmt/format.h>

#include <algorithm>

#include "local/machinery/columns.h"

namespace serin::local {

namespace {

bool has_condition(const Json& pod, std::string_view type) {
  return std::ranges::any_of(pod.get("status", "conditions").items(), [&](const Json& condition) {
    return condition["type"].str() == type && condition["status"].str() == "True";
  });
}

/// How a container ended: its reason, or else its signal or exit code.
std::string end_of(const Json& terminated, std::string_view prefix = {}) {
  const std::string& reason = terminated["reason"].str();
  if (!reason.empty()) return fmt::format("{}{}", prefix, reason);
  const std::int64_t signal = terminated["signal"].int_or(0);
  if (signal != 0) return fmt::format("{}Signal:{}", prefix, signal);
  return fmt::format("{}ExitCode:{}", prefix, terminated["exitCode"].int_or(0));
}

class Summary {
 public:
  explicit Summary(const Json& pod) : pod_(pod), status_(pod["status"]) {
    text_ = status_["reason"].str().empty() ? status_["phase"].str() : status_["reason"].str();
  }

  PodSummary make(base::WallTime now) {
    std::size_t total = pod_.get("spec", "containers").size();
    for (const Json& init : pod_.get("spec", "initContainers").items()) {
      if (init["restartPolicy"].str() == "Always") ++total;
    }
    const bool initializing = look_at_init_containers();
    if (!initializing || has_condition(pod_, "Initialized")) look_at_containers();
    const std::string& phase = status_["phase"].str();
    if (pod_.get("metadata", "deletionTimestamp").is_string() && phase != "Succeeded" && phase != "Failed") {
      text_ = "Terminating";
    }
    std::string restarts = std::to_string(restarts_);
    if (restarts_ != 0 && !last_restart_.empty()) {
      restarts += fmt::format(" ({} ago)", age_since(last_restart_, now));
    }
    return {fmt::format("{}/{}", ready_, total), text_, std::move(restarts)};
  }

 private:
  [[nodiscard]] bool is_sidecar(const Json& container) const {
    return std::ranges::any_of(pod_.get("spec", "initContainers").items(), [&](const Json& init) {
      return init["name"] == container["name"] && init["restartPolicy"].str() == "Always";
    });
  }

  void count_restarts(const Json& container) {
    restarts_ += container["restartCount"].int_or(0);
    const std::string& end = container.get("lastState", "terminated", "finishedAt").str();
    last_restart_ = std::max(last_restart_, end);  // RFC 3339 in UTC sorts as text
  }

  bool look_at_init_containers() {
    const Json::Array& containers = status_["initContainerStatuses"].items();
    std::int64_t sidecar_restarts = 0;
    std::string sidecar_last;
    std::optional<std::string> waiting;
    for (std::size_t i = 0; i < containers.size() && !waiting; ++i) {
      const Json& container = containers[i];
      count_restarts(container);
      if (is_sidecar(container)) sidecar_restarts += container["restartCount"].int_or(0);
      waiting = init_state(container, i);
    }
    if (!waiting) {
      restarts_ = sidecar_restarts;
      last_restart_ = sidecar_restarts == 0 ? "" : last_restart_;
      return false;
    }
    text_ = *waiting;
    return true;
  }

  /// What the pod waits for here; nullopt if this container has done its work.
  std::optional<std::string> init_state(const Json& container, std::size_t index) {
    const Json& state = container["state"];
    const Json& terminated = state["terminated"];
    if (terminated.is_object() && terminated["exitCode"].int_or(0) == 0) return std::nullopt;
    if (is_sidecar(container) && container["started"].bool_or(false)) {
      if (container["ready"].bool_or(false)) ++ready_;
      return std::nullopt;
    }
    if (terminated.is_object()) return end_of(terminated, "Init:");
    const std::string& reason = state.get("waiting", "reason").str();
    if (!reason.empty() && reason != "PodInitializing") return "Init:" + reason;
    return fmt::format("Init:{}/{}", index, pod_.get("spec", "initContainers").size());
  }

  void look_at_containers() {
    bool running = false;
    std::string failure;
    const Json::Array& containers = status_["containerStatuses"].items();
    for (auto container = containers.rbegin(); container != containers.rend(); ++container) {
      count_restarts(*container);
      const Json& state = (*container)["state"];
      const std::string& waiting = state.get("waiting", "reason").str();
      if (!waiting.empty()) {
        text_ = waiting;
      } else if (state["terminated"].is_object()) {
        text_ = end_of(state["terminated"]);
        if (state.get("terminated", "exitCode").int_or(0) != 0) failure = text_;
      } else if ((*container)["ready"].bool_or(false) && state["running"].is_object()) {
        running = true;
        ++ready_;
      }
    }
    if (text_ != "Completed") return;
    if (running && has_condition(pod_, "Ready")) {
      text_ = "Running";
    } else if (!failure.empty()) {
      text_ = failure;
    } else if (running) {
      text_ = "NotReady";
    }
  }

  const Json& pod_;
  const Json& status_;
  std::string text_;
  std::size_t ready_ = 0;
  std::int64_t restarts_ = 0;
  std::string last_restart_;
};

}  // namespace

PodSummary summarise_pod(const Json& pod, base::WallTime now) {
  return Summary(pod).make(now);
}

}  // namespace serin::local
