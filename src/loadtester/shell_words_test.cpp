#include "loadtester/shell_words.h"

#include <gtest/gtest.h>

namespace serin::loadtester {
namespace {

using Programs = std::optional<std::vector<std::string>>;

TEST(ProgramsOf, TellsWhatAShellWouldRun) {
  const struct {
    const char* line;
    Programs programs;
  } cases[] = {
      {"", Programs{std::in_place}},
      {" \t\n", Programs{std::in_place}},
      {"hey -z 1m -q 10 http://podinfo-canary.test:9898/", {{"hey"}}},
      {"curl -sd 'test' http://podinfo-canary.test:9898/token | grep token", {{"curl", "grep"}}},
      {"a;b && c||d\ne;", {{"a", "b", "c", "d", "e"}}},
      {R"(hey -H "Cookie: a=b" -d '{"a": "$HOME `x` ; y"}' url)", {{"hey"}}},
      {R"('he'"y" x)", {{"hey"}}},
      {"''", {{""}}},
      {"PATH=/tmp hey", {{"PATH=/tmp"}}},
      {"if true", {{"if"}}},
  };
  for (const auto& c : cases) EXPECT_EQ(programs_of(c.line), c.programs) << c.line;
}

TEST(ProgramsOf, TellsNothingWhereItCannotBeSure) {
  const char* lines[] = {
      "hey $(rm x)", "hey `rm x`",        "hey \"$(rm x)\"", "hey \"`rm x`\"",
      "hey > file",  "hey < file",        "hey & rm x",      "hey |& rm x",
      "(rm x)",      "hey \\; rm",        "hey 'unended",    "hey \"unended",
      "f() { rm; }", "hey # '\nrm x # '", "hey \"\\\"\" x",  "hey $'x'",
  };
  for (const char* line : lines) EXPECT_EQ(programs_of(line), std::nullopt) << line;
  EXPECT_EQ(programs_of(std::string_view("hey\0; rm", 8)), std::nullopt);
}

}  // namespace
}  // namespace serin::loadtester
