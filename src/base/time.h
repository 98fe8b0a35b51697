#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace serin::base {

/// Time for people and for the API, as the machine's calendar has it. It may jump.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;
/// Time for intervals and deadlines. It never jumps back.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

/// "2026-11-23T04:00:06Z": the API's metav1.Time (RFC 3339, UTC, whole seconds).
std::string format_rfc3339(WallTime time);
/// "2026-11-23T04:00:06.123456Z": the API's metav1.MicroTime.
std::string format_rfc3339_micro(WallTime time);
/// "2026-11-23T04:00:06.123Z": log lines.
std::string format_rfc3339_milli(WallTime time);
/// Reads any RFC 3339 time (fractions and zone offsets too).
Result<WallTime> parse_rfc3339(std::string_view text);

/// Reads a Go duration: "300ms", "1m30s", "-1.5h", "0" (units ns us µs ms s m h). The error's text is Go's
/// own
/// (`time: invalid duration "x"`), since users know it.
Result<Duration> parse_duration(std::string_view text);
/// Prints as Go does: "0s", "500ms", "1.2s", "1m30s", "2h3m4.005s".
std::string format_duration(Duration duration);

}  // namespace serin::base
