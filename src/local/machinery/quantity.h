#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace serin::local {

/// A Kubernetes quantity ("100m", "64Mi", "1.5", "1e3"): a fixed-point number, exact to 1e-9 (finer digits
/// are rounded up, as the API server does), with the family of suffixes it was written in.
class Quantity {
 public:
  enum class Format { decimal_si, binary_si, decimal_exponent };

  /// Error (invalid): the API server's own text.
  static base::Result<Quantity> parse(std::string_view text);

  /// The canonical form: no fraction, the largest suffix that keeps the value whole ("0.1" -> "100m").
  [[nodiscard]] std::string canonical() const;
  /// Rounded up to thousandths / to whole units; the largest int64 if it doesn't fit.
  [[nodiscard]] std::int64_t milli_value() const;
  [[nodiscard]] std::int64_t value() const;
  [[nodiscard]] Format format() const { return format_; }

  bool operator==(const Quantity& other) const { return nanos_ == other.nanos_; }
  std::strong_ordering operator<=>(const Quantity& other) const {
    return nanos_ < other.nanos_   ? std::strong_ordering::less
           : nanos_ > other.nanos_ ? std::strong_ordering::greater
                                   : std::strong_ordering::equal;
  }

 private:
  __int128 nanos_ = 0;
  Format format_ = Format::decimal_si;
};

}  // namespace serin::local
