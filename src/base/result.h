#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace serin::base {

/// Why an operation failed, as far as a caller can react to it. Everything finer is text for people.
enum class Errc {
  invalid,         ///< the input is wrong; trying again unchanged cannot help
  not_found,       ///< the named thing does not exist
  already_exists,  ///< creation of a name that is taken
  conflict,        ///< decided on an outdated version: read again and decide again
  gone,            ///< the resourceVersion or continue token has expired: list again
  forbidden,       ///< not authenticated or not allowed
  timeout,         ///< the deadline passed
  unavailable,     ///< the other side is unreachable, overloaded or shutting down; trying later may help
  rejected,        ///< the other side understood and refused for a reason of its own (HTTP 4xx and the like)
  internal,        ///< the other side, or we, broke a contract
};

/// The stable lower-case name of a code, for logs and metrics.
std::string_view name_of(Errc code);

/// An expected failure: a code to react to and a sentence for people. The sentence names what was attempted,
/// on which object, and the cause; it never holds credentials.
struct Error {
  Errc code = Errc::internal;
  std::string message;

  bool operator==(const Error&) const = default;

  /// The same failure seen from one level up: "<context>: <message>".
  [[nodiscard]] Error within(std::string_view context) const;
};

template <class T = void>
using Result = std::expected<T, Error>;

/// Shorthand for returning a failure: `return fail(Errc::invalid, "...")`.
inline std::unexpected<Error> fail(Errc code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}
inline std::unexpected<Error> fail(Error error) {
  return std::unexpected(std::move(error));
}

}  // namespace serin::base
