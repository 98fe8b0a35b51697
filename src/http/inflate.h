#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace serin::http {

/// Undoes "Content-Encoding: gzip" (RFC 1952) piece by piece.
class Inflater {
 public:
  Inflater();
  ~Inflater();

  /// What can be decoded so far, at most `max` bytes: more (a small answer that unpacks to a huge one) is
  /// Errc::rejected. Malformed data is Errc::internal.
  base::Result<std::string> feed(std::string_view bytes, std::size_t max);
  /// Whether the data ended where gzip says it ends.
  [[nodiscard]] bool complete() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace serin::http
