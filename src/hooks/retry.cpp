#include "hooks/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace serin::hooks {
namespace {

using base::Errc;
using std::chrono::seconds;

constexpr seconds longest_pause{30};
constexpr seconds longest_wish{60};

/// The number that a whole text is; nullopt for any other text.
std::optional<int> number_of(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.starts_with('-')) return std::nullopt;
  return number;
}

std::optional<base::Duration> wished_pause(std::string_view retry_after, base::WallTime now) {
  const bool digits =
      !retry_after.empty() && std::ranges::all_of(retry_after, [](char c) { return c >= '0' && c <= '9'; });
  // Digits that are too many for a number are still a wish to wait for long.
  if (digits) return seconds(number_of(retry_after).value_or(longest_wish.count()));
  const std::optional<base::WallTime> date = parse_http_date(retry_after);
  if (!date) return std::nullopt;
  // Bounded in milliseconds: nanoseconds do not reach to the year 9999.
  return std::clamp<std::chrono::milliseconds>(*date - now, seconds(0), longest_wish);
}

}  // namespace

bool worth_repeating(const base::Result<http::Response>& answer) {
  if (answer) return answer->status == 429 || (answer->status >= 500 && answer->status != 501);
  const base::Error& error = answer.error();
  // The port has one code for all failures of transport; this one is known by its text.
  if (error.message.contains("failed to verify certificate")) return false;
  return error.code != Errc::rejected && error.code != Errc::invalid;
}

base::Duration pause_after(int number, const base::Result<http::Response>& answer, base::WallTime now) {
  if (answer && (answer->status == 429 || answer->status == 503)) {
    const auto wish = wished_pause(answer->headers.get("Retry-After"), now);
    if (wish) return std::min<base::Duration>(*wish, longest_wish);
  }
  return std::min(longest_pause, seconds(1 << std::clamp(number - 1, 0, 5)));
}

std::optional<base::WallTime> parse_http_date(std::string_view text) {
  constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::string_view shape = "Sun, 06 Nov 1994 08:49:37 GMT";
  if (text.size() != shape.size() || !text.ends_with(" GMT")) return std::nullopt;
  const auto month = std::ranges::find(months, text.substr(8, 3)) - months.begin();
  const std::string rfc3339 =
      fmt::format("{}-{:02}-{}T{}Z", text.substr(12, 4), month + 1, text.substr(5, 2), text.substr(17, 8));
  const base::Result<base::WallTime> time = base::parse_rfc3339(rfc3339);
  if (!time) return std::nullopt;
  return *time;
}

}  // namespace serin::hooks
