#include "routing/smi.h"

#include <fmt/format.h>

#include "routing/cluster_for_tests.h"

namespace serin::routing {
namespace {

const kube::Resource& splits = kube::resources::trafficsplits_v1alpha1;

Json split(std::string_view backends) {
  Json object =
      yaml("{apiVersion: split.smi-spec.io/v1alpha1, kind: TrafficSplit, spec: {service: podinfo}}");
  object.set("metadata") = owned("podinfo");
  object.set("spec", "backends") = yaml(backends);
  return object;
}

TEST(TrafficSplit, IsAsTheReferenceWritesIt) {
  Cluster cluster;
  const auto router = make_smi_router("v1alpha1");
  EXPECT_EQ(cluster.read(*router), "none");

  EXPECT_EQ(cluster.reconcile(*router), Lines{"TrafficSplit podinfo.test created"});
  const Json before =
      split(R"([{service: podinfo-canary, weight: "0"}, {service: podinfo-primary, weight: "100"}])");
  EXPECT_EQ(cluster.get(splits, "podinfo"), before);
  EXPECT_EQ(cluster.reconcile(*router), Lines{});

  EXPECT_EQ(cluster.set(*router, {90, 10}), Lines{""});
  EXPECT_EQ(cluster.get(splits, "podinfo"),
            split(R"([{service: podinfo-canary, weight: "10"}, {service: podinfo-primary, weight: "90"}])"));
  EXPECT_EQ(cluster.read(*router), "90/10");
  EXPECT_EQ(cluster.reconcile(*router), Lines{});

  EXPECT_EQ(cluster.set(*router, {100, 0}), Lines{""});
  EXPECT_EQ(cluster.get(splits, "podinfo"), before);
}

TEST(TrafficSplit, HasNumbersInLaterVersions) {
  for (const std::string version : {"v1alpha2", "v1alpha3"}) {
    Cluster cluster;
    const auto router = make_smi_router(version);
    cluster.reconcile(*router);
    cluster.set(*router, {90, 10});
    const Json written = cluster.get(router->kinds().front(), "podinfo");
    EXPECT_EQ(written["apiVersion"].str(), "split.smi-spec.io/" + version);
    EXPECT_EQ(written.get("spec", "backends"),
              yaml("[{service: podinfo-canary, weight: 10}, {service: podinfo-primary, weight: 90}]"));
  }
}

TEST(TrafficSplit, ReadsWeightsOfEveryVersion) {
  const struct {
    const char *canary, *primary, *routes;
  } table[] = {
      {"10", "90", "90/10"},
      {"10.0", "9e1", "90/10"},
      {"\"10.0\"", "\"9e1\"", "90/10"},
      {"\"500m\"", "\"99500m\"", "99/1"},
      {"1", "9", "90/10"},
      {"0", "0",
       "error: TrafficSplit podinfo.test does not contain routes for podinfo-primary and podinfo-canary"},
      {"\"many\"", "10",
       "error: TrafficSplit podinfo.test does not contain routes for podinfo-primary and podinfo-canary"},
      {"-5", "105",
       "error: TrafficSplit podinfo.test does not contain routes for podinfo-primary and podinfo-canary"},
      {"\"\"", "10",
       "error: TrafficSplit podinfo.test does not contain routes for podinfo-primary and podinfo-canary"},
  };
  for (const auto& row : table) {
    Cluster cluster;
    Json live = split("[]");
    live.set("spec", "backends") =
        Json::array({Json::object({{"service", "podinfo-canary"}, {"weight", *Json::parse(row.canary)}}),
                     Json::object({{"service", "podinfo-primary"}, {"weight", *Json::parse(row.primary)}})});
    cluster.put(splits, live);
    EXPECT_EQ(cluster.read(*make_smi_router("v1alpha1")), row.routes);
  }
}

TEST(TrafficSplit, ReconcilingNeverMovesTraffic) {
  Cluster cluster;
  Json live = split(R"([{service: podinfo-canary, weight: "40"}, {service: podinfo-primary, weight: "60"}])");
  live.set("metadata", "labels", "mine") = "x";
  live.set("spec", "service") = "elsewhere";
  cluster.put(splits, live);
  const auto router = make_smi_router("v1alpha1");
  EXPECT_EQ(cluster.reconcile(*router), Lines{"TrafficSplit podinfo.test updated"});
  EXPECT_EQ(cluster.read(*router), "60/40");
  live.set("spec", "service") = "podinfo";
  EXPECT_EQ(cluster.get(splits, "podinfo"), live);
}

TEST(TrafficSplit, IsRepairedToAllOnThePrimary) {
  for (const char* backends :
       {"[]", "{}", "many", R"([{service: podinfo-canary, weight: "40"}])",
        R"([{service: podinfo-canary, weight: "0"}, {service: podinfo-primary, weight: "0"}])"}) {
    Cluster cluster;
    cluster.put(splits, split(backends));
    const auto router = make_smi_router("v1alpha1");
    EXPECT_EQ(cluster.reconcile(*router), Lines{"TrafficSplit podinfo.test updated"}) << backends;
    EXPECT_EQ(cluster.read(*router), "100/0") << backends;
  }
}

TEST(TrafficSplit, OfSomebodyElseIsNamed) {
  Cluster cluster;
  Json live = split(R"([{service: podinfo-canary, weight: "40"}, {service: podinfo-primary, weight: "60"}])");
  live.set("metadata", "ownerReferences") = yaml("[{kind: Canary, name: other, uid: u2, controller: true}]");
  cluster.put(splits, live);
  EXPECT_EQ(cluster.reconcile(*make_smi_router("v1alpha1")),
            Lines{"error: TrafficSplit podinfo.test: Canary other controls it: delete it, or give "
                  "spec.service.name another value"});
}

TEST(TrafficSplit, ThatIsGoneCannotBeSet) {
  const Cluster cluster;
  const base::Result<Writes> writes = make_smi_router("v1alpha1")->set(cluster.situation(), {90, 10});
  ASSERT_FALSE(writes);
  EXPECT_EQ(writes.error().code, base::Errc::not_found);
  EXPECT_EQ(
      writes.error().message,
      "TrafficSplit podinfo.test get query error trafficsplits.split.smi-spec.io \"podinfo\" not found");
}

TEST(TrafficSplit, NeverGetsRoutesThatDoNotAddUp) {
  for (const canary::Routes& routes : {canary::Routes{0, 0}, {90, 20}, {-10, 110}}) {
    Cluster cluster;
    const auto router = make_smi_router("v1alpha1");
    cluster.reconcile(*router);
    EXPECT_EQ(cluster.set(*router, routes).front(),
              fmt::format(
                  "error: Routes of podinfo.test cannot be {}/{}: weights go from 0 to 100 and add up to 100",
                  routes.primary, routes.canary));
    EXPECT_EQ(cluster.read(*router), "100/0");
  }
}

TEST(TrafficSplit, IsNotWrittenWhenNothingChanges) {
  Cluster cluster;
  const auto router = make_smi_router("v1alpha1");
  cluster.put(splits,
              split("[{service: podinfo-primary, weight: 90}, {service: podinfo-canary, weight: 10}]"));
  EXPECT_EQ(cluster.set(*router, {90, 10}), Lines{});
  EXPECT_EQ(cluster.reconcile(*router), Lines{});
}

TEST(TrafficSplit, ServesTheApexWhateverTheHosts) {
  Cluster cluster;
  cluster.spec.service.routing = yaml("{hosts: [www.example.com]}");
  const auto router = make_smi_router("v1alpha1");
  cluster.reconcile(*router);
  EXPECT_EQ(cluster.get(splits, "podinfo").get("spec", "service").str(), "podinfo");
}

TEST(TrafficSplit, RefusesWhatItCannotDo) {
  canary::Spec spec = podinfo();
  const auto router = make_smi_router("v1alpha1");
  EXPECT_EQ(router->problems(spec), Lines{});
  spec.match = yaml("[{headers: {x-canary: {exact: always}}}]");
  spec.session_affinity = canary::SessionAffinity{};
  EXPECT_EQ(
      router->problems(spec),
      (Lines{"spec.analysis.sessionAffinity: a TrafficSplit has no cookies that keep a user on one version; "
             "remove it, or use spec.provider gatewayapi:v1",
             "spec.analysis.match: a TrafficSplit cannot tell requests apart and would send everybody to the "
             "canary; use spec.provider gatewayapi:v1 or nginx for A/B testing"}));
}

TEST(TrafficSplit, NamesAForeignServiceProfile) {
  const struct {
    const char *profile, *conflict;
  } table[] = {
      {"{spec: {routes: [{name: all}]}}", ""},
      {"{spec: {dstOverrides: [{authority: podinfo-canary.test.svc.cluster.local, weight: \"0\"}, "
       "{authority: podinfo-primary.test.svc.cluster.local, weight: \"100\"}]}}",
       ""},
      {"{spec: {dstOverrides: [{authority: podinfo-v3.test.svc.cluster.local, weight: 0}]}}", ""},
      {"{spec: {dstOverrides: [{authority: \"podinfo-v3.test.svc.cluster.local:9898\", weight: \"1\"}]}}",
       "error: ServiceProfile podinfo.test.svc.cluster.local sends traffic to "
       "podinfo-v3.test.svc.cluster.local:9898, and TrafficSplit podinfo.test would end that: remove it from "
       "spec.dstOverrides"},
      {"{metadata: {annotations: {smi.linkerd.io/skip: \"true\"}}}",
       "error: ServiceProfile podinfo.test.svc.cluster.local has the annotation smi.linkerd.io/skip, so "
       "that "
       "Linkerd ignores TrafficSplit podinfo.test: remove the annotation"},
  };
  for (const auto& row : table) {
    Cluster cluster;
    Json profile = yaml(row.profile);
    profile.set("metadata", "name") = "podinfo.test.svc.cluster.local";
    profile.set("metadata", "namespace") = "test";
    cluster.put({"linkerd.io", "v1alpha2", "serviceprofiles", "ServiceProfile"}, profile);
    const Lines expected = *row.conflict ? Lines{row.conflict} : Lines{"TrafficSplit podinfo.test created"};
    EXPECT_EQ(cluster.reconcile(*make_smi_router("v1alpha1")), expected);
  }
}

}  // namespace
}  // namespace serin::routing
