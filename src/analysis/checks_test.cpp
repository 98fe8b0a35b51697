#include "analysis/checks.h"

#include <gtest/gtest.h>

#include "analysis/template_value.h"

namespace serin::analysis {
namespace {

using canary::Bounds;
using canary::Metric;
using Verdict = Check::Verdict;

canary::Spec podinfo() {
  canary::Spec spec;
  spec.name = spec.target_name = "podinfo";
  spec.ns = "test";
  return spec;
}

TEST(Checks, NumbersPrintAsGoDoes) {
  const std::pair<double, const char*> cases[] = {{99, "99"},
                                                  {99.5, "99.5"},
                                                  {0.0001, "0.0001"},
                                                  {0.00001, "1e-05"},
                                                  {123456, "123456"},
                                                  {999999.5, "999999.5"},
                                                  {1e6, "1e+06"},
                                                  {1234567, "1.234567e+06"},
                                                  {1.5e6, "1.5e+06"},
                                                  {0, "0"},
                                                  {-2.5, "-2.5"},
                                                  {1e100, "1e+100"},
                                                  {0.1, "0.1"},
                                                  {5e-324, "5e-324"},
                                                  {999999.9999999999, "999999.9999999999"}};
  for (const auto& [value, text] : cases) EXPECT_EQ(go_number(value), text);
}

TEST(Checks, SuccessRate) {
  struct Case {
    std::optional<Bounds> range;
    double threshold, value;
    const char* text;
  };
  const Case cases[] = {
      {Bounds{.min = 99}, 0, 69.17, "Halt podinfo.test advancement success rate 69.17% < 99%"},
      {Bounds{.min = 99}, 0, 98.686, "Halt podinfo.test advancement success rate 98.69% < 99%"},
      {Bounds{.min = 99.5}, 0, 0, "Halt podinfo.test advancement success rate 0.00% < 99.5%"},
      {Bounds{.min = 99}, 0, 99, ""},
      {Bounds{.min = 10, .max = 50}, 0, 60, "Halt podinfo.test advancement success rate 60.00% > 50%"},
      {Bounds{.min = 70, .max = 50}, 0, 60, "Halt podinfo.test advancement success rate 60.00% < 70%"},
      {Bounds{}, 99, 0, ""},
      {std::nullopt, 99, 98, "Halt podinfo.test advancement success rate 98.00% < 99%"},
      {std::nullopt, 99, 99, ""},
      {std::nullopt, 0, 0, ""},
  };
  for (const Case& c : cases) {
    const Metric metric{.name = "request-success-rate", .threshold = c.threshold, .range = c.range};
    const Check check = judge_success_rate(podinfo(), metric, c.value);
    EXPECT_EQ(check.text, c.text);
    EXPECT_EQ(check.passed(), check.text.empty());
    EXPECT_EQ(check.value, c.value);
  }
}

TEST(Checks, Duration) {
  struct Case {
    std::optional<Bounds> range;
    double threshold, value;
    const char* text;
  };
  const Case cases[] = {
      {Bounds{.max = 500}, 0, 1200, "Halt podinfo.test advancement request duration 1.2s > 500ms"},
      {Bounds{.max = 500}, 0, 500.9, ""},
      {Bounds{.max = 500}, 0, 1.99, ""},
      {Bounds{.max = 500}, 0, 1800, "Halt podinfo.test advancement request duration 1.8s > 500ms"},
      {Bounds{.max = 500}, 0, 900, "Halt podinfo.test advancement request duration 900ms > 500ms"},
      {Bounds{.max = 500}, 0, 50000, "Halt podinfo.test advancement request duration 50s > 500ms"},
      {Bounds{.max = 500}, 0, 90000, "Halt podinfo.test advancement request duration 1m30s > 500ms"},
      {Bounds{.max = 0.5}, 0, 1, "Halt podinfo.test advancement request duration 1ms > 0s"},
      {Bounds{.min = 100}, 0, 5, "Halt podinfo.test advancement request duration 5ms < 100ms"},
      {Bounds{}, 0, 1e9, ""},
      {Bounds{.max = 500}, 0, 1e300, "Halt podinfo.test advancement request duration 277777h46m40s > 500ms"},
      {std::nullopt, 500, 501, "Halt podinfo.test advancement request duration 501ms > 500ms"},
      {std::nullopt, 0, 1, "Halt podinfo.test advancement request duration 1ms > 0s"},
      {std::nullopt, 0, 0.9, ""},
  };
  for (const Case& c : cases) {
    const Metric metric{.name = "request-duration", .threshold = c.threshold, .range = c.range};
    EXPECT_EQ(judge_duration(podinfo(), metric, c.value).text, c.text);
  }
}

TEST(Checks, OtherNumbers) {
  const Metric metric{.name = "404s percentage", .range = Bounds{.max = 3}};
  EXPECT_EQ(judge_number(podinfo(), metric, 6.2).text,
            "Halt podinfo.test advancement 404s percentage 6.20 > 3");
  EXPECT_TRUE(judge_number(podinfo(), metric, 3).passed());
  EXPECT_EQ(judge_number(podinfo(), {.name = "x", .range = Bounds{.min = 1e6}}, 2.675).text,
            "Halt podinfo.test advancement x 2.67 < 1e+06");
  EXPECT_EQ(judge_number(podinfo(), {.name = "x"}, 1).text, "Halt podinfo.test advancement x 1.00 > 0");
}

TEST(Checks, NoValues) {
  const Metric rate{.name = "request-success-rate"};
  const Metric duration{.name = "request-duration"};
  const Check check = no_success_rate(podinfo(), rate, "linkerd", false);
  EXPECT_EQ(check.verdict, Verdict::no_data);
  EXPECT_EQ(
      check.text,
      "Halt advancement no values found for linkerd metric request-success-rate probably podinfo.test is "
      "not receiving traffic: running query failed: no values found");
  EXPECT_EQ(
      no_success_rate(podinfo(), rate, "kubernetes", true).text,
      "Halt advancement no values found for kubernetes metric request-success-rate probably podinfo.test "
      "is not receiving traffic: no values found");
  EXPECT_EQ(
      no_duration(podinfo(), duration, "linkerd").text,
      "Halt advancement no values found for linkerd metric request-duration probably podinfo.test is not "
      "receiving traffic");
  EXPECT_EQ(no_number({.name = "x"}).text, "Halt advancement no values found for metric: x");
  EXPECT_EQ(no_template_number({.name = "x"}).text,
            "Halt advancement no values found for custom metric: x: no values found");
}

}  // namespace
}  // namespace serin::analysis
