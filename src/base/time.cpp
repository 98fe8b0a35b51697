#include "base/time.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace serin::base {
namespace {

using namespace std::chrono;

struct Calendar {
  year_month_day date;
  hh_mm_ss<milliseconds> clock;
};

Calendar calendar_of(WallTime time) {
  const auto day = floor<days>(time);
  return {year_month_day(day), hh_mm_ss<milliseconds>(time - day)};
}

std::string format_seconds(const Calendar& c) {
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(c.date.year()),
                     static_cast<unsigned>(c.date.month()), static_cast<unsigned>(c.date.day()),
                     c.clock.hours().count(), c.clock.minutes().count(), c.clock.seconds().count());
}

/// Reads exactly `width` digits at the front of text and drops them.
std::optional<int> take_digits(std::string_view& text, std::size_t width) {
  if (text.size() < width) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, width)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(width);
  return value;
}

bool take_char(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

struct Unit {
  std::string_view name;
  double nanoseconds;
};
constexpr std::array units{Unit{"ns", 1},   Unit{"us", 1e3}, Unit{"µs", 1e3}, Unit{"μs", 1e3},
                           Unit{"ms", 1e6}, Unit{"s", 1e9},  Unit{"m", 60e9}, Unit{"h", 3600e9}};

}  // namespace

std::string format_rfc3339(WallTime time) {
  return format_seconds(calendar_of(time)) + "Z";
}

std::string format_rfc3339_milli(WallTime time) {
  const Calendar c = calendar_of(time);
  return fmt::format("{}.{:03}Z", format_seconds(c), c.clock.subseconds().count());
}

std::string format_rfc3339_micro(WallTime time) {
  const Calendar c = calendar_of(time);
  return fmt::format("{}.{:03}000Z", format_seconds(c), c.clock.subseconds().count());
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  const auto bad = [whole = text] {
    return fail(Errc::invalid, fmt::format("\"{}\" is not an RFC 3339 time", whole));
  };
  const auto y = take_digits(text, 4);
  const bool d1 = take_char(text, '-');
  const auto mo = take_digits(text, 2);
  const bool d2 = take_char(text, '-');
  const auto d = take_digits(text, 2);
  const bool t = take_char(text, 'T') || take_char(text, 't') || take_char(text, ' ');
  const auto h = take_digits(text, 2);
  const bool c1 = take_char(text, ':');
  const auto mi = take_digits(text, 2);
  const bool c2 = take_char(text, ':');
  const auto s = take_digits(text, 2);
  if (!y || !d1 || !mo || !d2 || !d || !t || !h || !c1 || !mi || !c2 || !s) return bad();
  int milli = 0;
  if (take_char(text, '.')) {
    int scale = 100;
    bool any = false;
    while (const auto digit = take_digits(text, 1)) {
      milli += *digit * scale;
      scale /= 10;
      any = true;
    }
    if (!any) return bad();
  }
  minutes offset{0};
  if (!take_char(text, 'Z') && !take_char(text, 'z')) {
    const bool minus = take_char(text, '-');
    if (!minus && !take_char(text, '+')) return bad();
    const auto oh = take_digits(text, 2);
    const bool colon = take_char(text, ':');
    const auto om = take_digits(text, 2);
    if (!oh || !colon || !om) return bad();
    offset = hours(*oh) + minutes(*om);
    if (minus) offset = -offset;
  }
  const year_month_day date{year(*y), month(static_cast<unsigned>(*mo)), day(static_cast<unsigned>(*d))};
  if (!text.empty() || !date.ok() || *h > 23 || *mi > 59 || *s > 60) return bad();
  return WallTime(sys_days(date)) + hours(*h) + minutes(*mi) + seconds(*s) + milliseconds(milli) - offset;
}

Result<Duration> parse_duration(std::string_view text) {
  const std::string_view whole = text;
  const auto bad = [&] { return fail(Errc::invalid, fmt::format("time: invalid duration \"{}\"", whole)); };
  const bool minus = take_char(text, '-');
  if (!minus) take_char(text, '+');
  if (text == "0") return Duration(0);
  if (text.empty()) return bad();
  double total = 0;
  while (!text.empty()) {
    double number = 0;
    bool any = false;
    while (const auto digit = take_digits(text, 1)) {
      number = number * 10 + *digit;
      any = true;
    }
    if (take_char(text, '.')) {
      double scale = 0.1;
      while (const auto digit = take_digits(text, 1)) {
        number += *digit * scale;
        scale /= 10;
        any = true;
      }
    }
    if (!any) return bad();
    const std::size_t name_end = std::min(text.find_first_of("0123456789."), text.size());
    const std::string_view name = text.substr(0, name_end);
    if (name.empty()) {
      return fail(Errc::invalid, fmt::format("time: missing unit in duration \"{}\"", whole));
    }
    text.remove_prefix(name_end);
    const Unit* unit = nullptr;
    for (const Unit& candidate : units) {
      if (candidate.name == name) unit = &candidate;
    }
    if (!unit) {
      return fail(Errc::invalid, fmt::format("time: unknown unit \"{}\" in duration \"{}\"", name, whole));
    }
    total += number * unit->nanoseconds;
    if (total > static_cast<double>(std::numeric_limits<std::int64_t>::max())) return bad();
  }
  return Duration(static_cast<std::int64_t>(std::llround(minus ? -total : total)));
}

std::string format_duration(Duration duration) {
  if (duration == Duration::zero()) return "0s";
  if (duration < Duration::zero()) return "-" + format_duration(-duration);
  const std::int64_t ns = duration.count();
  const auto fraction = [](std::int64_t value, std::int64_t unit) {
    // value/unit with as many decimals as it needs
    std::string text = fmt::format("{}", value / unit);
    if (std::int64_t rest = value % unit) {
      text += '.';
      for (std::int64_t place = unit / 10; rest; place /= 10) {
        text += static_cast<char>('0' + rest / place);
        rest %= place;
      }
    }
    return text;
  };
  if (ns < 1'000) return fmt::format("{}ns", ns);
  if (ns < 1'000'000) return fraction(ns, 1'000) + "µs";
  if (ns < 1'000'000'000) return fraction(ns, 1'000'000) + "ms";
  constexpr std::int64_t minute = 60'000'000'000;
  std::string text;
  if (ns >= 60 * minute) text += fmt::format("{}h", ns / (60 * minute));
  if (ns >= minute) text += fmt::format("{}m", ns / minute % 60);
  return text + fraction(ns % minute, 1'000'000'000) + "s";
}

}  // namespace serin::base
