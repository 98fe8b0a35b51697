#include "analysis/queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin::analysis {
namespace {

using ::testing::HasSubstr;

canary::Spec spec_of(std::string provider = "", std::string kind = "Deployment") {
  canary::Spec spec;
  spec.name = spec.target_name = "podinfo";
  spec.ns = "test";
  spec.provider = std::move(provider);
  spec.target_kind = std::move(kind);
  return spec;
}

TEST(Queries, Selection) {
  struct Case {
    const char *global, *own, *kind, *provider, *series;
  };
  const Case cases[] = {
      {"linkerd", "", "Deployment", "linkerd", "response_total"},
      {"linkerd", "nginx", "Deployment", "linkerd", "response_total"},
      {"istio", "linkerd", "Deployment", "linkerd", "response_total"},
      {"istio", "nginx", "Deployment", "nginx", "nginx_ingress_controller_requests"},
      {"smi:linkerd", "", "Deployment", "smi:linkerd", "response_total"},
      {"smi:v1alpha2:linkerd", "", "Deployment", "smi:v1alpha2:linkerd", "response_total"},
      {"smi:v1alpha2", "", "Deployment", "smi:v1alpha2", "response_total"},
      {"linkerd", "gatewayapi:v1", "Deployment", "linkerd", "response_total"},
      {"linkerd", "kubernetes", "Deployment", "linkerd", "response_total"},
      {"gatewayapi:v1", "nginx", "Deployment", "nginx", "nginx_ingress_controller_requests"},
      {"linkerd", "", "Service", "linkerd:service", "response_total"},
      {"kubernetes", "", "Deployment", "kubernetes", "http_request_duration_seconds_count"},
      {"gatewayapi:v1beta1", "", "Deployment", "gatewayapi:v1beta1", "http_request_duration_seconds_count"},
      {"kubernetes", "", "Service", "kubernetes:service", "istio_requests_total"},
      {"smi:crossover", "", "Deployment", "crossover", "istio_requests_total"},
      {"gloo:x", "", "Deployment", "gloo:x", "canaryupstream"},
      {"appmesh", "", "Deployment", "appmesh", "envoy_cluster_upstream_rq"},
      {"contour", "", "Deployment", "contour", "{{ namespace }}_{{ service }}-canary_"},
      {"kuma", "", "Deployment", "kuma", "{{ target }}-canary_{{ namespace }}_svc_"},
      {"traefik", "", "Deployment", "traefik", "@kubernetescrd"},
      {"osm", "", "Deployment", "osm", "osm_request_total"},
      {"apisix", "", "Deployment", "apisix", "apisix_http_status"},
      {"skipper", "", "Deployment", "skipper", "skipper_response_duration_seconds_bucket"},
      {"knative", "", "Deployment", "knative", "{{ namespace }}/{{ route }}"},
      {"nonsense", "", "Deployment", "nonsense", "istio_requests_total"},
  };
  for (const Case& c : cases) {
    const BuiltinQueries queries = select_queries(c.global, spec_of(c.own, c.kind));
    EXPECT_EQ(queries.provider, c.provider);
    EXPECT_THAT(queries.success_rate, HasSubstr(c.series)) << c.global << " " << c.own;
  }
}

TEST(Queries, LinkerdRendered) {
  const canary::Spec spec = spec_of();
  const BuiltinQueries queries = select_queries("linkerd", spec);
  const TemplateScope scope = scope_of(spec, {.name = "request-success-rate", .interval = "30s"});
  EXPECT_EQ(render(queries.success_rate, scope).value(),
            R"(sum(rate(response_total{namespace="test", deployment=~"podinfo", direction="inbound", )"
            R"(classification!="failure"}[30s])) / sum(rate(response_total{namespace="test", )"
            R"(deployment=~"podinfo", direction="inbound"}[30s])) * 100)");
  EXPECT_EQ(render(queries.duration, scope).value(),
            R"(histogram_quantile(0.99, sum by (le) (rate(response_latency_ms_bucket{namespace="test", )"
            R"(deployment=~"podinfo", direction="inbound"}[30s]))))");
  EXPECT_EQ(queries.duration_unit_ms, 1);
}

TEST(Queries, MeansWhereThereIsNoHistogram) {
  const canary::Spec spec = spec_of();
  const BuiltinQueries queries = select_queries("nginx", spec);
  EXPECT_EQ(render(queries.duration, scope_of(spec, {})).value(),
            R"(sum(rate(nginx_ingress_controller_response_duration_seconds_sum{namespace="test", )"
            R"(ingress="podinfo", canary!=""}[1m])) / )"
            R"(sum(rate(nginx_ingress_controller_response_duration_seconds_count{namespace="test", )"
            R"(ingress="podinfo", canary!=""}[1m])) * 1000)");
}

TEST(Queries, IngressAndServiceNamesAreTheSpecs) {
  canary::Spec spec = spec_of();
  EXPECT_EQ(scope_of(spec, {}).ingress, "podinfo");
  spec.ingress_name = "shop";
  spec.service.name = "front";
  const TemplateScope scope = scope_of(spec, {});
  EXPECT_EQ(scope.ingress, "shop");
  EXPECT_EQ(scope.service, "front");
  EXPECT_THAT(render(select_queries("nginx", spec).success_rate, scope).value(),
              HasSubstr(R"(ingress="shop", canary!="", status!~"5.*"})"));
}

TEST(Queries, LinkerdCountsWhereOthersMayNot) {
  EXPECT_FALSE(linkerd_queries("linkerd", spec_of()));
  EXPECT_FALSE(linkerd_queries("kubernetes", spec_of()));
  EXPECT_FALSE(linkerd_queries("gloo", spec_of("", "DaemonSet")));
  EXPECT_THAT(linkerd_queries("gatewayapi:v1", spec_of())->requests, HasSubstr("deployment=~"));
  EXPECT_THAT(linkerd_queries("gatewayapi:v1", spec_of("", "DaemonSet"))->requests, HasSubstr("daemonset=~"));
  EXPECT_THAT(linkerd_queries("linkerd", spec_of("", "DaemonSet"))->duration, HasSubstr("daemonset=~"));
}

TEST(Queries, EveryProviderRenders) {
  for (const char* provider : {"istio", "linkerd", "appmesh", "contour", "gloo", "kuma", "knative", "nginx",
                               "kubernetes", "gatewayapi:v1", "traefik", "osm", "apisix", "skipper"}) {
    const canary::Spec spec = spec_of();
    const BuiltinQueries queries = select_queries(provider, spec);
    for (const std::string& query : {queries.success_rate, queries.requests, queries.duration}) {
      const auto rendered = render(query, scope_of(spec, {}));
      ASSERT_TRUE(rendered) << rendered.error().message;
      EXPECT_THAT(*rendered, ::testing::Not(HasSubstr("{{")));
      EXPECT_EQ(std::ranges::count(*rendered, '('), std::ranges::count(*rendered, ')')) << *rendered;
    }
  }
}

}  // namespace
}  // namespace serin::analysis
