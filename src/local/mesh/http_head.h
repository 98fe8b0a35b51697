#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace serin::local::mesh {

/// Where a message's body ends (RFC 9112 §6.3).
enum class BodyKind { none, length, chunked, until_close };

/// Follows a body through the bytes of a connection without changing or copying them.
class BodyFraming {
 public:
  BodyFraming() = default;
  explicit BodyFraming(BodyKind kind, std::uint64_t length = 0);

  /// How many of these next bytes belong to the body; all of them, or fewer when it ends among them.
  /// Malformed chunks are an error.
  std::expected<std::size_t, std::string> take(std::string_view bytes);
  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] BodyKind kind() const { return kind_; }

 private:
  enum class Chunk { size, extension, size_lf, data, data_cr, data_lf, trailer_start, trailer, last_lf };
  std::expected<void, std::string> step(char c);

  BodyKind kind_ = BodyKind::none;
  bool done_ = true;
  std::uint64_t left_ = 0;  // of the whole body, or of the present chunk
  Chunk state_ = Chunk::size;
  int digits_ = 0;
  std::size_t overhead_ = 0;  // bytes of extensions and trailers, limited
};

/// Why a request cannot be served: the status to answer with, and a text.
struct HeadError {
  int status = 400;
  std::string text;
};

using HeadFields = std::vector<std::pair<std::string_view, std::string_view>>;

/// What the head of a message says about connection and body.
struct Framing {
  bool http_1_0 = false;
  bool keep_alive = true;
  bool upgrade = false;  ///< Connection names Upgrade
  BodyKind body = BodyKind::none;
  std::uint64_t length = 0;
};

/// Views into the bytes they were parsed from.
struct RequestHead {
  std::string_view method, target, host;
  HeadFields fields;
  Framing framing;
  std::size_t size = 0;  ///< bytes of the head with its empty line
};

struct ResponseHead {
  int status = 0;
  std::string_view reason;
  HeadFields fields;
  Framing framing;
  std::size_t size = 0;
};

/// The end of the head in these bytes (after its empty line); npos if it has not arrived. `searched` says how
/// far an earlier call came and is updated, so that a slow head is not searched again and again.
std::size_t find_head_end(std::string_view bytes, std::size_t& searched);

/// Read a complete head. Strict where leniency lets two readers see different messages (RFC 9112 §11.2):
/// no blank before a colon, no folded lines, no conflicting lengths, no other transfer coding than chunked.
/// `head`'s vectors are reused.
std::expected<void, HeadError> parse_request_head(std::string_view bytes, RequestHead& head);
/// `to_head`: the request was HEAD, so there is no body. Errors are texts: the upstream's fault.
std::expected<void, std::string> parse_response_head(std::string_view bytes, bool to_head,
                                                     ResponseHead& head);

/// Append the head as it is passed on: fields of the single connection (RFC 9110 §7.6.1) left out, the ones
/// that frame the body and ask for an upgrade kept. The request's `target` and `host` replace what was sent;
/// `canonical` becomes l5d-dst-canonical.
void write_request_head(const RequestHead& head, std::string_view target, std::string_view host,
                        std::string_view canonical, std::string& out);
/// `close`: the client's connection ends after this response.
void write_response_head(const ResponseHead& head, bool close, std::string& out);

/// Changes to the fields of a message, made in this order (Linkerd's): add, set, remove. What frames the
/// message and names its host stays as it is, whatever is asked.
struct HeaderEdit {
  std::vector<std::pair<std::string, std::string>> add, set;
  std::vector<std::string> remove;
};
/// The fields refer to the edit's texts from then on.
void edit_fields(const HeaderEdit& edit, HeadFields& fields);

/// What the first bytes of a connection are.
enum class FirstBytes { unknown, http, other };
FirstBytes detect(std::string_view bytes);

bool same_name(std::string_view a, std::string_view b);

}  // namespace serin::local::mesh
