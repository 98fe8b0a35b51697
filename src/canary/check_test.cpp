#include "canary/check.h"

#include <gtest/gtest.h>

#include <limits>

namespace serin::canary {
namespace {

TEST(CheckResults, AreWrittenAndReadBack) {
  const std::vector<CheckResult> checks = {
      {.name = "request-success-rate",
       .value = 69.17,
       .limit = "at least 99%",
       .window = "1m",
       .verdict = Verdict::failed,
       .text = "69.17% on 240 requests in the last 1m; limit: at least 99%",
       .requests = 240},
      {.name = "404s", .limit = "at most 5", .window = "30s", .verdict = Verdict::unknown, .text = "none"},
      {.name = "any", .value = 0},
  };
  const Json written = to_json(checks);
  EXPECT_EQ(written.at(0).dump(),
            R"({"name":"request-success-rate","verdict":"failed","value":69.17,"limit":"at least 99%",)"
            R"("window":"1m","requests":240,"text":"69.17% on 240 requests in the last 1m; limit: at least )"
            R"(99%"})");
  EXPECT_EQ(written.at(2).dump(), R"({"name":"any","verdict":"passed","value":0})");
  EXPECT_EQ(read_checks(written), checks);
  EXPECT_EQ(to_json(std::vector<CheckResult>{}).dump(), "[]");
}

TEST(CheckResults, InfinitiesAreNoJson) {
  const Json written = to_json({{.name = "x", .value = std::numeric_limits<double>::infinity()}});
  EXPECT_EQ(written.dump(), R"([{"name":"x","verdict":"passed"}])");
}

TEST(CheckResults, ForeignEntriesAreLeftOut) {
  const Json array =
      Json::parse(R"([1, {}, {"name":"x","verdict":"maybe"}, {"verdict":"failed"}, {"name":"y",)"
                  R"("verdict":"failed","value":"1","requests":true}])")
          .value();
  const std::vector<CheckResult> expected = {{.name = "y", .verdict = Verdict::failed}};
  EXPECT_EQ(read_checks(array), expected);
  EXPECT_TRUE(read_checks(Json("text")).empty());
}

}  // namespace
}  // namespace serin::canary
