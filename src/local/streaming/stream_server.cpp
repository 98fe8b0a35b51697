#include "local/streaming/stream_server.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "local/streaming/exec_sessions.h"
#include "local/streaming/port_forward.h"

namespace serin::local {

using base::Errc;
using base::Result;
using base::Task;

namespace {

/// How long the user may take to open the streams of an exec.
constexpr base::Duration opening_max = std::chrono::seconds(30);
/// How long the user may take to hang up after the end: hanging up first might cut off what he still reads.
constexpr base::Duration lingering_max = std::chrono::seconds(5);

/// The elements of all comma-separated fields of that name.
std::vector<std::string> elements(const http::Headers& headers, std::string_view name) {
  std::vector<std::string> list;
  for (const std::string_view value : headers.all(name)) {
    for (std::size_t begin = 0; begin <= value.size();) {
      const std::size_t end = std::min(value.find(',', begin), value.size());
      std::string_view element = value.substr(begin, end - begin);
      while (element.starts_with(' ')) element.remove_prefix(1);
      while (element.ends_with(' ')) element.remove_suffix(1);
      if (!element.empty()) list.emplace_back(element);
      begin = end + 1;
    }
  }
  return list;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// The first of ours that the user offers too; empty if none.
std::string common(const std::vector<std::string>& offered, std::initializer_list<const char*> ours) {
  for (const char* name : ours) {
    if (std::ranges::find(offered, name) != offered.end()) return name;
  }
  return {};
}

Task<void> then_cancel(Task<void> task, base::TaskGroup& group) {
  co_await std::move(task);
  group.cancel();
}

/// Runs both until one has ended.
Task<void> until_one_ends(base::Executor executor, Task<void> one, Task<void> other) {
  base::TaskGroup group(executor);
  group.spawn(then_cancel(std::move(one), group));
  group.spawn(then_cancel(std::move(other), group));
  co_await group.join();
}

std::set<std::string, std::less<>> streams_of(const ExecRequest& exec) {
  std::set<std::string, std::less<>> types{"error"};
  if (exec.stdin_wanted) types.insert("stdin");
  if (exec.stdout_wanted) types.insert("stdout");
  if (exec.stderr_wanted) types.insert("stderr");
  if (exec.tty) types.insert("resize");
  return types;
}

Task<void> collect_streams(SpdyConnection& connection, std::set<std::string, std::less<>> missing,
                           SpdyExecSession::Streams& streams) {
  while (!missing.empty()) {
    std::shared_ptr<SpdyStream> stream = co_await connection.accept();
    if (!stream) co_return;
    const std::string type(find_header(stream->headers, "streamtype"));
    missing.erase(type);
    streams[type] = std::move(stream);
  }
}

}  // namespace

/// What was negotiated.
struct StreamServer::Agreement {
  bool websocket = false;
  http::Response head;  ///< 101 with what the protocol wants
};

Result<StreamServer::Agreement> StreamServer::agree(const http::Request& request, StreamRequest::Kind kind) {
  const http::Headers& headers = request.headers;
  const std::string upgrade = lower(std::string(headers.get("Upgrade")));
  const bool forwards = kind == StreamRequest::Kind::portforward;
  Agreement agreement{upgrade == "websocket", {101, {{"Connection", "Upgrade"}}, {}}};
  http::Headers& answer = agreement.head.headers;
  if (agreement.websocket) {
    const std::vector<std::string> offered = elements(headers, "Sec-WebSocket-Protocol");
    const std::string protocol = forwards ? common(offered, {"SPDY/3.1+portforward.k8s.io"})
                                          : common(offered, {"v5.channel.k8s.io", "v4.channel.k8s.io"});
    if (protocol.empty())
      return base::fail(Errc::invalid, "no subprotocol of the WebSocket is understood here");
    answer.set("Upgrade", "websocket");
    answer.set("Sec-WebSocket-Accept", websocket_accept(headers.get("Sec-WebSocket-Key")));
    answer.set("Sec-WebSocket-Protocol", protocol);
    return agreement;
  }
  if (upgrade != "spdy/3.1") return base::fail(Errc::invalid, "Upgrade request required");
  const std::vector<std::string> offered = elements(headers, "X-Stream-Protocol-Version");
  const std::string protocol =
      forwards ? common(offered, {"portforward.k8s.io"}) : common(offered, {"v4.channel.k8s.io"});
  if (protocol.empty())
    return base::fail(Errc::invalid, "no X-Stream-Protocol-Version of these is understood here");
  answer.set("Upgrade", "SPDY/3.1");
  answer.set("X-Stream-Protocol-Version", protocol);
  return agreement;
}

Task<void> StreamServer::handle(http::Request request, http::Responder& responder, StreamRequest stream) {
  Result<Agreement> agreement = agree(request, stream.kind);
  if (!agreement) {
    http::Response refusal{
        400, {{"Content-Type", "text/plain; charset=utf-8"}}, agreement.error().message + "\n"};
    co_await responder.send(std::move(refusal));
    co_return;
  }
  const Result<std::unique_ptr<http::Duplex>> duplex = co_await responder.upgrade(std::move(agreement->head));
  if (!duplex) co_return;
  if (!agreement->websocket) {
    co_await spdy(**duplex, std::move(stream));
  } else if (stream.kind == StreamRequest::Kind::portforward) {
    WebSocketDuplex tunnel(executor_, **duplex);
    co_await spdy(tunnel, std::move(stream));
  } else {
    co_await websocket_exec(**duplex, std::move(stream));
  }
  (*duplex)->close();
}

Task<void> StreamServer::spdy(http::Duplex& duplex, StreamRequest stream) {
  SpdyConnection connection(executor_, duplex);
  if (stream.kind == StreamRequest::Kind::portforward) {
    PortForward forward(executor_, connection, node_, stream.exec.ns, stream.exec.pod);
    co_await until_one_ends(executor_, connection.run(), forward.run());
  } else {
    co_await until_one_ends(executor_, connection.run(), drive_spdy_exec(connection, std::move(stream)));
  }
}

Task<void> StreamServer::drive_spdy_exec(SpdyConnection& connection, StreamRequest stream) {
  SpdyExecSession::Streams streams;
  Task<void> collecting = collect_streams(connection, streams_of(stream.exec), streams);
  const bool in_time = co_await base::run_until(clock_, clock_.now() + opening_max, std::move(collecting));
  if (!in_time) co_return;
  SpdyExecSession session(connection, std::move(streams));
  co_await drive_exec(session, std::move(stream));
}

Task<void> StreamServer::websocket_exec(http::Duplex& duplex, StreamRequest stream) {
  WebSocketDuplex socket(executor_, duplex);
  WebSocketExecSession session(executor_, socket);
  co_await session.greet(stream.exec);
  co_await until_one_ends(executor_, session.run(), drive_exec(session, std::move(stream)));
}

Task<void> StreamServer::drive_exec(InboxSession& session, StreamRequest stream) {
  const bool attach = stream.kind == StreamRequest::Kind::attach;
  Task<Result<void>> running =
      attach ? node_.attach(std::move(stream.exec), session) : node_.exec(std::move(stream.exec), session);
  const Result<void> ran = co_await std::move(running);
  if (!session.finished()) {
    base::Json status = ran ? exec_success() : exec_failure(ran.error().message);
    co_await session.finish(std::move(status));
  }
  co_await clock_.sleep_for(lingering_max);
}

StreamHandler StreamServer::handler() {
  return [this](http::Request request, http::Responder& responder, StreamRequest stream) {
    return handle(std::move(request), responder, std::move(stream));
  };
}

}  // namespace serin::local
