#include "local/streaming/websocket_duplex.h"

namespace serin::local {

using base::Result;
using base::Task;
using Type = WebSocketMessage::Type;

namespace {

constexpr std::uint16_t close_normal = 1000, close_protocol_error = 1002;

}  // namespace

WebSocketDuplex::WebSocketDuplex(base::Executor executor, http::Duplex& raw)
    : raw_(raw), writer_(std::move(executor), raw) {}

Task<Result<std::optional<std::string>>> WebSocketDuplex::read() {
  while (true) {
    Result<std::optional<WebSocketMessage>> message = decoder_.next();
    if (!message) {
      co_await say_close(close_protocol_error, message.error().message);
      co_return base::fail(message.error());
    }
    if (!*message) {
      const Result<std::optional<std::string>> bytes = co_await raw_.read();
      if (!bytes || !*bytes) co_return bytes;
      decoder_.feed(**bytes);
      continue;
    }
    WebSocketMessage& found = **message;
    if (found.type == Type::close) {
      co_await say_close(close_normal, "");
      co_return std::optional<std::string>();
    }
    if (found.type == Type::ping) {
      co_await writer_.write(encode_websocket({Type::pong, std::move(found.payload)}));
    } else if (found.type == Type::binary && !found.payload.empty()) {
      co_return std::optional<std::string>(std::move(found.payload));
    }
  }
}

Task<Result<void>> WebSocketDuplex::write(std::string bytes) {
  Result<void> written = co_await writer_.write(encode_websocket({Type::binary, std::move(bytes)}));
  co_return written;
}

Task<void> WebSocketDuplex::say_close(std::uint16_t code, std::string reason) {
  if (std::exchange(close_said_, true)) co_return;
  co_await writer_.write(encode_websocket({Type::close, websocket_close_payload(code, reason)}));
}

}  // namespace serin::local
