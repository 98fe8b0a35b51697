#pragma once

#include <deque>
#include <map>
#include <memory>

#include "http/server.h"
#include "local/streaming/pipes.h"
#include "local/streaming/spdy_frames.h"

namespace serin::local {

/// A stream that the peer has opened.
struct SpdyStream {
  SpdyStream(std::uint32_t stream_id, SpdyHeaders names, const base::Executor& executor)
      : id(stream_id), headers(std::move(names)), inbox(executor) {}

  std::uint32_t id;
  SpdyHeaders headers;
  Inbox inbox;  ///< ends when the peer closes its side; breaks off when it resets the stream or goes
};

/// The server's side of SPDY/3.1 on one connection. Single-threaded; `duplex` must outlive it.
class SpdyConnection {
 public:
  static constexpr std::size_t streams_max = 256;  ///< further ones are refused

  SpdyConnection(base::Executor executor, http::Duplex& duplex);

  /// Reads frames until the peer goes or breaks the protocol; then every stream breaks off.
  base::Task<void> run();
  /// The next stream that the peer opened (it is answered already); null once the connection has ended.
  base::Task<std::shared_ptr<SpdyStream>> accept();
  /// Sends bytes, and with `fin` closes our side.
  base::Task<base::Result<void>> write(std::uint32_t id, std::string bytes, bool fin = false);
  /// Frees the stream's place; what still comes for it is dropped.
  void forget(std::uint32_t id) { streams_.erase(id); }

 private:
  base::Task<base::Result<void>> read_frames();
  base::Task<void> receive(SpdyFrame frame);
  base::Task<void> open(SpdySynStream frame);
  base::Task<void> send(SpdyFrame frame);
  void break_off(base::Error error);

  base::Executor executor_;
  http::Duplex& duplex_;
  OrderedWriter writer_;
  SpdyDecoder decoder_;
  SpdyEncoder encoder_;
  std::map<std::uint32_t, std::shared_ptr<SpdyStream>> streams_;
  std::deque<std::shared_ptr<SpdyStream>> opened_;
  base::Wakeup opened_any_;
  bool ended_ = false;
};

}  // namespace serin::local
