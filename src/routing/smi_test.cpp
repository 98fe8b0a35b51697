#include "routing/smi.h"

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
      {"\"500m\"", "\"99500m\"", "100/1"},
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

}  // namespace
}  // namespace serin::routing
