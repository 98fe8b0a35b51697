#include "local/ingress/ingress_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "local/ingress/objects_for_tests.h"

namespace serin::local {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view podinfo_services = R"(
{kind: Service, metadata: {name: podinfo, namespace: test},
 spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 9898}]}}
---
{kind: EndpointSlice, metadata: {name: podinfo-1, namespace: test, labels: {kubernetes.io/service-name: podinfo}},
 ports: [{name: http, port: 9898}], endpoints: [{addresses: [10.244.0.2], conditions: {ready: true}}]}
---
{kind: Service, metadata: {name: podinfo-canary, namespace: test},
 spec: {clusterIP: 10.96.0.2, ports: [{name: http, port: 9898}]}}
---
)";

std::string ingress(std::string_view name, std::string_view annotations, std::string_view service,
                    std::string_view created = "2026-01-01T00:00:00Z") {
  return fmt::format(
      "{{kind: Ingress, metadata: {{name: {}, namespace: test, creationTimestamp: \"{}\", annotations: "
      "{{{}}}}}, "
      "spec: {{rules: [{{host: app.example.com, http: {{paths: [{{path: /, pathType: Prefix, backend: "
      "{{service: {{name: {}, port: {{number: 9898}}}}}}}}]}}}}]}}}}\n---\n",
      name, created, annotations, service);
}

IngressPlan plan(const std::string& yaml) {
  return plan_ingress(objects_from(std::string(podinfo_services) + yaml));
}

const Location& only_location(const IngressPlan& plan) {
  return plan.servers.at(0).locations.at(0);
}

TEST(IngressPlan, ACanaryAttachesToTheMainIngressOfItsHostAndPath) {
  const IngressPlan made = plan(ingress("podinfo-canary",
                                        "nginx.ingress.kubernetes.io/canary: \"true\", "
                                        "nginx.ingress.kubernetes.io/canary-weight: \"10\"",
                                        "podinfo-canary") +
                                ingress("podinfo", "", "podinfo"));
  const Location& location = only_location(made);
  EXPECT_EQ(location.service, "podinfo");
  EXPECT_EQ(location.upstream, "test.podinfo.9898");
  ASSERT_TRUE(location.alternative);
  EXPECT_EQ(location.alternative->upstream, "test.podinfo-canary.9898");
  EXPECT_EQ(location.alternative->rules.weight, 10);
  EXPECT_THAT(made.upstreams.at("test.podinfo.9898").targets, ElementsAre("10.96.0.1:9898"));
  EXPECT_THAT(made.upstreams.at("test.podinfo-canary.9898").targets, IsEmpty()) << "nobody is behind it";
}

TEST(IngressPlan, ACanaryWithoutMainIsToldAndServesNobody) {
  const IngressPlan made =
      plan(ingress("alone", "nginx.ingress.kubernetes.io/canary: \"true\"", "podinfo-canary"));
  EXPECT_THAT(made.servers, IsEmpty());
  ASSERT_EQ(made.notes.size(), 1u);
  EXPECT_THAT(made.notes[0].text, HasSubstr("this canary gets no requests for it"));
}

TEST(IngressPlan, TheOlderOfTwoIngressesHasThePath) {
  const IngressPlan made = plan(ingress("young", "", "podinfo-canary", "2026-02-02T00:00:00Z") +
                                ingress("old", "", "podinfo", "2026-01-01T00:00:00Z"));
  EXPECT_EQ(only_location(made).ingress.name, "old");
  ASSERT_EQ(made.notes.size(), 1u);
  EXPECT_EQ(made.notes[0].ingress.name, "young");
  EXPECT_THAT(made.notes[0].text, HasSubstr("already defined in ingress test/old"));
}

TEST(IngressPlan, OnlyIngressesOfItsClassAreServed) {
  const IngressPlan made = plan(ingress("other", "kubernetes.io/ingress.class: traefik", "podinfo"));
  EXPECT_THAT(made.servers, IsEmpty());
  EXPECT_THAT(made.accepted, IsEmpty());
}

TEST(IngressPlan, AMissingServiceIsNamed) {
  const IngressPlan made = plan(ingress("podinfo", "", "nobody"));
  ASSERT_EQ(made.notes.size(), 1u);
  EXPECT_EQ(made.notes[0].text, "there is no Service nobody: requests to it get 503");
}

constexpr std::string_view meshed_class =
    "{kind: IngressClass, metadata: {name: nginx, annotations: {linkerd.io/inject: ingress}}, "
    "spec: {controller: k8s.io/ingress-nginx}}\n---\n";
constexpr std::string_view override_snippet =
    "nginx.ingress.kubernetes.io/configuration-snippet: "
    "\"proxy_set_header l5d-dst-override {}.$namespace.svc.cluster.local:9898;\"";

TEST(IngressPlan, AnOverrideIsAnOrdinaryHeaderOutsideTheMesh) {
  const IngressPlan made =
      plan(ingress("podinfo", fmt::format(override_snippet, "$service_name"), "podinfo"));
  EXPECT_THAT(only_location(made).override, IsEmpty());
  EXPECT_THAT(only_location(made).snippet, HasSubstr("l5d-dst-override"));
}

TEST(IngressPlan, AMeshedClassAsksForWhatTheOverrideNames) {
  const IngressPlan made =
      plan(std::string(meshed_class) +
           ingress("podinfo", fmt::format(override_snippet, "$service_name"), "podinfo"));
  EXPECT_EQ(only_location(made).override, "test.podinfo.9898");
  EXPECT_FALSE(only_location(made).closed);
}

// NGINX would refuse its whole configuration for a name that does not resolve.
TEST(IngressPlan, AnOverrideThatNamesNobodyClosesItsLocationOnly) {
  const IngressPlan made = plan(std::string(meshed_class) +
                                ingress("podinfo", fmt::format(override_snippet, "nobody"), "podinfo"));
  EXPECT_TRUE(only_location(made).closed);
  ASSERT_EQ(made.notes.size(), 1u);
  EXPECT_THAT(made.notes[0].text, HasSubstr("nobody.test.svc.cluster.local:9898"));
}

TEST(IngressPlan, WhatNginxRefusesIsLeftOutOfItsIngress) {
  IngressPlan made =
      plan(ingress("podinfo", "nginx.ingress.kubernetes.io/configuration-snippet: \"nonsense;\"", "podinfo"));
  EXPECT_THAT(unread_texts(made), ElementsAre(kube::ObjectRef{"test", "podinfo"}));
  IngressPlan with_last_good = made;
  leave_out(with_last_good, {"test", "podinfo"}, "proxy_hide_header x;");
  EXPECT_EQ(only_location(with_last_good).snippet, "proxy_hide_header x;");
  EXPECT_FALSE(only_location(with_last_good).closed);
  leave_out(made, {"test", "podinfo"}, std::nullopt);
  EXPECT_TRUE(only_location(made).closed);
}

}  // namespace
}  // namespace serin::local
