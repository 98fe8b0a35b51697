#include "local/streaming/websocket_frames.h"

#include <openssl/sha.h>

#include <array>

#include "base/base64.h"
#include "local/streaming/big_endian.h"

namespace serin::local {

using base::Errc;
using base::fail;
using base::Result;

struct WebSocketDecoder::Frame {
  bool fin = true;
  std::uint8_t opcode = 0;
  std::string payload;

  [[nodiscard]] bool is_control() const { return opcode >= 8; }
};

Result<std::optional<WebSocketDecoder::Frame>> WebSocketDecoder::next_frame() {
  if (buffer_.size() < 2) return std::nullopt;
  const auto first = static_cast<std::uint8_t>(buffer_[0]), second = static_cast<std::uint8_t>(buffer_[1]);
  Frame frame{.fin = (first & 0x80) != 0, .opcode = static_cast<std::uint8_t>(first & 0x0f)};
  const bool masked = (second & 0x80) != 0;
  std::uint64_t size = second & 0x7f;
  if (first & 0x70) return fail(Errc::invalid, "WebSocket: a frame uses an extension that was not agreed on");
  if (masked != (peer_ == WebSocketPeer::client))
    return fail(Errc::invalid, "WebSocket: a frame is masked wrongly");
  if (frame.is_control() && (!frame.fin || size > 125)) {
    return fail(Errc::invalid, "WebSocket: a control frame is too long or in fragments");
  }
  const std::size_t size_bytes = size == 126 ? 2 : size == 127 ? 8 : 0;
  const std::size_t head = 2 + size_bytes + (masked ? 4 : 0);
  if (buffer_.size() < head) return std::nullopt;
  if (size_bytes > 0) size = read_big_endian(std::string_view(buffer_).substr(2), size_bytes);
  if (size > message_max) return fail(Errc::invalid, "WebSocket: a frame is too long");
  if (buffer_.size() < head + size) return std::nullopt;
  frame.payload = buffer_.substr(head, size);
  for (std::size_t i = 0; masked && i < frame.payload.size(); ++i) {
    frame.payload[i] = static_cast<char>(frame.payload[i] ^ buffer_[head - 4 + i % 4]);
  }
  buffer_.erase(0, head + size);
  return frame;
}

/// Adds a frame to the message in progress; the message once it is whole.
Result<std::optional<WebSocketMessage>> WebSocketDecoder::join(Frame frame) {
  const auto type = static_cast<WebSocketMessage::Type>(frame.opcode);
  if (frame.is_control()) {
    if (frame.opcode > 10) return fail(Errc::invalid, "WebSocket: an unknown control frame");
    return WebSocketMessage{type, std::move(frame.payload)};
  }
  const bool continues = frame.opcode == 0;
  if (frame.opcode > 2 || continues != unfinished_.has_value()) {
    return fail(Errc::invalid, "WebSocket: a fragment out of turn");
  }
  if (!continues) unfinished_ = WebSocketMessage{type, {}};
  if (unfinished_->payload.size() + frame.payload.size() > message_max) {
    return fail(Errc::invalid, "WebSocket: a message is too long");
  }
  unfinished_->payload += frame.payload;
  if (!frame.fin) return std::nullopt;
  return std::exchange(unfinished_, std::nullopt);
}

Result<std::optional<WebSocketMessage>> WebSocketDecoder::next() {
  while (true) {
    Result<std::optional<Frame>> frame = next_frame();
    if (!frame) return fail(frame.error());
    if (!*frame) return std::nullopt;
    Result<std::optional<WebSocketMessage>> message = join(std::move(**frame));
    if (!message || *message) return message;
  }
}

std::string encode_websocket(const WebSocketMessage& message) {
  std::string bytes;
  bytes += static_cast<char>(0x80 | static_cast<std::uint8_t>(message.type));
  const std::size_t size = message.payload.size();
  if (size < 126) {
    bytes += static_cast<char>(size);
  } else if (size < 65536) {
    bytes += static_cast<char>(126);
    append_big_endian(bytes, size, 2);
  } else {
    bytes += static_cast<char>(127);
    append_big_endian(bytes, size, 8);
  }
  return bytes + message.payload;
}

std::string websocket_close_payload(std::uint16_t code, std::string_view reason) {
  std::string payload;
  append_big_endian(payload, code, 2);
  payload += reason.substr(0, 123);
  return payload;
}

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return base::base64_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace serin::local
