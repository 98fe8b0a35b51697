#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace serin::local {

/// A message of RFC 6455: whole, unmasked, its fragments joined.
struct WebSocketMessage {
  enum class Type : std::uint8_t { text = 1, binary = 2, close = 8, ping = 9, pong = 10 };
  Type type = Type::binary;
  std::string payload;
};

/// Who sent the bytes that are decoded: clients mask what they send, servers must not (RFC 6455 §5.1).
enum class WebSocketPeer { client, server };

/// Bytes in, messages out. After an error (invalid) the connection is of no use.
class WebSocketDecoder {
 public:
  static constexpr std::size_t message_max = 1u << 20;

  explicit WebSocketDecoder(WebSocketPeer peer) : peer_(peer) {}
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  /// The next whole message; nullopt when more bytes are needed.
  base::Result<std::optional<WebSocketMessage>> next();

 private:
  struct Frame;
  base::Result<std::optional<Frame>> next_frame();
  base::Result<std::optional<WebSocketMessage>> join(Frame frame);

  WebSocketPeer peer_;
  std::string buffer_;
  std::optional<WebSocketMessage> unfinished_;
};

/// One message as a server sends it: one frame, not masked.
std::string encode_websocket(const WebSocketMessage& message);
/// The payload of a close message: a status code (RFC 6455 §7.4.1) and a reason.
std::string websocket_close_payload(std::uint16_t code, std::string_view reason);
/// Sec-WebSocket-Accept for a client's Sec-WebSocket-Key.
std::string websocket_accept(std::string_view key);

}  // namespace serin::local
