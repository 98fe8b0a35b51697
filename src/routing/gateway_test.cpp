#include "routing/gateway.h"

#include <fmt/format.h>

#include "routing/cluster_for_tests.h"
#include "routing/overlay.h"
#include "routing/smi.h"

namespace serin::routing {
namespace {

using canary::Routes;

const kube::Resource v1{"gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"};
const kube::Resource profile{"linkerd.io", "v1alpha2", "serviceprofiles", "ServiceProfile"};

constexpr const char* at_gateway =
    "gatewayRefs: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: istio-ingress, name: "
    "gateway}]";

/// spec.service of spec 05 §6.7, with more fields.
canary::Spec at_gateway_with(std::string_view more) {
  canary::Spec spec = podinfo();
  spec.service.routing = yaml(fmt::format("{}\nhosts: [www.example.com]\n{}", at_gateway, more));
  return spec;
}

/// The route of spec 05 §6.7 with these rules.
Json route(std::string_view rules) {
  Json object = yaml(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  annotations:
    helm.toolkit.fluxcd.io/driftDetection: disabled
    kustomize.toolkit.fluxcd.io/reconcile: disabled
spec:
  parentRefs:
  - {group: gateway.networking.k8s.io, kind: Gateway, namespace: istio-ingress, name: gateway}
  hostnames: [www.example.com]
)");
  add_members(object.set("metadata"), owned("podinfo"));
  object.set("spec", "rules") = yaml(rules);
  return object;
}

std::string backends(int primary, int canary) {
  return fmt::format(
      "backendRefs: [{{group: '', kind: Service, name: podinfo-primary, port: 9898, weight: {}}}, "
      "{{group: '', kind: Service, name: podinfo-canary, port: 9898, weight: {}}}]",
      primary, canary);
}

std::string everybody(int primary, int canary, std::string_view more = "") {
  return fmt::format("{{matches: [{{path: {{type: PathPrefix, value: /}}}}], {}{}}}", more,
                     backends(primary, canary));
}

std::string cookie_rule(std::string_view pattern, int primary, int canary, std::string_view more = "") {
  return fmt::format(
      "{{matches: [{{path: {{type: PathPrefix, value: /}}, headers: [{{type: RegularExpression, name: "
      "Cookie, "
      "value: '(.*;\\s*)?{}(;.*)?'}}]}}], {}{}}}",
      pattern, more, backends(primary, canary));
}

class Gateway : public testing::Test {
 protected:
  Json live() const { return cluster.get(v1, "podinfo"); }
  /// All that a router says about the live route while it changes nothing.
  void expect_at_rest(const std::string& routes) {
    EXPECT_EQ(cluster.read(*router), routes);
    EXPECT_EQ(cluster.reconcile(*router), Lines{});
  }

  Cluster cluster{at_gateway_with("")};
  std::unique_ptr<Router> router = make_gateway_router("v1");
};

TEST_F(Gateway, ShiftsByWeight) {
  cluster.spec = at_gateway_with("timeout: 10s\nbackendTimeout: 2s");
  const std::string timeouts = "timeouts: {request: 10s, backendRequest: 2s}, ";
  EXPECT_EQ(router->problems(cluster.spec), Lines{});
  EXPECT_EQ(cluster.read(*router), "none");
  EXPECT_EQ(cluster.reconcile(*router), Lines{"HTTPRoute podinfo.test created"});
  const Json before = route("[" + everybody(100, 0, timeouts) + "]");
  EXPECT_EQ(live(), before);
  expect_at_rest("100/0");

  EXPECT_EQ(cluster.set(*router, {90, 10}), Lines{""});
  EXPECT_EQ(live(), route("[" + everybody(90, 10, timeouts) + "]"));
  expect_at_rest("90/10");
  EXPECT_EQ(cluster.set(*router, {90, 10}), Lines{});

  EXPECT_EQ(cluster.set(*router, {100, 0}), Lines{""});
  EXPECT_EQ(live(), before);
}

TEST_F(Gateway, TestsAAgainstB) {
  cluster.spec.match = yaml("[{headers: {x-canary: {exact: insider}}}]");
  const auto rules = [](int primary, int canary) {
    return fmt::format(
        "[{{matches: [{{path: {{type: PathPrefix, value: /}}, headers: [{{type: Exact, name: x-canary, "
        "value: "
        "insider}}]}}], {}}}, {{matches: [{{path: {{type: PathPrefix, value: /}}}}], backendRefs: [{{group: "
        "'', kind: "
        "Service, name: podinfo-primary, port: 9898, weight: 100}}]}}]",
        backends(primary, canary));
  };
  cluster.reconcile(*router);
  EXPECT_EQ(live(), route(rules(100, 0)));
  expect_at_rest("100/0");
  cluster.set(*router, {0, 100});
  EXPECT_EQ(live(), route(rules(0, 100)));
  expect_at_rest("0/100");
  cluster.set(*router, {100, 0});
  EXPECT_EQ(live(), route(rules(100, 0)));
}

TEST_F(Gateway, NeverTurnsATestOfAFewIntoTrafficOfAll) {
  cluster.spec.match = yaml("[{headers: {x-canary: {exact: insider}}}]");
  cluster.reconcile(*router);
  cluster.set(*router, {0, 100});
  cluster.spec.match = {};
  EXPECT_EQ(cluster.reconcile(*router), Lines{"HTTPRoute podinfo.test updated"});
  EXPECT_EQ(live(), route("[" + everybody(100, 0) + "]"));
}

TEST_F(Gateway, TestsEachMatchOfTheServiceWithEachOfTheAnalysis) {
  cluster.spec = at_gateway_with(
      "match: [{uri: {prefix: /api}, headers: {x-b: {regex: b.*}, x-a: {exact: a}}}, {method: {exact: "
      "GET}}]");
  cluster.spec.match = yaml(
      "[{headers: {x-canary: {exact: insider}}}, {uri: {exact: /beta}, queryParams: {v: {regex: '2|3'}}}]");
  EXPECT_EQ(router->problems(cluster.spec), Lines{});
  cluster.reconcile(*router);
  const Json written = live();
  const Json& rules = written.get("spec", "rules");
  EXPECT_EQ(rules.at(0)["matches"], yaml(R"([
    {path: {type: PathPrefix, value: /api}, headers: [{type: Exact, name: x-canary, value: insider}]},
    {path: {type: PathPrefix, value: /}, method: GET, headers: [{type: Exact, name: x-canary, value: insider}]},
    {path: {type: Exact, value: /beta}, headers: [{type: Exact, name: x-a, value: a},
     {type: RegularExpression, name: x-b, value: b.*}], queryParams: [{type: RegularExpression, name: v, value: 2|3}]},
    {path: {type: Exact, value: /beta}, method: GET,
     queryParams: [{type: RegularExpression, name: v, value: 2|3}]}])"));
  EXPECT_EQ(rules.at(1)["matches"].size(), 2u);
  expect_at_rest("100/0");
}

TEST_F(Gateway, MirrorsInBlueGreen) {
  cluster.spec.mirror = true;
  EXPECT_EQ(router->problems(cluster.spec), Lines{});
  cluster.reconcile(*router);
  EXPECT_EQ(live(), route("[" + everybody(100, 0) + "]"));
  cluster.set(*router, {100, 0, true});
  EXPECT_EQ(live(), route("[" +
                          everybody(100, 0,
                                    "filters: [{type: RequestMirror, requestMirror: {backendRef: {group: '', "
                                    "kind: Service, name: podinfo-canary, port: 9898}}}], ") +
                          "]"));
  expect_at_rest("100/0 mirrored");
  cluster.set(*router, {0, 100});
  EXPECT_EQ(live(), route("[" + everybody(0, 100) + "]"));
  expect_at_rest("0/100");
}

TEST_F(Gateway, KeepsUsersOnTheirVersionByCookie) {
  cluster.spec.step_weight = 10;
  cluster.spec.session_affinity = canary::SessionAffinity{
      .cookie_name = "flagger-cookie", .primary_cookie_name = "primary-cookie", .max_age = 21600};
  cluster.reconcile(*router);
  EXPECT_EQ(live(), route("[" + everybody(100, 0) + "]"));

  cluster.affinity = {.canary = "flagger-cookie=XlgLKGYAJS", .primary = "primary-cookie=gvRhhEfTcV"};
  const auto divided = [](const char* matches, int primary, int canary, int step) {
    return fmt::format(R"(
- matches: [{{path: {{type: PathPrefix, value: /}}{}}}]
  backendRefs:
  - group: ""
    kind: Service
    name: podinfo-primary
    port: 9898
    weight: {}
    filters: [{{type: ResponseHeaderModifier, responseHeaderModifier: {{add: [{{name: Set-Cookie, value: primary-cookie=gvRhhEfTcV-{}; Max-Age=21600}}]}}}}]
  - group: ""
    kind: Service
    name: podinfo-canary
    port: 9898
    weight: {}
    filters: [{{type: ResponseHeaderModifier, responseHeaderModifier: {{add: [{{name: Set-Cookie, value: flagger-cookie=XlgLKGYAJS; Max-Age=21600}}]}}}}]
)",
                       matches, primary, step, canary);
  };
  const auto with = [](const std::string& cookie) {
    return ", headers: [{type: RegularExpression, name: Cookie, value: '(.*;\\s*)?" + cookie + "(;.*)?'}]";
  };
  const std::string of_canary = with("flagger-cookie=XlgLKGYAJS");
  const std::string of_primary = with("primary-cookie=gvRhhEfTcV-[0-9]+");
  cluster.set(*router, {90, 10});
  EXPECT_EQ(live(), route(divided(of_canary.c_str(), 0, 100, 10) + divided(of_primary.c_str(), 100, 0, 10) +
                          divided("", 90, 10, 10)));
  expect_at_rest("90/10");

  cluster.set(*router, {80, 20});
  EXPECT_EQ(live(), route(divided(of_canary.c_str(), 0, 100, 20) +
                          divided(with("primary-cookie=gvRhhEfTcV-10").c_str(), 80, 10, 20) +
                          divided(of_primary.c_str(), 100, 0, 20) + divided("", 80, 20, 20)));
  expect_at_rest("80/20");

  cluster.affinity = {.previous = "flagger-cookie=XlgLKGYAJS"};
  cluster.set(*router, {100, 0});
  const auto forget = [](const char* cookie) {
    return fmt::format(
        "filters: [{{type: ResponseHeaderModifier, responseHeaderModifier: {{add: [{{name: Set-Cookie, "
        "value: '{}; Max-Age=-1'}}]}}}}], ",
        cookie);
  };
  EXPECT_EQ(
      live(),
      route("[" + cookie_rule("flagger-cookie=XlgLKGYAJS", 100, 0, forget("flagger-cookie=XlgLKGYAJS")) +
            ", " + cookie_rule("primary-cookie=[^;]*", 100, 0, forget("primary-cookie=")) + ", " +
            everybody(100, 0) + "]"));
  expect_at_rest("100/0");
}

TEST_F(Gateway, SpellsCookiesOut) {
  cluster.spec.session_affinity = canary::SessionAffinity{.cookie_name = "a.b",
                                                          .primary_cookie_name = "a.c",
                                                          .max_age = 60,
                                                          .domain = "example.com",
                                                          .path = "/app",
                                                          .same_site = "Lax",
                                                          .http_only = true,
                                                          .partitioned = true,
                                                          .secure = true};
  cluster.reconcile(*router);
  cluster.affinity.canary = "a.b=XlgLKGYAJS";
  cluster.set(*router, {50, 50});
  const auto cookie_of = [](const Json& filters) {
    return filters.at(0).get("responseHeaderModifier", "add").at(0)["value"].str();
  };
  Json rules = live().get("spec", "rules");
  EXPECT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules.at(0)["matches"].at(0)["headers"].at(0)["value"].str(), "(.*;\\s*)?a\\.b=XlgLKGYAJS(;.*)?");
  EXPECT_EQ(cookie_of(rules.at(1)["backendRefs"].at(1)["filters"]),
            "a.b=XlgLKGYAJS; Max-Age=60; Domain=example.com; HttpOnly; Partitioned; Path=/app; SameSite=Lax; "
            "Secure");
  cluster.affinity = {.previous = "a.b=XlgLKGYAJS"};
  cluster.set(*router, {100, 0});
  rules = live().get("spec", "rules");
  EXPECT_EQ(cookie_of(rules.at(0)["filters"]),
            "a.b=XlgLKGYAJS; Max-Age=-1; Domain=example.com; HttpOnly; Partitioned; Path=/app; SameSite=Lax; "
            "Secure");
}

TEST_F(Gateway, WritesTheFiltersOfTheService) {
  cluster.spec = at_gateway_with(R"(
headers: {request: {add: {x-b: "2", x-a: "1"}, remove: [x-c]}, response: {set: {x-d: "4"}}}
rewrite: {uri: /v2, authority: v2.example.com, type: ReplacePrefixMatch}
mirror: [{backendRef: {name: audit, port: 80}}]
corsPolicy: {allowOrigin: [https://example.com], allowMethods: [GET], allowCredentials: true, maxAge: 24h}
)");
  cluster.reconcile(*router);
  EXPECT_EQ(live().get("spec", "rules").at(0)["filters"], yaml(R"(
- type: RequestHeaderModifier
  requestHeaderModifier: {add: [{name: x-a, value: "1"}, {name: x-b, value: "2"}], remove: [x-c]}
- {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-d, value: "4"}]}}
- type: URLRewrite
  urlRewrite: {hostname: v2.example.com, path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2}}
- {type: RequestMirror, requestMirror: {backendRef: {name: audit, port: 80}}}
- type: CORS
  cors: {allowOrigins: [https://example.com], allowMethods: [GET], allowCredentials: true, maxAge: 86400}
)"));
  expect_at_rest("100/0");
}

TEST_F(Gateway, TakesServersDefaultsAndOrdersForWhatTheyAre) {
  cluster.spec = at_gateway_with("match: [{headers: {x-a: {exact: a}, x-b: {exact: b}}}]");
  cluster.reconcile(*router);
  cluster.set(*router, {70, 30});
  Json stored = live();
  stored.set("metadata", "generation") = 3;
  stored.set("spec", "rules").make_array()[0].set("backendRefs") = yaml(
      "[{name: podinfo-canary, group: '', kind: Service, port: 9898, weight: 30, future: x}, "
      "{name: podinfo-primary, group: '', kind: Service, port: 9898, weight: 70.0}]");
  stored.set("spec", "rules").make_array()[0].set("matches").make_array()[0].set("headers") =
      yaml("[{name: x-b, value: b, type: Exact}, {name: x-a, value: a, type: Exact}]");
  cluster.put(v1, stored);
  expect_at_rest("70/30");
}

TEST_F(Gateway, KeepsWeightsAndWhatOthersAdded) {
  cluster.reconcile(*router);
  cluster.set(*router, {70, 30});
  Json edited = live();
  edited.set("metadata", "labels", "team") = "a";
  edited.set("metadata", "annotations", "example.com/mine") = "x";
  edited.set("spec", "rules").make_array()[0].set("sessionPersistence") = yaml("{type: Cookie}");
  edited.set("spec", "useDefaultGateways") = "All";
  cluster.put(v1, edited);
  expect_at_rest("70/30");

  Json wrong = edited;
  wrong.set("spec", "hostnames") = yaml("[other.example.com]");
  wrong.set("spec", "rules").make_array()[0].set("backendRefs").make_array()[0].set("port") = 1;
  wrong.set("spec", "rules").make_array()[0].set("filters") =
      yaml("[{type: ExtensionRef, extensionRef: {name: x}}]");
  cluster.put(v1, wrong);
  EXPECT_EQ(cluster.reconcile(*router), Lines{"HTTPRoute podinfo.test updated"});
  EXPECT_EQ(live(), edited);

  cluster.spec.match = yaml("[{headers: {x-canary: {exact: insider}}}]");
  cluster.reconcile(*router);
  EXPECT_EQ(cluster.read(*router), "100/0");
  const Json written = live();
  for (const Json& rule : written.get("spec", "rules").items())
    EXPECT_EQ(rule["sessionPersistence"], yaml("{type: Cookie}"));
}

TEST_F(Gateway, PutsRightWhatCannotBeRead) {
  for (const char* rules :
       {"[]", "nonsense", "[{backendRefs: [{name: podinfo-primary, weight: 100}]}]",
        "[{backendRefs: [{name: podinfo-primary, weight: 0}, {name: podinfo-canary, weight: 0}]}]",
        "[{backendRefs: [{name: podinfo-primary, weight: x}, {name: podinfo-canary, weight: 1}]}]",
        "[{backendRefs: [{name: podinfo-primary, namespace: other}, {name: podinfo-canary}]}]"}) {
    cluster.put(v1, route(rules));
    EXPECT_EQ(cluster.read(*router),
              "error: HTTPRoute podinfo.test does not contain routes for podinfo-primary and podinfo-canary")
        << rules;
    EXPECT_EQ(cluster.reconcile(*router), Lines{"HTTPRoute podinfo.test updated"}) << rules;
    EXPECT_EQ(live().get("spec", "rules"), yaml("[" + everybody(100, 0) + "]")) << rules;
  }
}

TEST_F(Gateway, NamesWhatIsMissingOrSomebodyElses) {
  EXPECT_EQ(
      cluster.set(*router, {90, 10}),
      Lines{"error: HTTPRoute podinfo.test get error: httproutes.gateway.networking.k8s.io \"podinfo\" not "
            "found"});
  EXPECT_EQ(cluster.set(*router, {0, 0}),
            Lines{"error: Routes of podinfo.test cannot be 0/0: weights go from 0 to 100 and add up to 100"});
  Json stranger = route("[" + everybody(100, 0) + "]");
  stranger.set("metadata", "ownerReferences") = yaml("[{kind: App, name: shop, uid: u7, controller: true}]");
  cluster.put(v1, stranger);
  EXPECT_EQ(
      cluster.reconcile(*router),
      Lines{
          "error: HTTPRoute podinfo.test: App shop controls it: delete it, or give spec.service.name another "
          "value"});
}

TEST_F(Gateway, SharesARouteByItsWeightsAlone) {
  // Text, since every byte but the weights' has to stay.
  const std::string text =
      R"({"kind":"HTTPRoute","apiVersion":"gateway.networking.k8s.io/v1","metadata":{"namespace":"test","name":"podinfo","labels":{"team":"a"}},)"
      R"("spec":{"rules":[{"name":"api","filters":[{"type":"ExtensionRef","extensionRef":{"name":"auth"}}],)"
      R"("backendRefs":[{"name":"podinfo-canary","port":9898,"weight":0},{"weight":1e2,"port":9898,"name":"podinfo-primary"}]},)"
      R"({"backendRefs":[{"name":"podinfo-primary","port":9999,"weight":100},{"name":"podinfo-canary","port":9999,"weight":0}]},)"
      R"({"backendRefs":[{"name":"docs","port":80,"weight":7}]}],"hostnames":["*.example.com"],"future":1.50}})";
  cluster.put(v1, *Json::parse(text));
  expect_at_rest("100/0");

  EXPECT_EQ(cluster.set(*router, {60, 40}), Lines{""});
  std::string expected = text;
  const auto replace = [&](std::string_view from, std::string_view to) {
    expected.replace(expected.find(from), from.size(), to);
  };
  replace(R"(9898,"weight":0)", R"(9898,"weight":40)");
  replace("1e2", "60");
  replace(R"(9999,"weight":100)", R"(9999,"weight":60)");
  replace(R"(9999,"weight":0)", R"(9999,"weight":40)");
  EXPECT_EQ(live().dump(), expected);
  expect_at_rest("60/40");

  // One rule went astray: what most go by is what counts, and all are put right together.
  Json astray = live();
  astray.set("spec", "rules").make_array()[1].set("backendRefs").make_array()[1].set("weight") = 60;
  cluster.put(v1, astray);
  EXPECT_EQ(cluster.read(*router), "50/50");
  cluster.set(*router, {60, 40});
  EXPECT_EQ(live().dump(), expected);
}

TEST_F(Gateway, RefusesMoreThanWeightsOnASharedRoute) {
  Json shared = route("[" + everybody(100, 0) + "]");
  shared.set("metadata").erase("ownerReferences");
  cluster.put(v1, shared);
  cluster.spec.match = yaml("[{headers: {x-canary: {exact: insider}}}]");
  const std::string refusal =
      "error: HTTPRoute podinfo.test is not this Canary's, so that only weights are written in it: remove "
      "spec.analysis.match, or delete the route, then it is made anew";
  EXPECT_EQ(cluster.reconcile(*router), Lines{refusal});
  EXPECT_EQ(cluster.set(*router, {0, 100}), Lines{refusal});
  cluster.spec.match = {};

  for (const char* rules :
       {"[]", "nonsense", "[{backendRefs: [{name: docs}]}]", "[{backendRefs: [{name: podinfo-primary}]}]"}) {
    shared.set("spec", "rules") = yaml(rules);
    cluster.put(v1, shared);
    EXPECT_EQ(
        cluster.reconcile(*router),
        Lines{
            "error: HTTPRoute podinfo.test is not this Canary's and has no rule with the backends "
            "podinfo-primary and podinfo-canary: add both, with weights 100 and 0, or delete the route, then "
            "it is made anew"})
        << rules;
  }
}

TEST_F(Gateway, SaysWhatItsMeshRefuses) {
  const struct {
    const char *condition, *refusal;
  } table[] = {
      {"{type: Accepted, status: 'True'}", ""},
      {"{type: Accepted, status: 'True', observedGeneration: 1}", ""},
      {"{type: Programmed, status: 'False'}", ""},
      {"{type: Accepted, status: 'False', observedGeneration: 1}", ""},
      {"{type: Accepted, status: 'False', reason: NoMatchingParent, message: no ClusterIP}",
       "error: HTTPRoute podinfo.test parent gateway is not ready (status: False, observed generation: 2, "
       "current "
       "generation: 2): Accepted NoMatchingParent: no ClusterIP"},
      {"{type: ResolvedRefs, status: 'False', reason: BackendNotFound, message: gone, observedGeneration: 2}",
       "error: HTTPRoute podinfo.test parent gateway is not ready (status: False, observed generation: 2, "
       "current "
       "generation: 2): ResolvedRefs BackendNotFound: gone"},
  };
  for (const auto& row : table) {
    Json stored = route("[" + everybody(100, 0) + "]");
    stored.set("metadata", "generation") = 2;
    stored.set("status", "parents") = yaml(fmt::format(
        "[{{parentRef: {{namespace: istio-ingress, name: gateway}}, conditions: [{}]}}]", row.condition));
    cluster.put(v1, stored);
    EXPECT_EQ(cluster.reconcile(*router), *row.refusal ? Lines{row.refusal} : Lines{}) << row.condition;
    EXPECT_EQ(cluster.read(*router), "100/0");
    // Another parent's troubles are not ours.
    stored.set("status", "parents").make_array()[0].set("parentRef", "name") = "other";
    cluster.put(v1, stored);
    EXPECT_EQ(cluster.reconcile(*router), Lines{});
  }
}

class OnService : public Gateway {
 protected:
  OnService() { cluster.spec = podinfo(); }
};

TEST_F(OnService, IsAttachedToTheApexByDefault) {
  const Json apex = yaml("[{group: core, kind: Service, name: podinfo, namespace: test, port: 9898}]");
  for (const char* service : {"{}", "{hosts: [podinfo]}",
                              "{gatewayRefs: [{group: core, kind: Service, name: podinfo, namespace: test, "
                              "port: 9898}], hosts: [podinfo]}",
                              "{gatewayRefs: [{group: gateway.networking.k8s.io, kind: Service, name: "
                              "podinfo, namespace: test, port: 9898}]}"}) {
    cluster.remove(v1, "podinfo");
    cluster.spec.service.routing = yaml(service);
    EXPECT_EQ(router->problems(cluster.spec), Lines{}) << service;
    cluster.reconcile(*router);
    EXPECT_EQ(live().get("spec", "parentRefs"), apex) << service;
    EXPECT_FALSE(live()["spec"].contains("hostnames")) << service;
    cluster.set(*router, {90, 10});
    expect_at_rest("90/10");
  }
}

TEST_F(OnService, IsReadyWithLinkerdsStatus) {
  cluster.reconcile(*router);
  Json stored = live();
  stored.set("metadata", "generation") = 2;
  stored.set("status", "parents") = yaml(
      "[{controllerName: linkerd.io/policy-controller, parentRef: {group: core, kind: Service, namespace: "
      "test, name: "
      "podinfo, port: 9898}, conditions: [{type: Accepted, status: 'True', reason: Accepted}, {type: "
      "ResolvedRefs, "
      "status: 'True', reason: ResolvedRefs}]}]");
  cluster.put(v1, stored);
  expect_at_rest("100/0");
}

TEST_F(OnService, HasDurationsThatLinkerdReads) {
  for (const auto& [written, read] : {std::pair("1m30s", "90s"), {"10s", "10s"}, {"1.5s", "1500ms"}}) {
    cluster.remove(v1, "podinfo");
    cluster.spec.service.routing = Json::object({{"timeout", written}});
    cluster.reconcile(*router);
    EXPECT_EQ(live().get("spec", "rules").at(0)["timeouts"], Json::object({{"request", read}}));
  }
}

TEST_F(OnService, SaysRetriesAsLinkerdReadsThem) {
  const struct {
    const char *retries, *http, *limit, *timeout;
  } table[] = {
      {"{attempts: 3, perTryTimeout: 1s, retryOn: 'gateway-error, connect-failure,5xx,503'}",
       "gateway-error,5xx,503", "3", "1s"},
      {"{attempts: 2}", "gateway-error", "2", ""},
      {"{attempts: 2, retryOn: connect-failure}", "", "", ""},
      {"{attempts: 0}", "", "", ""},
  };
  for (const auto& row : table) {
    cluster.remove(v1, "podinfo");
    cluster.spec.service.routing = yaml(fmt::format("{{retries: {}}}", row.retries));
    cluster.reconcile(*router);
    const Json annotations = live().get("metadata", "annotations");
    EXPECT_EQ(annotations["retry.linkerd.io/http"].str(), row.http) << row.retries;
    EXPECT_EQ(annotations["retry.linkerd.io/limit"].str(), row.limit) << row.retries;
    EXPECT_EQ(annotations["retry.linkerd.io/timeout"].str(), row.timeout) << row.retries;
    expect_at_rest("100/0");
  }
}

TEST_F(OnService, TakesThePlaceOfItsOwnTrafficSplit) {
  Cluster before{podinfo()};
  const std::unique_ptr<Router> smi = make_smi_router("v1alpha1");
  before.reconcile(*smi);
  before.set(*smi, {60, 40});
  const kube::Resource& splits = split_resources().front();
  cluster.put(splits, before.get(splits, "podinfo"));
  const Json overrides = yaml(
      "{metadata: {name: podinfo.test.svc.cluster.local, namespace: test}, spec: {dstOverrides: "
      "[{authority: podinfo-primary.test.svc.cluster.local, weight: '60'}]}}");
  cluster.put(profile, overrides);
  EXPECT_EQ(cluster.reconcile(*router),
            (Lines{"TrafficSplit podinfo.test deleted, an HTTPRoute takes its place",
                   "HTTPRoute podinfo.test created"}));
  EXPECT_TRUE(cluster.get(splits, "podinfo").is_null());
  EXPECT_TRUE(cluster.reconcile(*router).front().ends_with("remove its spec.dstOverrides"))
      << "until Linkerd's SMI adaptor has taken them away";
  cluster.remove(profile, "podinfo.test.svc.cluster.local");
  expect_at_rest("100/0");
}

TEST_F(OnService, NamesWhatOverrulesIt) {
  Cluster before{podinfo()};
  before.reconcile(*make_smi_router("v1alpha1"));
  const kube::Resource& splits = split_resources().front();
  Json split = before.get(splits, "podinfo");
  split.set("metadata").erase("ownerReferences");
  cluster.put(splits, split);
  EXPECT_EQ(
      cluster.reconcile(*router),
      Lines{
          "error: TrafficSplit podinfo.test overrules HTTPRoutes of the same Service: delete it (kubectl -n "
          "test delete trafficsplit podinfo)"});
  cluster.remove(splits, "podinfo");
  const struct {
    const char *spec, *conflict;
  } table[] = {
      {"{}", ""},
      {"{dstOverrides: [{authority: podinfo-canary.test.svc.cluster.local, weight: '0'}]}", ""},
      {"{dstOverrides: [{authority: podinfo-canary.test.svc.cluster.local, weight: '10'}]}",
       "error: ServiceProfile podinfo.test.svc.cluster.local overrules HTTPRoutes of Service podinfo.test: "
       "remove its "
       "spec.dstOverrides"},
      {"{routes: [{name: all}]}",
       "error: ServiceProfile podinfo.test.svc.cluster.local overrules HTTPRoutes of Service podinfo.test: "
       "remove its "
       "spec.routes"},
  };
  cluster.reconcile(*router);
  for (const auto& row : table) {
    cluster.put(
        profile,
        yaml(fmt::format("{{metadata: {{name: podinfo.test.svc.cluster.local, namespace: test}}, spec: {}}}",
                         row.spec)));
    EXPECT_EQ(cluster.reconcile(*router), *row.conflict ? Lines{row.conflict} : Lines{}) << row.spec;
    EXPECT_EQ(cluster.set(*router, {100, 0}), Lines{}) << "a way back there must be";
  }
}

TEST(OlderGateway, TellsTheMeshItsTimeoutByAnnotation) {
  Cluster cluster;
  cluster.spec.service.routing = yaml("{timeout: 1m30s}");
  const auto router = make_gateway_router("v1beta1");
  cluster.reconcile(*router);
  EXPECT_EQ(cluster.get(router->kinds().front(), "podinfo")
                .get("metadata", "annotations", "timeout.linkerd.io/request")
                .str(),
            "90s");
}

TEST(OlderGateway, HasNoTimeouts) {
  Cluster cluster{at_gateway_with("timeout: 10s")};
  const auto router = make_gateway_router("v1beta1");
  cluster.reconcile(*router);
  const Json written = cluster.get(router->kinds().front(), "podinfo");
  EXPECT_EQ(written["apiVersion"].str(), "gateway.networking.k8s.io/v1beta1");
  EXPECT_FALSE(written.get("spec", "rules").at(0).contains("timeouts"));
}

TEST(LinkerdRoute, IsAsLinkerdsOwn) {
  Cluster cluster;
  const auto router = make_linkerd_route_router();
  cluster.reconcile(*router);
  cluster.set(*router, {90, 10});
  const Json written = cluster.get(router->kinds().front(), "podinfo");
  EXPECT_EQ(written["apiVersion"].str(), "policy.linkerd.io/v1beta3");
  EXPECT_EQ(written["spec"], yaml(R"(
parentRefs:
- {group: core, kind: Service, name: podinfo, namespace: test, port: 9898}
rules:
- matches: [{path: {type: PathPrefix, value: /}}]
  backendRefs:
  - {name: podinfo-primary, port: 9898, weight: 90}
  - {name: podinfo-canary, port: 9898, weight: 10}
)"));
  EXPECT_EQ(cluster.read(*router), "90/10");
  EXPECT_EQ(cluster.reconcile(*router), Lines{});
}

TEST(GatewayProblems, AreRefusedBeforeAnythingChanges) {
  const struct {
    const char *service, *match, *problem;
    bool mirror = false, linkerd = false;
  } table[] = {
      {"{}", "[{uri: {suffix: .html}}]",
       "spec.analysis.match[0].uri.suffix: an HTTPRoute cannot match this way, use exact or prefix or regex"},
      {"{}", "[{headers: {x-a: {prefix: a}}}]",
       "spec.analysis.match[0].headers.x-a.prefix: an HTTPRoute cannot match this way, use exact or regex"},
      {"{}", "[{}]", "spec.analysis.match[0]: is empty and would send everybody to the canary, remove it"},
      {"{match: [{sourceLabels: {a: b}}]}", "[]",
       "spec.service.match[0].sourceLabels: an HTTPRoute cannot match on it, remove it"},
      {"{gatewayRefs: [{kind: Service, name: podinfo, namespace: other}]}", "[]",
       "spec.service.gatewayRefs[0].namespace: the backends of a route are looked for where its Service is, "
       "use test"},
      {"{gatewayRefs: [{kind: Service, name: podinfo}, {name: gateway}], hosts: [a.example.com]}", "[]",
       "spec.service.gatewayRefs[0]: a Service beside a Gateway would be bound to spec.service.hosts, remove "
       "one of "
       "them"},
      {"{gatewayRefs: [{kind: Gateway}]}", "[]", "spec.service.gatewayRefs[0].name: is required"},
      {"{gatewayRefs: [{name: gateway}]}", "[]",
       "spec.service.gatewayRefs[0].kind: HTTPRoutes of policy.linkerd.io attach to Services only; use "
       "Service, or "
       "install the Gateway API",
       false, true},
      {"{}", "[]",
       "spec.analysis.mirror: a mesh ignores an HTTPRoute of a Service that has this; remove it, or let "
       "spec.service.gatewayRefs name a Gateway",
       true},
      {"{rewrite: {uri: /}}", "[]",
       "spec.service.rewrite: a mesh ignores an HTTPRoute of a Service that has this; remove it, or let "
       "spec.service.gatewayRefs name a Gateway"},
      {"{timeout: soon}", "[]", "spec.service.timeout: time: invalid duration \"soon\""},
  };
  for (const auto& row : table) {
    canary::Spec spec = podinfo();
    spec.service.routing = yaml(row.service);
    spec.match = yaml(row.match);
    spec.mirror = row.mirror;
    const auto router = row.linkerd ? make_linkerd_route_router() : make_gateway_router("v1");
    EXPECT_EQ(router->problems(spec), Lines{row.problem}) << row.service << row.match;
  }
}

TEST(GatewayMetadata, IsTheApexs) {
  Cluster cluster;
  cluster.spec.service.apex = canary::CustomMetadata{{{"team", "a"}}, {{"note", "b"}}};
  const auto router = make_gateway_router("v1");
  cluster.reconcile(*router);
  const Json metadata = cluster.get(v1, "podinfo")["metadata"];
  EXPECT_EQ(metadata["labels"], yaml("{team: a, app: podinfo}"));
  EXPECT_EQ(metadata["annotations"], yaml("{note: b, helm.toolkit.fluxcd.io/driftDetection: disabled, "
                                          "kustomize.toolkit.fluxcd.io/reconcile: disabled}"));
}

}  // namespace
}  // namespace serin::routing
