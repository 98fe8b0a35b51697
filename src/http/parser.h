#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"

namespace serin::http {

/// What bytes may make us keep in memory.
struct ParserLimits {
  std::size_t header_max = 64u << 10;
  std::uint64_t body_max = ~std::uint64_t{0};
};

/// Bytes that are no HTTP/1.1 message, or a larger one than allowed.
struct ParseFailure {
  int status = 400;  ///< what a server answers: 400, 413, 431, 501 or 505
  std::string text;
};

/// The first line and the headers of a message.
struct MessageHead {
  std::string method, target;  ///< requests
  int status = 0;              ///< responses
  int version = 11;            ///< 10 or 11
  Headers headers;
  bool keep_alive = false;  ///< as far as the peer is concerned
};

/// One HTTP/1.1 message, fed with bytes from wherever they come: no I/O here. The body is handed out without
/// its framing; Content-Encoding is left alone.
class MessageParser {
 public:
  static std::unique_ptr<MessageParser> for_request(ParserLimits limits);
  /// `bodyless`: the answer to HEAD, or to a CONNECT that succeeds.
  static std::unique_ptr<MessageParser> for_response(ParserLimits limits, bool bodyless);
  virtual ~MessageParser() = default;

  /// Takes bytes and says how many it consumed. The rest must be given again with what follows them.
  virtual std::expected<std::size_t, ParseFailure> feed(std::string_view bytes) = 0;
  /// The peer sent its last byte; a message cut short is a failure.
  virtual std::expected<void, ParseFailure> end() = 0;
  [[nodiscard]] virtual bool head_done() const = 0;
  [[nodiscard]] virtual bool done() const = 0;

  MessageHead head;  ///< complete once head_done()
  std::string body;  ///< grows; the owner may take from it what has arrived
};

}  // namespace serin::http
