#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "local/streaming/spdy_headers.h"

namespace serin::local {

/// The frames of SPDY/3.1 that mean something to exec, attach and port-forward. Others (SETTINGS, HEADERS,
/// WINDOW_UPDATE, unknown control frames) are read and dropped: kubectl's SPDY library and the kubelet's
/// count no windows, so neither do we.
struct SpdySynStream {
  std::uint32_t id = 0;
  SpdyHeaders headers;
  bool fin = false;
};
struct SpdySynReply {
  std::uint32_t id = 0;
};
struct SpdyData {
  std::uint32_t id = 0;
  std::string bytes;
  bool fin = false;
};
struct SpdyRstStream {
  std::uint32_t id = 0;
  std::uint32_t status = 0;
};
struct SpdyPing {
  std::uint32_t id = 0;
};
struct SpdyGoAway {
  std::uint32_t last_id = 0;
  std::uint32_t status = 0;  ///< 0 ok, 1 protocol error, 2 internal error
};
using SpdyFrame = std::variant<SpdySynStream, SpdySynReply, SpdyData, SpdyRstStream, SpdyPing, SpdyGoAway>;

/// Bytes in, frames out. After an error (invalid) the connection is of no use.
class SpdyDecoder {
 public:
  static constexpr std::size_t frame_max = 1u << 20;  ///< longer frames are refused before they are kept

  void feed(std::string_view bytes) { buffer_.append(bytes); }
  /// The next whole frame; nullopt when more bytes are needed.
  base::Result<std::optional<SpdyFrame>> next();

 private:
  base::Result<std::optional<SpdyFrame>> control(std::uint32_t head, bool fin, std::string_view body);

  std::string buffer_;
  SpdyHeaderUnpacker headers_;
};

/// Frames in, bytes out, in the order they are to be sent.
class SpdyEncoder {
 public:
  std::string encode(const SpdyFrame& frame);

 private:
  SpdyHeaderPacker headers_;
};

}  // namespace serin::local
