#include "analysis/checks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "analysis/template_value.h"

namespace serin::analysis {
namespace {

using canary::Bounds;
using canary::Metric;
using canary::Verdict;

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
    EXPECT_EQ(check.event, c.text);
    EXPECT_EQ(check.passed(), check.event.empty());
    EXPECT_EQ(check.result.value, c.value);
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
    EXPECT_EQ(judge_duration(podinfo(), metric, c.value).event, c.text);
  }
}

TEST(Checks, OtherNumbers) {
  const Metric metric{.name = "404s percentage", .range = Bounds{.max = 3}};
  EXPECT_EQ(judge_number(podinfo(), metric, 6.2).event,
            "Halt podinfo.test advancement 404s percentage 6.20 > 3");
  EXPECT_TRUE(judge_number(podinfo(), metric, 3).passed());
  EXPECT_EQ(judge_number(podinfo(), {.name = "x", .range = Bounds{.min = 1e6}}, 2.675).event,
            "Halt podinfo.test advancement x 2.67 < 1e+06");
  EXPECT_EQ(judge_number(podinfo(), {.name = "x"}, 1).event, "Halt podinfo.test advancement x 1.00 > 0");
}

TEST(Checks, NoValues) {
  const Metric rate{.name = "request-success-rate"};
  const Metric duration{.name = "request-duration"};
  const Check check = no_success_rate(podinfo(), rate, "linkerd", false, 0);
  EXPECT_EQ(check.result.verdict, Verdict::unknown);
  EXPECT_EQ(
      check.event,
      "Halt advancement no values found for linkerd metric request-success-rate probably podinfo.test is "
      "not receiving traffic: running query failed: no values found");
  EXPECT_EQ(
      no_success_rate(podinfo(), rate, "kubernetes", true, {}).event,
      "Halt advancement no values found for kubernetes metric request-success-rate probably podinfo.test "
      "is not receiving traffic: no values found");
  EXPECT_EQ(
      no_duration(podinfo(), duration, "linkerd", {}).event,
      "Halt advancement no values found for linkerd metric request-duration probably podinfo.test is not "
      "receiving traffic");
  EXPECT_EQ(no_number({.name = "x"}).event, "Halt advancement no values found for metric: x");
  EXPECT_EQ(no_template_number({.name = "x"}).event,
            "Halt advancement no values found for custom metric: x: no values found");
}

TEST(Checks, ResultsTellWhatWasMeasured) {
  const auto told = [](const Check& check) {
    const canary::CheckResult& result = check.result;
    return fmt::format("{} | {} | {} | {}", canary::name_of(result.verdict), result.limit, result.window,
                       result.text);
  };
  const Metric rate{.name = "request-success-rate", .interval = "30s", .range = Bounds{.min = 99}};
  EXPECT_EQ(told(judge_success_rate(podinfo(), rate, 69.168, 240)),
            "failed | at least 99% | 30s | 69.17% on 240 requests in the last 30s; limit: at least 99%");
  EXPECT_EQ(told(judge_success_rate(podinfo(), rate, 100)),
            "passed | at least 99% | 30s | 100.00% in the last 30s; limit: at least 99%");
  const Metric duration{.name = "request-duration", .range = Bounds{.min = 1, .max = 500.7}};
  EXPECT_EQ(told(judge_duration(podinfo(), duration, 20.9, 1)),
            "passed | between 1ms and 500ms | 1m | 20ms on 1 request in the last 1m; limit: between 1ms and "
            "500ms");
  EXPECT_EQ(told(judge_number(podinfo(), {.name = "x", .range = Bounds{}}, 1.5)),
            "passed | any value | 1m | 1.50 in the last 1m; limit: any value");
  EXPECT_EQ(
      told(no_success_rate(podinfo(), rate, "linkerd", false, 0)),
      "unknown | at least 99% | 30s | podinfo.test received no requests in the last 30s: send traffic to "
      "it, e.g. by a load-test webhook");
  EXPECT_EQ(told(no_duration(podinfo(), {.name = "request-duration", .threshold = 500}, "linkerd", 3)),
            "unknown | at most 500ms | 1m | podinfo.test received 3 requests in the last 1m, but the linkerd "
            "metrics say nothing about request-duration: look at the series in Prometheus");
  EXPECT_EQ(told(no_number({.name = "x", .threshold = 5})),
            "unknown | at most 5 | 1m | the query of x gave no value: check in the metrics server that its "
            "series exist, and that there was traffic in the last 1m");
}

TEST(Checks, AFailedQuestionIsAFailureOnlyWhereWaitingCannotHelp) {
  const std::pair<base::Errc, Verdict> cases[] = {
      {base::Errc::timeout, Verdict::unknown},  {base::Errc::unavailable, Verdict::unknown},
      {base::Errc::internal, Verdict::unknown}, {base::Errc::rejected, Verdict::failed},
      {base::Errc::invalid, Verdict::failed},   {base::Errc::not_found, Verdict::failed},
      {base::Errc::forbidden, Verdict::failed},
  };
  for (const auto& [cause, verdict] : cases) {
    const Check check = broken_check({.name = "x"}, Unit::number, cause, "what happened");
    EXPECT_EQ(check.result.verdict, verdict) << base::name_of(cause);
    EXPECT_EQ(check.event, "what happened");
    EXPECT_EQ(check.result.text, "what happened");
  }
}

}  // namespace
}  // namespace serin::analysis
