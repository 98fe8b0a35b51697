#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>

#include "analysis/template_lexer.h"
#include "analysis/template_value.h"

namespace serin::analysis {

namespace {

constexpr int width_max = 1000;

/// One verb of a format: "%-8.2f".
struct Verb {
  bool plus = false, minus = false, sharp = false, blank = false, zero = false;
  int width = 0, precision = -1;
  char letter = '\0';
};

int take_number(std::string_view& format) {
  int number = 0;
  while (!format.empty() && format.front() >= '0' && format.front() <= '9') {
    number = std::min(number * 10 + (format.front() - '0'), width_max);
    format.remove_prefix(1);
  }
  return number;
}

/// Reads what stands behind a '%'.
Verb take_verb(std::string_view& format) {
  Verb verb;
  for (bool flags = true; flags && !format.empty();) {
    switch (format.front()) {
      case '+':
        verb.plus = true;
        break;
      case '-':
        verb.minus = true;
        break;
      case '#':
        verb.sharp = true;
        break;
      case ' ':
        verb.blank = true;
        break;
      case '0':
        verb.zero = true;
        break;
      default:
        flags = false;
    }
    if (flags) format.remove_prefix(1);
  }
  verb.width = take_number(format);
  if (format.starts_with('.')) {
    format.remove_prefix(1);
    verb.precision = take_number(format);
  }
  if (!format.empty()) {
    verb.letter = format.front();
    format.remove_prefix(1);
  }
  return verb;
}

std::string pad(std::string text, const Verb& verb, bool is_number) {
  const auto length =
      static_cast<int>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
  const auto missing = static_cast<std::size_t>(std::max(verb.width - length, 0));
  if (verb.minus) return text + std::string(missing, ' ');
  if (!verb.zero || !is_number) return std::string(missing, ' ') + text;
  const std::size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  return text.insert(sign, missing, '0');
}

std::string with_sign(std::string digits, const Verb& verb) {
  if (digits.starts_with('-') || digits.starts_with('+')) return digits;
  if (verb.plus) return "+" + digits;
  return verb.blank ? " " + digits : digits;
}

std::optional<std::string> print_float(double value, const Verb& verb) {
  if (verb.letter == 'v' || (std::string_view("gG").contains(verb.letter) && verb.precision < 0)) {
    return with_sign(go_number(value), verb);
  }
  if (!std::string_view("feEgGF").contains(verb.letter)) return std::nullopt;
  if (!std::isfinite(value)) return std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const int precision = verb.precision < 0 ? 6 : verb.precision;
  const char letter = verb.letter == 'F' ? 'f' : verb.letter;
  return with_sign(fmt::format(fmt::runtime(fmt::format("{{:.{}{}}}", precision, letter)), value), verb);
}

std::optional<std::string> print_int(std::int64_t value, const Verb& verb) {
  switch (verb.letter) {
    case 'v':
    case 'd':
      return with_sign(std::to_string(value), verb);
    case 'x':
      return with_sign(fmt::format("{:x}", value), verb);
    case 'X':
      return with_sign(fmt::format("{:X}", value), verb);
    case 'o':
      return with_sign(fmt::format("{:o}", value), verb);
    case 'b':
      return with_sign(fmt::format("{:b}", value), verb);
    case 'c':
      return std::string(1, static_cast<char>(value));
    default:
      return std::nullopt;
  }
}

std::optional<std::string> print_text(std::string value, const Verb& verb) {
  if (verb.precision >= 0 && std::string_view("vsq").contains(verb.letter)) {
    value = value.substr(0, static_cast<std::size_t>(verb.precision));
  }
  switch (verb.letter) {
    case 'v':
      if (verb.sharp) return go_quote(value);
      return value;
    case 's':
      return value;
    case 'q':
      return go_quote(value);
    case 'x':
    case 'X': {
      std::string out;
      for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        out += verb.letter == 'x' ? fmt::format("{:02x}", byte) : fmt::format("{:02X}", byte);
      }
      return out;
    }
    default:
      return std::nullopt;
  }
}

std::string print(const Value& value, const Verb& verb) {
  std::optional<std::string> text;
  const bool is_number =
      std::holds_alternative<std::int64_t>(value.data) || std::holds_alternative<double>(value.data);
  if (const auto* number = std::get_if<double>(&value.data)) {
    text = print_float(*number, verb);
  } else if (const auto* whole = std::get_if<std::int64_t>(&value.data)) {
    text = print_int(*whole, verb);
  } else if (const auto* string = std::get_if<std::string>(&value.data)) {
    text = print_text(*string, verb);
  } else if (const auto* truth = std::get_if<bool>(&value.data)) {
    if (verb.letter == 'v' || verb.letter == 't') text = *truth ? "true" : "false";
  } else if (verb.letter == 'v' || (verb.letter == 's' && !value.is_nil())) {
    text = value.text();
  }
  if (text) return pad(std::move(*text), verb, is_number);
  if (value.is_nil()) return fmt::format("%!{}(<nil>)", verb.letter);
  return fmt::format("%!{}({}={})", verb.letter, value.type_name(), value.text());
}

}  // namespace

std::string go_printf(std::string_view format, const std::vector<Value>& arguments) {
  std::string out;
  std::size_t next = 0;
  while (!format.empty()) {
    const std::size_t percent = format.find('%');
    out += format.substr(0, percent);
    if (percent == std::string_view::npos) break;
    format.remove_prefix(percent + 1);
    const Verb verb = take_verb(format);
    if (verb.letter == '%') {
      out += '%';
    } else if (verb.letter == '\0') {
      out += "%!(NOVERB)";
    } else if (next >= arguments.size()) {
      out += fmt::format("%!{}(MISSING)", verb.letter);
    } else {
      out += print(arguments[next++], verb);
    }
  }
  if (next >= arguments.size()) return out;
  out += "%!(EXTRA ";
  for (const std::size_t first = next; next < arguments.size(); ++next) {
    const Value& extra = arguments[next];
    if (next > first) out += ", ";
    out += extra.is_nil() ? "<nil>" : fmt::format("{}={}", extra.type_name(), extra.text());
  }
  return out + ")";
}

std::string go_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char digits[64];
  const auto written = [&](std::chars_format form) {
    const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), value, form);
    return std::string_view(digits, error == std::errc{} ? end : digits);
  };
  const std::string_view scientific = written(std::chars_format::scientific);
  int exponent = 0;
  std::string_view power = scientific.substr(scientific.find('e') + 1);
  if (power.starts_with('+')) power.remove_prefix(1);
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (exponent < -4 || exponent >= 6) return std::string(scientific);
  return std::string(written(std::chars_format::fixed));
}

}  // namespace serin::analysis
