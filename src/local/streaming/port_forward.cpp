#include "local/streaming/port_forward.h"

#include <fmt/format.h>

#include <charconv>

namespace serin::local {

using base::Result;
using base::Task;

PortForward::PortForward(base::Executor executor, SpdyConnection& connection, NodeApi& node, std::string ns,
                         std::string pod)
    : executor_(executor),
      connection_(connection),
      node_(node),
      ns_(std::move(ns)),
      pod_(std::move(pod)),
      forwards_(executor) {}

Task<void> PortForward::run() {
  forwards_.spawn(accept_streams());
  co_await forwards_.join();
}

Task<void> PortForward::accept_streams() {
  while (true) {
    Stream stream = co_await connection_.accept();
    if (!stream) break;
    const std::string id(find_header(stream->headers, "requestid"));
    const auto other = unpaired_.find(id);
    if (other == unpaired_.end()) {
      unpaired_.emplace(id, std::move(stream));
      continue;
    }
    Stream data = std::move(other->second), error = std::move(stream);
    unpaired_.erase(other);
    if (find_header(data->headers, "streamtype") == "error") std::swap(data, error);
    forwards_.spawn(forward(std::move(data), std::move(error)));
  }
  forwards_.cancel();
}

Task<void> PortForward::forward(Stream data, Stream error) {
  const std::string_view text = find_header(data->headers, "port");
  std::uint16_t port = 0;
  std::from_chars(text.data(), text.data() + text.size(), port);
  Result<std::unique_ptr<PortStream>> dialled = co_await node_.dial(ns_, pod_, port);
  if (dialled) {
    base::TaskGroup group(executor_);
    group.spawn(upstream(data, **dialled, group));
    group.spawn(downstream(data, **dialled, group));
    co_await group.join();
  }
  std::string failure;
  if (!dialled) {
    failure = fmt::format("error forwarding port {} to pod {}: {}", port, pod_, dialled.error().message);
  }
  co_await connection_.write(error->id, std::move(failure), true);
  co_await connection_.write(data->id, "", true);
  connection_.forget(error->id);
  connection_.forget(data->id);
}

Task<void> PortForward::upstream(Stream data, PortStream& port, base::TaskGroup& group) {
  while (true) {
    Result<std::optional<std::string>> bytes = co_await data->inbox.pop();
    if (!bytes) break;
    if (!*bytes) {
      co_await port.close_write();
      co_return;  // the pod may still answer
    }
    const Result<void> written = co_await port.write(std::move(**bytes));
    if (!written) break;
  }
  group.cancel();
}

Task<void> PortForward::downstream(Stream data, PortStream& port, base::TaskGroup& group) {
  while (true) {
    Result<std::optional<std::string>> bytes = co_await port.read();
    if (!bytes || !*bytes) break;
    const Result<void> written = co_await connection_.write(data->id, std::move(**bytes));
    if (!written) break;
  }
  group.cancel();
}

}  // namespace serin::local
