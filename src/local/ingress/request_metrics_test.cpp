#include "local/ingress/request_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin::local {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view stable = "test\tpodinfo\tpodinfo\t\t200\tGET\tapp.example.com\t/\t0.020\t0.004";
constexpr std::string_view canary =
    "test\tpodinfo\tpodinfo\ttest-podinfo-canary-9898\t500\tGET\tapp.example.com\t/\t0.300\t0.100, 0.200";

TEST(RequestMetrics, CountRequestsAndTheirTimes) {
  RequestMetrics metrics;
  metrics.count(stable);
  metrics.count(stable);
  metrics.count(canary);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("nginx_ingress_controller_requests{namespace=\"test\",ingress=\"podinfo\","
                              "service=\"podinfo\",canary=\"\",status=\"200\",method=\"GET\","
                              "host=\"app.example.com\",path=\"/\"} 2\n"));
  const std::string of_canary =
      "{namespace=\"test\",ingress=\"podinfo\",service=\"podinfo\",canary=\"test-podinfo-canary-9898\","
      "status=\"500\",method=\"GET\",host=\"app.example.com\",path=\"/\"";
  const std::string response = "nginx_ingress_controller_response_duration_seconds";
  EXPECT_THAT(text, HasSubstr("nginx_ingress_controller_requests" + of_canary + "} 1\n"));
  EXPECT_THAT(text, HasSubstr(response + "_bucket" + of_canary + ",le=\"0.25\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(response + "_bucket" + of_canary + ",le=\"0.5\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(response + "_bucket" + of_canary + ",le=\"+Inf\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(response + "_count" + of_canary + "} 1\n"));
  EXPECT_THAT(text, HasSubstr("request_duration_seconds_sum" + of_canary + "} 0.3\n"));
}

TEST(RequestMetrics, WithoutABackendThereIsNoResponseTime) {
  RequestMetrics metrics;
  metrics.count("test\tpodinfo\tpodinfo\t\t503\tGET\tapp.example.com\t/\t0.000\t-");
  EXPECT_THAT(metrics.text(), HasSubstr("status=\"503\""));
  EXPECT_THAT(metrics.text(), Not(HasSubstr("response_duration_seconds_count{")));
}

TEST(RequestMetrics, WhatClientsInventMakesNoSeries) {
  RequestMetrics metrics;
  metrics.count("test\tpodinfo\tpodinfo\t\t405\tBREW\tapp.example.com\t/\t0.001\t-");
  metrics.count("test\tpodinfo\tpodinfo\t\t405\tSTEEP\tapp.example.com\t/\t0.001\t-");
  EXPECT_THAT(metrics.text(), HasSubstr("method=\"other\",host=\"app.example.com\",path=\"/\"} 2\n"));
}

TEST(RequestMetrics, OtherLinesArePassedOver) {
  RequestMetrics metrics;
  const std::string nothing = metrics.text();
  for (const std::string_view line : {"", "no such line", "\t\t\t\t404\tGET\t_\t\t0.000\t-",
                                      "test\tpodinfo\tpod\"info\t\t200\tGET\ta\t/\t1\t1",
                                      "test\tpodinfo\tpodinfo\t\t200\tGET\ta\t/\t1\t1\tmore"}) {
    metrics.count(line);
    EXPECT_EQ(metrics.text(), nothing) << line;
  }
}

TEST(RequestMetrics, IngressesThatAreGoneAreForgotten) {
  RequestMetrics metrics;
  const std::string nothing = metrics.text();
  metrics.count(stable);
  metrics.keep({{"test", "podinfo"}, {"test", "other"}});
  EXPECT_NE(metrics.text(), nothing);
  metrics.keep({{"prod", "podinfo"}});
  EXPECT_EQ(metrics.text(), nothing);
}

}  // namespace
}  // namespace serin::local
