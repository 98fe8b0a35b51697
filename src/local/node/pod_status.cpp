#include "local/node/pod_status.h"

#include <algorithm>
#include <string_view>

namespace serin::local {

using base::Json;
using base::WallTime;

namespace {

using Kind = ContainerState::Kind;

bool is_ready(const ContainerState& container) {
  return container.kind == Kind::running && container.ready;
}

bool all_initialized(const PodFacts& facts) {
  return std::ranges::all_of(facts.init_containers, &ContainerState::succeeded);
}

std::string_view phase_of(const Json& pod, const PodFacts& facts) {
  if (facts.evicted) return "Failed";
  const std::string policy = pod.get("spec", "restartPolicy").str_or("Always");
  if (!all_initialized(facts)) {
    const bool failed = std::ranges::any_of(facts.init_containers, [](const ContainerState& c) {
      return c.kind == Kind::terminated && c.exit_code != 0;
    });
    return failed && policy == "Never" ? "Failed" : "Pending";
  }
  std::size_t running = 0, new_ones = 0, ended = 0, succeeded = 0;
  for (const ContainerState& c : facts.containers) {
    running += c.kind == Kind::running || (c.kind == Kind::waiting && !c.last_state.is_null());
    new_ones += c.kind == Kind::waiting && c.last_state.is_null();
    ended += c.kind == Kind::terminated;
    succeeded += c.succeeded();
  }
  if (new_ones > 0) return "Pending";
  if (running > 0 || ended == 0 || policy == "Always") return "Running";
  if (succeeded == ended) return "Succeeded";
  return policy == "Never" ? "Failed" : "Running";
}

struct Condition {
  std::string type;
  bool status = false;
  std::string reason, message;
};

/// "containers with unready status: [a b]"
std::string names_where(const std::vector<ContainerState>& containers, auto predicate, std::string text) {
  text += " [";
  bool first = true;
  for (const ContainerState& container : containers) {
    if (!predicate(container)) continue;
    if (!first) text += ' ';
    text += container.name;
    first = false;
  }
  return text + "]";
}

std::vector<Condition> conditions_of(const Json& pod, const PodFacts& facts, std::string_view phase) {
  Condition initialized{"Initialized", all_initialized(facts), "", ""};
  if (!initialized.status) {
    initialized.reason = "ContainersNotInitialized";
    initialized.message = names_where(
        facts.init_containers, [](const ContainerState& c) { return !c.succeeded(); },
        "containers with incomplete status:");
  }
  Condition containers{"ContainersReady", std::ranges::all_of(facts.containers, is_ready), "", ""};
  if (phase == "Succeeded") {
    containers.status = false;
    initialized.reason = containers.reason = "PodCompleted";
  } else if (phase == "Failed") {
    containers.status = false;
    containers.reason = "PodFailed";
  } else if (!containers.status) {
    containers.reason = "ContainersNotReady";
    containers.message = names_where(
        facts.containers, [](const ContainerState& c) { return !is_ready(c); },
        "containers with unready status:");
  }
  Condition ready = containers;
  ready.type = "Ready";
  if (ready.status && pod["metadata"].contains("deletionTimestamp")) {
    ready.status = false;
    ready.reason = "PodTerminating";
  }
  return {{"PodReadyToStartContainers", !facts.address.empty(), "", ""},
          std::move(initialized),
          std::move(ready),
          std::move(containers),
          {"PodScheduled", true, "", ""}};
}

Json condition_json(const Condition& condition, const Json& before, WallTime now) {
  const std::string status = condition.status ? "True" : "False";
  Json json = Json::object({{"type", condition.type}, {"status", status}, {"lastProbeTime", nullptr}});
  const bool same = before["status"].str() == status;
  json.set("lastTransitionTime") = same && before.contains("lastTransitionTime")
                                       ? before["lastTransitionTime"]
                                       : base::format_rfc3339(now);
  if (!condition.reason.empty()) json.set("reason") = condition.reason;
  if (!condition.message.empty()) json.set("message") = condition.message;
  return json;
}

const Json& named(const Json& list, const char* key, std::string_view value) {
  static const Json none;
  for (const Json& item : list.items()) {
    if (item[key].str() == value) return item;
  }
  return none;
}

Json conditions_json(const Json& pod, const PodFacts& facts, std::string_view phase, WallTime now) {
  const Json& before = pod.get("status", "conditions");
  const std::vector<Condition> ours = conditions_of(pod, facts, phase);
  Json list = Json::array();
  for (const Condition& condition : ours) {
    list.push_back(condition_json(condition, named(before, "type", condition.type), now));
  }
  for (const Json& other : before.items()) {
    const bool known = std::ranges::any_of(
        ours, [&](const Condition& condition) { return condition.type == other["type"].str(); });
    if (!known) list.push_back(other);
  }
  return list;
}

Json statuses_json(const std::vector<ContainerState>& containers) {
  Json list = Json::array();
  for (const ContainerState& container : containers) list.push_back(container.status());
  return list;
}

}  // namespace

Json ContainerState::state() const {
  if (kind == Kind::running) {
    return Json::object({{"running", Json::object({{"startedAt", base::format_rfc3339(started_at)}})}});
  }
  Json state = Json::object();
  Json& inner = state.set(kind == Kind::waiting ? "waiting" : "terminated");
  inner = Json::object();
  if (kind == Kind::terminated) {
    inner.set("exitCode") = exit_code;
    if (signal != 0) inner.set("signal") = signal;
  }
  if (!reason.empty()) inner.set("reason") = reason;
  if (!message.empty()) inner.set("message") = message;
  if (kind == Kind::terminated) {
    inner.set("startedAt") = base::format_rfc3339(started_at);
    inner.set("finishedAt") = base::format_rfc3339(finished_at);
    inner.set("containerID") = id;
  }
  return state;
}

Json ContainerState::status() const {
  Json status = Json::object({{"name", name},
                              {"state", state()},
                              {"lastState", last_state.is_null() ? Json::object() : last_state},
                              {"ready", ready},
                              {"restartCount", restarts},
                              {"image", image},
                              {"imageID", id.empty() ? "" : image},
                              {"started", started}});
  if (!id.empty()) status.set("containerID") = id;
  return status;
}

Json pod_status(const Json& pod, const PodFacts& facts, WallTime now) {
  const std::string_view phase = phase_of(pod, facts);
  Json status = Json::object({{"phase", phase},
                              {"conditions", conditions_json(pod, facts, phase, now)},
                              {"hostIP", facts.host_address},
                              {"hostIPs", Json::array({Json::object({{"ip", facts.host_address}})})}});
  if (!facts.reason.empty()) status.set("reason") = facts.reason;
  if (!facts.message.empty()) status.set("message") = facts.message;
  if (!facts.address.empty()) {
    status.set("podIP") = facts.address;
    status.set("podIPs") = Json::array({Json::object({{"ip", facts.address}})});
  }
  if (facts.started_at) status.set("startTime") = base::format_rfc3339(*facts.started_at);
  if (!facts.init_containers.empty()) {
    status.set("initContainerStatuses") = statuses_json(facts.init_containers);
  }
  status.set("containerStatuses") = statuses_json(facts.containers);
  return status;
}

ContainerState resumed_state(const Json& container, const Json& statuses, WallTime now) {
  ContainerState state;
  state.name = container["name"].str();
  state.image = container["image"].str();
  state.reason = "ContainerCreating";
  const Json& before = named(statuses, "name", state.name);
  if (before.is_null()) return state;
  state.restarts = static_cast<int>(before["restartCount"].int_or(0));
  if (before["lastState"].contains("terminated")) state.last_state = before["lastState"];
  if (const Json* running = before["state"].find("running")) {
    ++state.restarts;
    state.last_state = Json::object({{"terminated", Json::object({{"exitCode", 255},
                                                                  {"reason", "Unknown"},
                                                                  {"startedAt", (*running)["startedAt"]},
                                                                  {"finishedAt", base::format_rfc3339(now)},
                                                                  {"containerID", before["containerID"]}})}});
  } else if (before["state"].contains("terminated")) {
    ++state.restarts;
    state.last_state = before["state"];
  }
  return state;
}

}  // namespace serin::local
