#include "local/mesh/balance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

namespace serin::local::mesh {
namespace {

using Candidates = std::vector<Candidate>;

TEST(Choose, DecidesWithoutChanceWhereNoneIsLeft) {
  struct Case {
    const char* name;
    Candidates candidates;
    std::optional<std::size_t> expected;
  };
  const Case cases[] = {
      {"no candidate", {}, std::nullopt},
      {"one ready", {{100, true}}, 0},
      {"one not ready", {{100, false}}, std::nullopt},
      {"all weights zero", {{0, true}, {0, true}}, std::nullopt},
      {"zero weight is no fail-over", {{0, true}, {100, false}}, std::nullopt},
      {"all on the canary", {{100, true}, {0, true}}, 0},
      {"all on the primary", {{0, true}, {100, true}}, 1},
      {"canary not ready leaves its share", {{10, false}, {90, true}}, 1},
      {"primary not ready leaves its share", {{10, true}, {90, false}}, 0},
      {"nobody ready", {{10, false}, {90, false}}, std::nullopt},
  };
  base::Random random(1);
  for (const Case& each : cases) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(choose(each.candidates, random), each.expected) << each.name;
  }
}

TEST(Choose, KeepsTheSharesOverManyDraws) {
  const Candidates splits[] = {
      {{10000, true}, {90000, true}},       {{50000, true}, {50000, true}},        {{1, true}, {99, true}},
      {{20, true}, {30, true}, {50, true}}, {{20, true}, {30, false}, {50, true}},
  };
  constexpr int draws = 10000;
  for (const Candidates& split : splits) {
    base::Random random(42);
    std::vector<int> hits(split.size());
    for (int i = 0; i < draws; ++i) ++hits[choose(split, random).value()];
    double sum = 0;
    for (const Candidate& each : split) sum += each.ready ? static_cast<double>(each.weight) : 0;
    for (std::size_t i = 0; i < split.size(); ++i) {
      const double p = split[i].ready ? static_cast<double>(split[i].weight) / sum : 0;
      EXPECT_NEAR(hits[i], draws * p, 3 * std::sqrt(draws * p * (1 - p))) << "backend " << i;
    }
  }
}

TEST(ChooseEndpoint, PrefersTheLessLoadedOfTwo) {
  base::Random random(7);
  EXPECT_EQ(choose_endpoint({}, random), std::nullopt);
  const std::vector<std::uint32_t> one{5};
  EXPECT_EQ(choose_endpoint(one, random), 0u);
  const std::vector<std::uint32_t> two{3, 1};
  for (int i = 0; i < 50; ++i) EXPECT_EQ(choose_endpoint(two, random), 1u);
  const std::vector<std::uint32_t> three{9, 1, 2};
  std::map<std::size_t, int> hits;
  for (int i = 0; i < 300; ++i) ++hits[choose_endpoint(three, random).value()];
  EXPECT_EQ(hits[0], 0) << "the most loaded of three loses every comparison";
  EXPECT_GT(hits[1], hits[2]);
}

TEST(ChooseEndpoint, SpreadsEvenlyOverEqualLoads) {
  base::Random random(1);
  const std::vector<std::uint32_t> equal{0, 0, 0, 0};
  constexpr int draws = 100000;
  std::map<std::size_t, int> hits;
  for (int i = 0; i < draws; ++i) ++hits[choose_endpoint(equal, random).value()];
  for (const auto& [index, count] : hits) {
    EXPECT_NEAR(count, draws / 4, 3 * std::sqrt(draws * 0.25 * 0.75)) << index;
  }
}

}  // namespace
}  // namespace serin::local::mesh
