#include "routing/gloo.h"

#include <fmt/format.h>

#include "routing/cluster_for_tests.h"
#include "routing/services.h"

namespace serin::routing {
namespace {

const kube::Resource tables{"gateway.solo.io", "v1", "routetables", "RouteTable"};
const kube::Resource upstreams{"gloo.solo.io", "v1", "upstreams", "Upstream"};
constexpr const char* primary_upstream = "test-podinfo-primaryupstream-9898";
constexpr const char* canary_upstream = "test-podinfo-canaryupstream-9898";

std::string destinations(int primary, int canary) {
  return fmt::format(
      "routeAction: {{multi: {{destinations: [{{destination: {{upstream: {{name: {}, namespace: test}}}}, "
      "weight: {}}}, "
      "{{destination: {{upstream: {{name: {}, namespace: test}}}}, weight: {}}}]}}}}",
      primary_upstream, primary, canary_upstream, canary);
}

Json table(std::string_view routes) {
  Json object = yaml(R"(
apiVersion: gateway.solo.io/v1
kind: RouteTable
metadata:
  annotations:
    helm.toolkit.fluxcd.io/driftDetection: disabled
    kustomize.toolkit.fluxcd.io/reconcile: disabled
)");
  add_members(object.set("metadata"), owned("podinfo"));
  object.set("spec", "routes") = yaml(routes);
  return object;
}

std::string everybody(int primary, int canary) {
  return fmt::format("[{{inheritablePathMatchers: true, {}}}]", destinations(primary, canary));
}

Json upstream(const std::string& name, const std::string& service, const std::string& app) {
  Json object = Json::object({{"apiVersion", "gloo.solo.io/v1"}, {"kind", "Upstream"}});
  object.set("metadata") = owned(name);
  object.set("spec", "kube") = yaml(fmt::format(
      "{{serviceName: {}, serviceNamespace: test, servicePort: 9898, selector: {{app: {}}}}}", service, app));
  return object;
}

class Gloo : public testing::Test {
 protected:
  Gloo() {
    for (const Role role : {Role::primary, Role::canary})
      cluster.put(kube::resources::services, new_service(cluster.spec, role, label, Json()));
  }
  Json live() const { return cluster.get(tables, "podinfo"); }

  Cluster cluster;
  std::unique_ptr<Router> router = make_gloo_router(false);
};

TEST_F(Gloo, ShiftsByWeight) {
  EXPECT_EQ(cluster.read(*router), "none");
  EXPECT_EQ(cluster.reconcile(*router), (Lines{"", "", "RouteTable podinfo.test created"}));
  const Json before = table(everybody(100, 0));
  EXPECT_EQ(live(), before);
  EXPECT_EQ(cluster.get(upstreams, primary_upstream),
            upstream(primary_upstream, "podinfo-primary", "podinfo-primary"));
  EXPECT_EQ(cluster.get(upstreams, canary_upstream), upstream(canary_upstream, "podinfo-canary", "podinfo"));
  EXPECT_EQ(cluster.reconcile(*router), Lines{});

  EXPECT_EQ(cluster.set(*router, {90, 10}), Lines{""});
  EXPECT_EQ(live(), table(everybody(90, 10)));
  EXPECT_EQ(cluster.read(*router), "90/10");
  EXPECT_EQ(cluster.reconcile(*router), Lines{});
  EXPECT_EQ(cluster.set(*router, {90, 10}), Lines{});

  cluster.set(*router, {100, 0});
  EXPECT_EQ(live(), before);
}

TEST_F(Gloo, TestsAAgainstBAndServesEverybodyElse) {
  cluster.spec.match = yaml(
      "[{headers: {x-b: {regex: '^b'}, x-a: {exact: a}}, method: {exact: GET}}, {queryParams: {v: {exact: "
      "'2'}}}]");
  EXPECT_EQ(router->problems(cluster.spec), Lines{});
  const auto routes = [](int primary, int canary) {
    return fmt::format(
        R"([{{inheritablePathMatchers: true, matchers: [{{headers: [{{name: x-a, value: a}}, {{name: x-b, value: ^b, regex: true}}], methods: [GET]}}, {{queryParameters: [{{name: v, value: "2"}}]}}], {}}}, )"
        R"({{inheritablePathMatchers: true, routeAction: {{single: {{upstream: {{name: {}, namespace: test}}}}}}}}])",
        destinations(primary, canary), primary_upstream);
  };
  cluster.reconcile(*router);
  EXPECT_EQ(live(), table(routes(100, 0)));
  cluster.set(*router, {0, 100});
  EXPECT_EQ(live(), table(routes(0, 100)));
  EXPECT_EQ(cluster.read(*router), "0/100");
  EXPECT_EQ(cluster.reconcile(*router), Lines{});

  cluster.spec.match = {};
  EXPECT_EQ(cluster.reconcile(*router), Lines{"RouteTable podinfo.test updated"});
  EXPECT_EQ(live(), table(everybody(100, 0))) << "what was for a few must not become for all";
}

TEST_F(Gloo, KeepsWeightsAndWhatOthersAdded) {
  cluster.reconcile(*router);
  cluster.set(*router, {70, 30});
  Json edited = live();
  edited.set("metadata", "labels", "team") = "a";
  edited.set("spec", "weight") = 7;
  edited.set("spec", "routes").make_array()[0].set("options") = yaml("{timeout: 10s}");
  cluster.put(tables, edited);
  EXPECT_EQ(cluster.reconcile(*router), Lines{});
  Json wrong = edited;
  wrong.set("spec", "routes").make_array()[0].set("inheritablePathMatchers") = false;
  cluster.put(tables, wrong);
  EXPECT_EQ(cluster.reconcile(*router), Lines{"RouteTable podinfo.test updated"});
  EXPECT_EQ(live(), edited);
}

TEST_F(Gloo, ReadsWhatGlooStores) {
  cluster.reconcile(*router);
  Json stored = live();
  stored.set("spec", "routes") = yaml(
      "[{inheritablePathMatchers: true, routeAction: {multi: {destinations: [{destination: {upstream: {name: "
      "test-podinfo-primaryupstream-9898, namespace: test}}, weight: 100}, {destination: {upstream: {name: "
      "test-podinfo-canaryupstream-9898, namespace: test}}}]}}}]");
  cluster.put(tables, stored);
  EXPECT_EQ(cluster.read(*router), "100/0");
}

TEST_F(Gloo, PutsRightWhatCannotBeRead) {
  cluster.reconcile(*router);
  for (const std::string& routes :
       {std::string("[]"), std::string("nonsense"), everybody(0, 0), everybody(-1, 101)}) {
    cluster.put(tables, table(routes));
    EXPECT_EQ(cluster.read(*router),
              "error: RouteTable podinfo.test destinations not found: it has no route with weights for "
              "test-podinfo-primaryupstream-9898 and test-podinfo-canaryupstream-9898")
        << routes;
    EXPECT_EQ(cluster.reconcile(*router), Lines{"RouteTable podinfo.test updated"}) << routes;
    EXPECT_EQ(live(), table(everybody(100, 0))) << routes;
  }
}

TEST_F(Gloo, TakesSettingsOverFromAnUpstream) {
  cluster.spec.upstream = canary::UpstreamRef{"model", ""};
  EXPECT_EQ(
      cluster.reconcile(*router),
      Lines{"error: error creating flagger primary upstream: config upstream model.test get query error: "
            "upstreams.gloo.solo.io \"model\" not found"});
  Json model = yaml(
      "{metadata: {name: model, namespace: test}, spec: {useHttp2: true, loadBalancerConfig: {random: {}}, "
      "static: {}}}");
  cluster.put(upstreams, model);
  cluster.reconcile(*router);
  Json written = cluster.get(upstreams, primary_upstream);
  EXPECT_EQ(written.get("spec", "useHttp2"), Json(true));
  EXPECT_EQ(written.get("spec", "loadBalancerConfig"), yaml("{random: {}}"));
  EXPECT_FALSE(written["spec"].contains("static"));

  model.set("spec", "loadBalancerConfig") = yaml("{roundRobin: {}}");
  model.set("spec", "useHttp2") = false;
  cluster.put(upstreams, model);
  EXPECT_EQ(cluster.reconcile(*router), (Lines{"", ""}));
  written = cluster.get(upstreams, primary_upstream);
  EXPECT_EQ(written.get("spec", "useHttp2"), Json(true));
  EXPECT_EQ(written.get("spec", "loadBalancerConfig"), yaml("{roundRobin: {}}"));
}

TEST_F(Gloo, NamesWhatIsMissingOrSomebodyElses) {
  EXPECT_EQ(
      cluster.set(*router, {90, 10}),
      Lines{"error: RouteTable podinfo.test query error: routetables.gateway.solo.io \"podinfo\" not found"});
  EXPECT_EQ(cluster.set(*router, {0, 0}),
            Lines{"error: Routes of podinfo.test cannot be 0/0: weights go from 0 to 100 and add up to 100"});
  const std::string theirs = "[{kind: App, name: shop, uid: u7, controller: true}]";

  Json stranger = table(everybody(100, 0));
  stranger.set("metadata", "ownerReferences") = yaml(theirs);
  cluster.put(tables, stranger);
  EXPECT_EQ(cluster.reconcile(*router),
            Lines{"error: RouteTable podinfo.test: App shop controls it: delete it, or "
                  "give spec.service.name another value"});
  stranger.set("metadata").erase("ownerReferences");
  cluster.put(tables, stranger);
  EXPECT_EQ(cluster.reconcile(*router),
            Lines{"error: RouteTable podinfo.test: it is not this Canary's: delete it, or "
                  "give spec.service.name another value"});
  cluster.remove(tables, "podinfo");

  Json other = upstream(canary_upstream, "podinfo-canary", "podinfo");
  other.set("metadata", "ownerReferences") = yaml(theirs);
  cluster.put(upstreams, other);
  EXPECT_EQ(cluster.reconcile(*router),
            Lines{"error: error creating flagger canary upstream: upstream "
                  "test-podinfo-canaryupstream-9898.test: App "
                  "shop controls it: delete it, or give spec.service.name another value"});
  cluster.remove(kube::resources::services, "podinfo-primary");
  EXPECT_EQ(
      cluster.reconcile(*router),
      Lines{"error: error creating flagger primary upstream: service podinfo-primary.test get query error: "
            "services \"podinfo-primary\" not found"});
}

TEST(GlooProblems, AreRefusedBeforeAnythingChanges) {
  canary::Spec spec = podinfo();
  spec.match = yaml("[{uri: {prefix: /a}}, {headers: {x-a: {suffix: a}}}, {}]");
  spec.upstream = canary::UpstreamRef{"model", "gloo-system"};
  EXPECT_EQ(
      make_gloo_router(true)->problems(spec),
      (Lines{"spec.analysis.match[0].uri: Gloo cannot match on it, remove it",
             "spec.analysis.match[1].headers.x-a.suffix: Gloo cannot match this way, use exact or regex",
             "spec.analysis.match[2]: is empty and would send everybody to the canary, remove it",
             "spec.upstreamRef: can't access gloo upstream model.gloo-system, cross-namespace references are "
             "blocked"}));
  spec.match = {};
  EXPECT_EQ(make_gloo_router(false)->problems(spec), Lines{});
}

}  // namespace
}  // namespace serin::routing
