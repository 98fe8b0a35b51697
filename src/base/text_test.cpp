#include "base/text.h"

#include <gtest/gtest.h>

namespace serin::base {
namespace {

TEST(Text, IsCutBetweenCharacters) {
  EXPECT_EQ(utf8_prefix("grün", 9), "grün");
  EXPECT_EQ(utf8_prefix("grün", 4), "grü");
  EXPECT_EQ(utf8_prefix("grün", 3), "gr");
  EXPECT_EQ(utf8_prefix("€", 2), "");
  EXPECT_EQ(utf8_prefix("\x80\x80\x80", 2), "");
}

TEST(Text, WhatIsNoUtf8IsReplaced) {
  const std::string bad = "\xef\xbf\xbd";
  const std::pair<std::string, std::string> cases[] = {
      {"plain, grün, €, 🐦", "plain, grün, €, 🐦"},
      {"\xff"
       "a",
       bad + "a"},                                  // no first byte
      {"\xc3", bad},                                // cut off
      {"\xc3(", bad + "("},                         // no second byte
      {"\xc0\xaf", bad + bad},                      // overlong
      {"\xe0\x80\xaf", bad + bad + bad},            // overlong
      {"\xed\xa0\x80", bad + bad + bad},            // surrogate
      {"\xf4\x90\x80\x80", bad + bad + bad + bad},  // beyond U+10FFFF
  };
  for (const auto& [text, valid] : cases) EXPECT_EQ(valid_utf8(text), valid);
}

TEST(Text, ALineHasNoControlCharacters) {
  EXPECT_EQ(one_line("a\x1b[31mb\r\nc\n\n", 100), "a [31mb  c");
  EXPECT_EQ(one_line("\n", 100), "");
  EXPECT_EQ(one_line("aü", 2), "a");
}

}  // namespace
}  // namespace serin::base
