#include "base/time.h"

#include <gtest/gtest.h>

namespace serin::base {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsGoDurations) {
  struct Case {
    const char* text;
    Duration value;
  };
  for (const auto& [text, value] :
       {Case{"300ms", 300ms}, Case{"1m30s", 90s}, Case{"1.5h", 90min}, Case{"0", 0s}, Case{"-2s", -2s},
        Case{"2h45m", 165min}, Case{"1us", 1us}}) {
    EXPECT_EQ(parse_duration(text), value) << text;
  }
}

TEST(Duration, RefusesWithGosWords) {
  EXPECT_EQ(parse_duration("").error().message, "time: invalid duration \"\"");
  EXPECT_EQ(parse_duration("5").error().message, "time: missing unit in duration \"5\"");
  EXPECT_EQ(parse_duration("1min").error().message, "time: unknown unit \"min\" in duration \"1min\"");
  EXPECT_EQ(parse_duration("abc").error().message, "time: invalid duration \"abc\"");
}

TEST(Duration, PrintsAsGo) {
  struct Case {
    Duration value;
    const char* text;
  };
  for (const auto& [value, text] :
       {Case{0s, "0s"}, Case{1ms, "1ms"}, Case{500ms, "500ms"}, Case{1200ms, "1.2s"}, Case{1515ms, "1.515s"},
        Case{1min, "1m0s"}, Case{90s, "1m30s"}, Case{61001ms, "1m1.001s"}, Case{1h, "1h0m0s"},
        Case{2h + 3min + 4005ms, "2h3m4.005s"}, Case{-90s, "-1m30s"}}) {
    EXPECT_EQ(format_duration(value), text);
  }
}

TEST(Rfc3339, ReadsAndWrites) {
  const auto time = parse_rfc3339("2026-11-23T04:00:06Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(format_rfc3339(*time), "2026-11-23T04:00:06Z");
  EXPECT_EQ(format_rfc3339_milli(*time + 7ms), "2026-11-23T04:00:06.007Z");
  EXPECT_EQ(parse_rfc3339("2026-11-23T05:00:06.250+01:00"), *time + 250ms);
  EXPECT_FALSE(parse_rfc3339("2026-13-01T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("yesterday"));
}

}  // namespace
}  // namespace serin::base
