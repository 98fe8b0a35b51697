#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace serin::http {

/// Header fields in the order they were sent; names compare without case (RFC 9110 §5.1).
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  /// The first value of a field; empty when it is absent (tell the two apart with contains()).
  [[nodiscard]] std::string_view get(std::string_view name) const;
  [[nodiscard]] bool contains(std::string_view name) const;
  /// Every value of a field, in order.
  [[nodiscard]] std::vector<std::string_view> all(std::string_view name) const;
  /// Replaces every field of that name by one.
  void set(std::string_view name, std::string value);
  void add(std::string_view name, std::string value);
  void erase(std::string_view name);

  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  bool operator==(const Headers&) const = default;

 private:
  std::vector<Field> fields_;
};

/// An absolute http or https URL in its parts (RFC 3986).
struct Url {
  std::string scheme;    ///< "http" or "https"
  std::string host;      ///< name or address, without brackets
  std::string port;      ///< digits; the scheme's default when the URL names none
  std::string target;    ///< path and query as sent on the request line; at least "/"
  std::string userinfo;  ///< "user:password", percent-decoded; empty if none

  /// Errors (invalid) say what is wrong with the text, never repeating the user info.
  static base::Result<Url> parse(std::string_view text);
  /// "host" or "host:port", brackets around IPv6, the scheme's default port left out: the Host header.
  [[nodiscard]] std::string authority() const;
  /// scheme://authority + target, without user info.
  [[nodiscard]] std::string text() const;
  bool operator==(const Url&) const = default;
};

struct Request {
  std::string method = "GET";
  Url url;  ///< on a server: target as received, host and port from the Host header
  Headers headers;
  std::string body;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

/// The reason phrase of a status code ("Not Found"), "Unknown" for codes without one.
std::string_view reason_phrase(int status);

/// Percent-encodes everything but unreserved characters (RFC 3986 §2.3).
std::string percent_encode(std::string_view text);
/// Decodes %XX, and '+' as blank when `plus_is_blank` (form encoding). Malformed escapes stay as they are.
std::string percent_decode(std::string_view text, bool plus_is_blank = false);

/// A request target split at '?', its query form-decoded in order.
struct Target {
  std::string path;  ///< percent-decoded
  std::vector<std::pair<std::string, std::string>> query;

  static Target parse(std::string_view target);
  /// The first value of a key.
  [[nodiscard]] std::optional<std::string> find(std::string_view key) const;
};

}  // namespace serin::http
