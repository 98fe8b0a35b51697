#include "local/controllers/quantity.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace serin::local {

namespace {

constexpr std::array<std::pair<std::string_view, double>, 15> suffixes{{{"", 1},
                                                                        {"n", 1e-9},
                                                                        {"u", 1e-6},
                                                                        {"m", 1e-3},
                                                                        {"k", 1e3},
                                                                        {"M", 1e6},
                                                                        {"G", 1e9},
                                                                        {"T", 1e12},
                                                                        {"P", 1e15},
                                                                        {"Ki", 0x1p10},
                                                                        {"Mi", 0x1p20},
                                                                        {"Gi", 0x1p30},
                                                                        {"Ti", 0x1p40},
                                                                        {"Pi", 0x1p50},
                                                                        {"Ei", 0x1p60}}};

}  // namespace

std::optional<std::int64_t> parse_milli(const base::Json& quantity) {
  const std::string text = quantity.is_string() ? quantity.str() : std::string(quantity.number_text());
  if (text.empty()) return std::nullopt;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str()) return std::nullopt;
  const std::string_view suffix(end);
  for (const auto& [name, factor] : suffixes) {
    if (suffix != name) continue;
    const double milli = std::ceil(number * factor * 1000 - 1e-6);  // fractions round up, as in the API
    if (!std::isfinite(milli) || std::abs(milli) > 9e18) return std::nullopt;
    return static_cast<std::int64_t>(milli);
  }
  return std::nullopt;
}

std::string format_cpu(std::int64_t millicores) {
  return millicores % 1000 == 0 ? fmt::format("{}", millicores / 1000) : fmt::format("{}m", millicores);
}

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array<std::string_view, 5> names{"", "Ki", "Mi", "Gi", "Ti"};
  std::size_t i = 0;
  while (i + 1 < names.size() && bytes != 0 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++i;
  }
  return fmt::format("{}{}", bytes, names[i]);
}

}  // namespace serin::local
