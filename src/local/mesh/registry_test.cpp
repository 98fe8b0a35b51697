#include "local/mesh/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "local/mesh/labels.h"

namespace serin::local::mesh {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using testing::HasSubstr;
using testing::Not;

const kube::ObjectRef pod{"test", "podinfo-1"};
const base::MonoTime start{std::chrono::hours(1)};

TEST(Registry, PrintsNothingBeforeTheFirstEvent) {
  Registry registry;
  EXPECT_EQ(registry.page(pod), "");
  const auto series = registry.http(pod, "direction=\"inbound\"");
  EXPECT_EQ(registry.page(pod), "");
  series->request(start);
  EXPECT_THAT(registry.page(pod), HasSubstr("request_total{direction=\"inbound\"} 1\n"));
  EXPECT_THAT(registry.page(pod), Not(HasSubstr("response_total{"))) << "no answer yet, so no series";
}

TEST(Registry, PrintsTheGoldenPage) {
  Registry registry;
  const auto series = registry.http(pod, inbound_labels("10.244.0.7", 9898));
  series->request(start);
  series->responded(200, milliseconds(2), start);
  series->ended(Outcome::of_status(200), start);
  const std::string labels =
      R"(direction="inbound",target_addr="10.244.0.7:9898",target_ip="10.244.0.7",target_port="9898",)"
      R"(tls="no_identity",no_tls_reason="no_tls_from_remote",)"
      R"(srv_group="",srv_kind="default",srv_name="all-unauthenticated",srv_port="9898",)"
      R"(route_group="",route_kind="default",route_name="default",)"
      R"(authz_group="",authz_kind="default",authz_name="all-unauthenticated")";
  std::string golden = "# HELP request_total Total count of HTTP requests.\n# TYPE request_total counter\n";
  golden += "request_total{" + labels + "} 1\n";
  golden +=
      "# HELP response_latency_ms Elapsed times between a request's headers being received and its response "
      "stream completing\n# TYPE response_latency_ms histogram\n";
  for (const char* bound : {"1",    "2",    "3",     "4",     "5",     "10",    "20",    "30",   "40",
                            "50",   "100",  "200",   "300",   "400",   "500",   "1000",  "2000", "3000",
                            "4000", "5000", "10000", "20000", "30000", "40000", "50000", "+Inf"}) {
    golden += "response_latency_ms_bucket{" + labels + ",status_code=\"200\",le=\"" + bound + "\"} ";
    golden += bound == std::string("1") ? "0\n" : "1\n";
  }
  golden += "response_latency_ms_count{" + labels + ",status_code=\"200\"} 1\n";
  golden += "response_latency_ms_sum{" + labels + ",status_code=\"200\"} 2\n";
  golden += "# HELP response_total Total count of HTTP responses.\n# TYPE response_total counter\n";
  golden += "response_total{" + labels +
            ",status_code=\"200\",classification=\"success\",grpc_status=\"\",error=\"\"} 1\n";
  EXPECT_EQ(registry.page(pod), golden);
}

TEST(Registry, CutsLatenciesToWholeMilliseconds) {
  Registry registry;
  const auto series = registry.http(pod, "a=\"b\"");
  series->responded(200, microseconds(1000700), start);  // 1000 ms: still in the bucket up to 1000
  series->responded(200, milliseconds(1001), start);
  series->responded(200, milliseconds(60000), start);
  const std::string page = registry.page(pod);
  EXPECT_THAT(page, HasSubstr("le=\"1000\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("le=\"2000\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("le=\"50000\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("le=\"+Inf\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("response_latency_ms_sum{a=\"b\",status_code=\"200\"} 62001\n"));
}

TEST(Registry, ClassifiesByStatus) {
  for (const int status : {100, 200, 301, 404, 429, 499, 600}) {
    EXPECT_TRUE(Outcome::of_status(status).success) << status;
  }
  for (const int status : {500, 502, 503, 504, 599})
    EXPECT_FALSE(Outcome::of_status(status).success) << status;
  Registry registry;
  registry.http(pod, "a=\"b\"")->ended(Outcome{}, start);
  EXPECT_THAT(registry.page(pod), HasSubstr("response_total{a=\"b\",classification=\"failure\""))
      << "a failure without response has no status_code";
}

TEST(Registry, DropsIdleSeriesButNotThoseInUse) {
  Registry registry;
  const auto held = registry.http(pod, "held=\"1\"");
  held->request(start);
  registry.http(pod, "idle=\"1\"")->request(start);
  const auto open = registry.transport(pod, "open=\"1\"");
  open->opened(start);
  registry.drop_idle(start + minutes(9));
  EXPECT_THAT(registry.page(pod), HasSubstr("idle"));
  registry.drop_idle(start + minutes(11));
  EXPECT_THAT(registry.page(pod), Not(HasSubstr("idle")));
  EXPECT_THAT(registry.page(pod), HasSubstr("tcp_open_connections{open=\"1\"} 1\n"));
  held->request(start + minutes(12));
  EXPECT_THAT(registry.page(pod), HasSubstr("request_total{held=\"1\"} 1\n")) << "starts again from nothing";
}

TEST(Registry, CountsConnections) {
  Registry registry;
  const auto series = registry.transport(pod, inbound_application_labels());
  series->opened(start);
  series->opened(start);
  series->read(10);
  series->written(20);
  series->closed("", start);
  series->closed("ECONNRESET", start);
  const std::string labels = R"(direction="inbound",peer="dst",tls="no_identity",no_tls_reason="loopback")";
  const std::string page = registry.page(pod);
  EXPECT_THAT(page, HasSubstr("tcp_open_total{" + labels + "} 2\n"));
  EXPECT_THAT(page, HasSubstr("tcp_open_connections{" + labels + "} 0\n"));
  EXPECT_THAT(page, HasSubstr("tcp_read_bytes_total{" + labels + "} 10\n"));
  EXPECT_THAT(page, HasSubstr("tcp_write_bytes_total{" + labels + "} 20\n"));
  EXPECT_THAT(page, HasSubstr("tcp_close_total{" + labels + ",errno=\"\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("tcp_close_total{" + labels + ",errno=\"ECONNRESET\"} 1\n"));
}

TEST(Registry, ForgetsPodsThatAreGone) {
  Registry registry;
  const auto series = registry.http(pod, "a=\"b\"");
  registry.http({"test", "other"}, "a=\"b\"")->request(start);
  series->request(start);
  registry.keep_only({{"test", "other"}});
  EXPECT_EQ(registry.page(pod), "");
  EXPECT_NE(registry.page({"test", "other"}), "");
  series->ended(Outcome::of_status(200), start);  // a request that was in flight: harmless
}

TEST(Labels, OutboundNamesTheLeafAndThePod) {
  const MeshPod callee{.ns = "test",
                       .name = "podinfo-1",
                       .ip = "10.244.0.7",
                       .deployment = "podinfo",
                       .labels = {{"pod-template-hash", "abc"}, {"app", "podinfo"}}};
  EXPECT_EQ(outbound_labels("podinfo-canary.test.svc.cluster.local:9898", "podinfo-canary", "10.244.0.7",
                            9898, &callee),
            R"(direction="outbound",authority="podinfo-canary.test.svc.cluster.local:9898",)"
            R"(target_addr="10.244.0.7:9898",target_ip="10.244.0.7",target_port="9898",)"
            R"(tls="no_identity",no_tls_reason="not_provided_by_service_discovery",)"
            R"(dst_control_plane_ns="linkerd",dst_deployment="podinfo",dst_namespace="test",)"
            R"(dst_pod="podinfo-1",dst_pod_template_hash="abc",dst_service="podinfo-canary",)"
            R"(dst_serviceaccount="default",dst_zone="",dst_zone_locality="unknown")");
}

}  // namespace
}  // namespace serin::local::mesh
