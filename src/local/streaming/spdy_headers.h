#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace serin::local {

/// Names (lower case on the wire) and values of a SPDY stream, in order.
using SpdyHeaders = std::vector<std::pair<std::string, std::string>>;

/// The value of a name; empty if absent.
std::string_view find_header(const SpdyHeaders& headers, std::string_view name);

/// Packs header blocks (SPDY/3 §2.6.10): one zlib stream a connection and direction, started with the
/// protocol's dictionary. Blocks must be packed in the order they are sent.
class SpdyHeaderPacker {
 public:
  SpdyHeaderPacker();
  ~SpdyHeaderPacker();
  std::string pack(const SpdyHeaders& headers);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

/// Unpacks header blocks in the order they arrive. After an error the connection is of no use.
class SpdyHeaderUnpacker {
 public:
  static constexpr std::size_t block_max = 64u << 10;  ///< a longer block is refused, whatever it unpacks to

  SpdyHeaderUnpacker();
  ~SpdyHeaderUnpacker();
  base::Result<SpdyHeaders> unpack(std::string_view block);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace serin::local
