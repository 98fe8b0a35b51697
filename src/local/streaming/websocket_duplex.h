#pragma once

#include "http/server.h"
#include "local/streaming/pipes.h"
#include "local/streaming/websocket_frames.h"

namespace serin::local {

/// The server's side of a WebSocket as bytes both ways: each write is one binary message, each read the
/// payload of one. Pings are answered on the way. Unlike with other connections several tasks may write.
class WebSocketDuplex final : public http::Duplex {
 public:
  WebSocketDuplex(base::Executor executor, http::Duplex& raw);

  base::Task<base::Result<std::optional<std::string>>> read() override;
  base::Task<base::Result<void>> write(std::string bytes) override;
  /// Says good-bye (RFC 6455 §5.5.1); nothing may be written afterwards.
  base::Task<void> say_close(std::uint16_t code, std::string reason);
  void close() override { raw_.close(); }

 private:
  http::Duplex& raw_;
  OrderedWriter writer_;
  WebSocketDecoder decoder_{WebSocketPeer::client};
  bool close_said_ = false;
};

}  // namespace serin::local
