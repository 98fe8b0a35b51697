#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <utility>

#include "local/apiserver/front.h"

namespace serin::local {

using base::Task;
using http::Request;
using http::Responder;

namespace {

std::optional<std::int64_t> integer(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string> container_names(const Json& pod) {
  std::vector<std::string> names;
  for (const char* list : {"containers", "initContainers", "ephemeralContainers"}) {
    for (const Json& container : pod.get("spec", list).items()) names.push_back(container["name"].str());
  }
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

/// The container a request means: the one it names, or the only one.
StatusResult<std::string> choose_container(const Json& pod, const std::string& wanted) {
  const std::vector<std::string> names = container_names(pod);
  if (!wanted.empty()) {
    if (std::find(names.begin(), names.end(), wanted) != names.end()) return wanted;
    return std::unexpected(StatusError::bad_request(
        fmt::format("container {} is not valid for pod {}", wanted, kube::name_of(pod))));
  }
  if (pod.get("spec", "containers").size() == 1) return names.front();
  return std::unexpected(StatusError::bad_request(
      fmt::format("a container name must be specified for pod {}, choose one of: [{}]", kube::name_of(pod),
                  joined(names))));
}

StatusResult<std::string> container_on_node(const Json& pod, const std::string& wanted) {
  StatusResult<std::string> container = choose_container(pod, wanted);
  if (!container) return container;
  if (pod.get("spec", "nodeName").str().empty()) {
    return std::unexpected(
        StatusError::bad_request(fmt::format("pod {} does not have a host assigned", kube::name_of(pod))));
  }
  return container;
}

LogOptions log_options(const RequestInfo& info) {
  LogOptions options;
  options.follow = info.flag("follow");
  options.previous = info.flag("previous");
  options.timestamps = info.flag("timestamps");
  options.tail_lines = integer(info.query("tailLines"));
  options.since_seconds = integer(info.query("sinceSeconds"));
  options.limit_bytes = integer(info.query("limitBytes"));
  const base::Result<base::WallTime> since = base::parse_rfc3339(info.query("sinceTime"));
  if (since) options.since_time = *since;
  return options;
}

StatusError from_node(const base::Error& error) {
  if (error.code == base::Errc::unavailable) return {503, "ServiceUnavailable", error.message, {}};
  if (error.code == base::Errc::internal) return internal_error(error.message);
  return StatusError::bad_request(error.message);
}

/// Passes a log on as it is read.
Task<void> copy_log(std::shared_ptr<LogStream> log, Responder& responder) {
  for (;;) {
    base::Result<std::optional<std::string>> piece = co_await log->next();
    if (!piece || !piece->has_value()) co_return;
    const base::Result<void> written = co_await responder.write(std::move(**piece));
    if (!written) co_return;
  }
}

/// Ends when `task` ends or the client has gone.
Task<void> cancel_when_gone(std::shared_ptr<base::TaskGroup> work, Responder& responder) {
  co_await responder.closed();
  work->cancel();
}

Task<void> run_while_connected(base::Executor executor, Task<void> task, Responder& responder) {
  auto work = std::make_shared<base::TaskGroup>(executor);
  base::TaskGroup watcher(executor);
  work->spawn(std::move(task));
  watcher.spawn(cancel_when_gone(work, responder));
  co_await work->join();
  watcher.cancel();
  co_await watcher.join();
}

}  // namespace

Task<void> Front::logs(RequestInfo info, Responder& responder) {
  StatusResult<ObjectPtr> pod = registry_.get(info.resource, {info.ns, info.name});
  std::optional<StatusError> refusal;
  ContainerRef container{info.ns, info.name, ""};
  if (!pod) {
    refusal = pod.error();
  } else {
    StatusResult<std::string> chosen = container_on_node(**pod, info.query("container"));
    if (chosen) {
      container.container = std::move(*chosen);
    } else {
      refusal = chosen.error();
    }
  }
  if (!refusal && options_.node == nullptr)
    refusal = StatusError{503, "ServiceUnavailable", "there is no node", {}};
  if (!refusal) {
    base::Result<std::unique_ptr<LogStream>> log = co_await options_.node->logs(container, log_options(info));
    if (log) {
      http::Response head;
      head.headers.set("Content-Type", "text/plain");
      const base::Result<void> started = co_await responder.start(std::move(head));
      if (!started) co_return;
      std::shared_ptr<LogStream> shared = std::move(*log);
      co_await run_while_connected(executor_, copy_log(std::move(shared), responder), responder);
      (void)co_await responder.finish();
      co_return;
    }
    refusal = from_node(log.error());
  }
  (void)co_await responder.send(status_response(*refusal));
}

Task<void> Front::stream(Request request, RequestInfo info, Responder& responder) {
  StatusResult<ObjectPtr> pod = registry_.get(info.resource, {info.ns, info.name});
  std::optional<StatusError> refusal;
  StreamRequest asked;
  asked.exec.ns = info.ns;
  asked.exec.pod = info.name;
  asked.kind = info.subresource == "exec"     ? StreamRequest::Kind::exec
               : info.subresource == "attach" ? StreamRequest::Kind::attach
                                              : StreamRequest::Kind::portforward;
  if (!pod) {
    refusal = pod.error();
  } else if (asked.kind != StreamRequest::Kind::portforward) {
    StatusResult<std::string> chosen = container_on_node(**pod, info.query("container"));
    if (!chosen) refusal = chosen.error();
    if (chosen) asked.exec.container = std::move(*chosen);
  }
  for (const auto& [key, value] : info.target.query) {
    if (key == "command") asked.exec.command.push_back(value);
    const std::optional<std::int64_t> port = key == "ports" ? integer(value) : std::nullopt;
    if (port && *port > 0 && *port < 65536) asked.ports.push_back(static_cast<std::uint16_t>(*port));
  }
  asked.exec.tty = info.flag("tty");
  asked.exec.stdin_wanted = info.flag("stdin");
  asked.exec.stdout_wanted = info.flag("stdout");
  asked.exec.stderr_wanted = info.flag("stderr") && !asked.exec.tty;
  if (!refusal && asked.kind == StreamRequest::Kind::exec && asked.exec.command.empty()) {
    refusal = StatusError::bad_request("you must specify at least 1 command for the container");
  }
  if (!refusal && !options_.streams) {
    refusal = StatusError{501, "NotImplemented", "this server has no streams into containers", {}};
  }
  if (refusal) {
    (void)co_await responder.send(status_response(*refusal));
    co_return;
  }
  co_await options_.streams(std::move(request), responder, std::move(asked));
}

}  // namespace serin::local
