#include "local/streaming/exec_sessions.h"

#include <algorithm>

namespace serin::local {

using base::Errc;
using base::Json;
using base::Result;
using base::Task;

namespace {

/// The channels of v4 and v5.channel.k8s.io.
enum Channel : char { stdin_channel = 0, error_channel = 3, resize_channel = 4, close_channel = '\xff' };

constexpr std::uint16_t close_normal = 1000;
constexpr std::size_t size_text_max = 4096;

std::string on_channel(char channel, std::string_view bytes) {
  std::string message(1, channel);
  return message.append(bytes);
}

}  // namespace

std::optional<TerminalSize> take_terminal_size(std::string& text) {
  const auto end = text.find('}');
  if (end == std::string::npos) {
    if (text.size() > size_text_max) text.clear();
    return std::nullopt;
  }
  const Result<Json> json = Json::parse(std::string_view(text).substr(0, end + 1));
  text.erase(0, end + 1);
  if (!json) return std::nullopt;
  const auto number = [&json](const char* name) {
    return static_cast<std::uint16_t>(std::clamp<std::int64_t>((*json)[name].int_or(0), 0, 0xffff));
  };
  return TerminalSize{number("Width"), number("Height")};
}

// --- InboxSession

Task<Result<std::optional<std::string>>> InboxSession::read_stdin() {
  Inbox* const box = stdin_box();
  if (!box) co_return std::optional<std::string>();
  Result<std::optional<std::string>> bytes = co_await box->pop();
  co_return bytes;
}

Task<std::optional<TerminalSize>> InboxSession::resize() {
  Inbox* const box = resize_box();
  while (box) {
    const std::optional<TerminalSize> size = take_terminal_size(resize_text_);
    if (size) co_return size;
    if (resize_text_.find('}') != std::string::npos) continue;  // something else was taken off
    const Result<std::optional<std::string>> more = co_await box->pop();
    if (!more || !*more) break;
    resize_text_ += **more;
  }
  co_return std::nullopt;
}

Task<Result<void>> InboxSession::finish(Json status) {
  finished_ = true;
  Result<void> sent = co_await send_status(status.dump());
  co_return sent;
}

// --- SPDY

Inbox* SpdyExecSession::box(std::string_view type) {
  const auto found = streams_.find(type);
  return found == streams_.end() ? nullptr : &found->second->inbox;
}

Task<Result<void>> SpdyExecSession::write(int fd, std::string bytes) {
  const auto found = streams_.find(fd == 2 ? "stderr" : "stdout");
  if (found == streams_.end()) co_return Result<void>{};  // not asked for: dropped
  Result<void> written = co_await connection_.write(found->second->id, std::move(bytes));
  co_return written;
}

Task<Result<void>> SpdyExecSession::send_status(std::string status) {
  for (const char* type : {"stdout", "stderr", "stdin", "resize", "error"}) {
    const auto found = streams_.find(type);
    if (found == streams_.end()) continue;
    std::string text = found->first == "error" ? status : std::string();
    const Result<void> written = co_await connection_.write(found->second->id, std::move(text), true);
    if (!written) co_return written;
  }
  co_return Result<void>{};
}

// --- WebSocket

Task<void> WebSocketExecSession::run() {
  Result<std::optional<std::string>> message;
  do {
    message = co_await socket_.read();
    if (message && *message) co_await receive(std::move(**message));
  } while (message && *message);
  const base::Error gone{Errc::unavailable, "the user has gone"};
  stdin_.break_off(gone);
  resize_.break_off(gone);
}

Task<void> WebSocketExecSession::receive(std::string message) {
  const char channel = message[0];
  message.erase(0, 1);
  if (channel == stdin_channel) {
    co_await stdin_.push(std::move(message));
  } else if (channel == resize_channel) {
    co_await resize_.push(std::move(message));
  } else if (channel == close_channel && message == std::string(1, stdin_channel)) {
    stdin_.end();
  }
}

Task<void> WebSocketExecSession::greet(const ExecRequest& request) {
  const char channel = request.stdout_wanted ? 1 : request.stderr_wanted ? 2 : error_channel;
  co_await socket_.write(on_channel(channel, ""));
}

Task<Result<void>> WebSocketExecSession::write(int fd, std::string bytes) {
  Result<void> written = co_await socket_.write(on_channel(fd == 2 ? 2 : 1, bytes));
  co_return written;
}

Task<Result<void>> WebSocketExecSession::send_status(std::string status) {
  Result<void> written = co_await socket_.write(on_channel(error_channel, status));
  if (written) co_await socket_.say_close(close_normal, "");
  co_return written;
}

}  // namespace serin::local
