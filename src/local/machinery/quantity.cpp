#include "local/machinery/quantity.h"

#include <fmt/format.h>

#include <limits>
#include <optional>

namespace serin::local {

namespace {

using Wide = __int128;
constexpr Wide nano = 1'000'000'000;
constexpr Wide wide_max = static_cast<Wide>((static_cast<unsigned __int128>(1) << 127) - 1);

constexpr std::string_view format_text =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

struct Suffix {
  std::string_view text;
  int base;
  int exponent;
};
constexpr Suffix suffixes[] = {
    {"n", 10, -9}, {"u", 10, -6}, {"m", 10, -3}, {"", 10, 0},   {"k", 10, 3},  {"M", 10, 6},
    {"G", 10, 9},  {"T", 10, 12}, {"P", 10, 15}, {"E", 10, 18}, {"Ki", 2, 10}, {"Mi", 2, 20},
    {"Gi", 2, 30}, {"Ti", 2, 40}, {"Pi", 2, 50}, {"Ei", 2, 60},
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// value * factor, or the largest number if it doesn't fit: quantities saturate.
Wide times(Wide value, Wide factor) {
  Wide product = 0;
  return __builtin_mul_overflow(value, factor, &product) ? wide_max : product;
}

std::optional<int> exponent_of(std::string_view suffix) {
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return std::nullopt;
  std::string_view digits = suffix.substr(1);
  const bool negative = digits.front() == '-';
  if (negative || digits.front() == '+') digits.remove_prefix(1);
  if (digits.empty() || digits.size() > 3) return std::nullopt;
  int value = 0;
  for (const char c : digits) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return negative ? -value : value;
}

/// Digits and fraction as a whole number of 10^-places.
struct Mantissa {
  Wide digits = 0;
  int places = 0;
};

std::optional<Mantissa> mantissa_of(std::string_view text) {
  Mantissa result;
  bool fraction = false;
  bool any = false;
  for (const char c : text) {
    if (c == '.') {
      if (fraction) return std::nullopt;
      fraction = true;
      continue;
    }
    any = true;
    if (fraction && result.places >= 18) continue;  // far below what is kept
    const Wide shifted = times(result.digits, 10);
    result.digits = shifted > wide_max - 9 ? wide_max : shifted + (c - '0');
    if (fraction) ++result.places;
  }
  return any ? std::optional(result) : std::nullopt;
}

/// Rounds away from zero, as the API server does with what is finer than it can keep.
Wide divide_up(Wide value, Wide divisor) {
  return value / divisor + (value % divisor != 0 ? (value < 0 ? -1 : 1) : 0);
}

Wide scale_decimal(Wide value, int exponent) {
  for (; exponent > 0; --exponent) value = times(value, 10);
  if (exponent < -38) return value == 0 ? 0 : 1;
  Wide divisor = 1;
  for (; exponent < 0; ++exponent) divisor = times(divisor, 10);
  return divide_up(value, divisor);
}

std::string decimal_text(Wide value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  std::string text;
  for (Wide rest = negative ? -value : value; rest > 0; rest /= 10) {
    text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
  }
  return negative ? "-" + text : text;
}

std::int64_t clamp(Wide value) {
  constexpr Wide most = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(value > most ? most : value < -most ? -most : value);
}

}  // namespace

base::Result<Quantity> Quantity::parse(std::string_view text) {
  using base::Errc, base::fail;
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  std::size_t length = 0;
  while (length < rest.size() && (is_digit(rest[length]) || rest[length] == '.')) ++length;
  const std::optional<Mantissa> mantissa = mantissa_of(rest.substr(0, length));
  if (!mantissa) return fail(Errc::invalid, std::string(format_text));

  const std::string_view suffix = rest.substr(length);
  const auto end = suffix.find_first_not_of("eEinumkKMGTP+-0123456789");
  if (end != std::string_view::npos) return fail(Errc::invalid, std::string(format_text));

  Quantity result;
  Wide value = mantissa->digits;
  const Suffix* known = nullptr;
  for (const Suffix& candidate : suffixes) {
    if (candidate.text == suffix) known = &candidate;
  }
  if (known && known->base == 2) {
    result.format_ = Format::binary_si;
    value = scale_decimal(times(value, static_cast<Wide>(1) << known->exponent), 9 - mantissa->places);
  } else if (known) {
    value = scale_decimal(value, known->exponent + 9 - mantissa->places);
  } else if (const auto exponent = exponent_of(suffix)) {
    result.format_ = Format::decimal_exponent;
    value = scale_decimal(value, *exponent + 9 - mantissa->places);
  } else {
    return fail(Errc::invalid, "unable to parse quantity's suffix");
  }
  result.nanos_ = negative ? -value : value;
  return result;
}

std::string Quantity::canonical() const {
  if (nanos_ == 0) return "0";
  const Wide size = nanos_ < 0 ? -nanos_ : nanos_;
  if (format_ == Format::binary_si && size >= 1024 * nano) {
    Wide value = divide_up(nanos_, nano);
    std::size_t power = 0;
    constexpr std::string_view names[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    while (value % 1024 == 0 && power + 1 < std::size(names)) {
      value /= 1024;
      ++power;
    }
    return decimal_text(value) + std::string(names[power]);
  }
  Wide value = nanos_;
  int exponent = -9;
  while (value % 1000 == 0 && exponent < 18) {
    value /= 1000;
    exponent += 3;
  }
  if (format_ == Format::decimal_exponent) {
    return exponent == 0 ? decimal_text(value) : fmt::format("{}e{}", decimal_text(value), exponent);
  }
  for (const Suffix& suffix : suffixes) {
    if (suffix.base == 10 && suffix.exponent == exponent)
      return decimal_text(value) + std::string(suffix.text);
  }
  return decimal_text(value);
}

std::int64_t Quantity::milli_value() const {
  return clamp(divide_up(nanos_, nano / 1000));
}

std::int64_t Quantity::value() const {
  return clamp(divide_up(nanos_, nano));
}

}  // namespace serin::local
