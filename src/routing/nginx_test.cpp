#include "routing/nginx.h"

#include <fmt/format.h>

#include "routing/cluster_for_tests.h"
#include "routing/nginx_match.h"
#include "routing/smi.h"

namespace serin::routing {
namespace {

const kube::Resource& ingresses = kube::resources::ingresses;
constexpr std::string_view always_or_cookie =
    "[{headers: {x-canary: {exact: always}}}, {headers: {cookie: {exact: canary}}}]";

canary::Spec nginx_spec() {
  canary::Spec spec = podinfo();
  spec.ingress_name = "podinfo";
  return spec;
}

Json main_ingress() {
  return yaml(R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: podinfo
  namespace: test
  labels: {app: podinfo}
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: "{}"
    kubernetes.io/ingress.class: nginx
    nginx.ingress.kubernetes.io/proxy-body-size: 8m
    nginx.ingress.kubernetes.io/configuration-snippet: |
      proxy_set_header l5d-dst-override $service_name.$namespace.svc.cluster.local:9898;
    cert-manager.io/cluster-issuer: letsencrypt
spec:
  rules:
  - host: app.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: podinfo, port: {number: 9898}}}}
)");
}

/// The shadow of spec 05 §9.5 with these annotations of NGINX's canaries.
Json shadow_ingress(std::string_view canary_annotations) {
  Json shadow = yaml(R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  labels: {app: podinfo}
  annotations:
    helm.toolkit.fluxcd.io/driftDetection: disabled
    kustomize.toolkit.fluxcd.io/reconcile: disabled
    kubernetes.io/ingress.class: nginx
    nginx.ingress.kubernetes.io/proxy-body-size: 8m
    nginx.ingress.kubernetes.io/configuration-snippet: |
      proxy_set_header l5d-dst-override $service_name.$namespace.svc.cluster.local:9898;
spec:
  rules:
  - host: app.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: podinfo-canary, port: {number: 9898}}}}
)");
  add_members(shadow.set("metadata"), owned("podinfo-canary"));
  const Json annotations = yaml(canary_annotations);
  for (const Json::Member& member : annotations.members())
    shadow.set("metadata", "annotations", "nginx.ingress.kubernetes.io/" + member.key) = member.value;
  return shadow;
}

class Nginx : public testing::Test {
 protected:
  Nginx() { cluster.put(ingresses, main_ingress()); }
  Json shadow() const { return cluster.get(ingresses, "podinfo-canary"); }

  Cluster cluster{nginx_spec()};
  std::unique_ptr<Router> router = make_nginx_router("nginx.ingress.kubernetes.io");
};

TEST_F(Nginx, ShiftsByWeight) {
  EXPECT_EQ(cluster.read(*router), "none");
  EXPECT_EQ(cluster.reconcile(*router), Lines{"Ingress podinfo-canary.test created"});
  const Json before = shadow_ingress(R"({canary: "true", canary-weight: "0"})");
  EXPECT_EQ(shadow(), before);
  EXPECT_EQ(cluster.read(*router), "100/0");
  EXPECT_EQ(cluster.reconcile(*router), Lines{});

  EXPECT_EQ(cluster.set(*router, {90, 10}), Lines{""});
  EXPECT_EQ(shadow(), shadow_ingress(R"({canary: "true", canary-weight: "10"})"));
  EXPECT_EQ(cluster.read(*router), "90/10");
  EXPECT_EQ(cluster.reconcile(*router), Lines{});
  EXPECT_EQ(cluster.set(*router, {90, 10}), Lines{});

  EXPECT_EQ(cluster.set(*router, {100, 0}), Lines{""});
  EXPECT_EQ(shadow(), before);
  EXPECT_EQ(cluster.get(ingresses, "podinfo"), main_ingress());
}

TEST_F(Nginx, TestsAAgainstB) {
  cluster.spec.match = yaml(always_or_cookie);
  EXPECT_EQ(router->problems(cluster.spec), Lines{});
  cluster.reconcile(*router);
  const Json before = shadow_ingress(R"({canary: "true", canary-weight: "0"})");
  EXPECT_EQ(shadow(), before);
  EXPECT_EQ(cluster.read(*router), "100/0");

  cluster.set(*router, {0, 100});
  EXPECT_EQ(shadow(), shadow_ingress(R"({canary: "true", canary-weight: "0", canary-by-header: x-canary,
                                         canary-by-header-value: always, canary-by-cookie: canary})"));
  EXPECT_EQ(cluster.read(*router), "0/100");
  EXPECT_EQ(cluster.reconcile(*router), Lines{});

  cluster.set(*router, {100, 0});
  EXPECT_EQ(shadow(), before);
}

TEST_F(Nginx, LeavesNoConditionBehindThatWouldWinOverTheNewOne) {
  cluster.spec.match = yaml(always_or_cookie);
  cluster.reconcile(*router);
  cluster.set(*router, {0, 100});
  cluster.spec.match = yaml("[{headers: {x-canary: {regex: '.*insider.*'}}}]");
  EXPECT_EQ(cluster.reconcile(*router), Lines{"Ingress podinfo-canary updated"});
  EXPECT_EQ(shadow(), shadow_ingress(R"({canary: "true", canary-weight: "0", canary-by-header: x-canary,
                                         canary-by-header-pattern: .*insider.*})"));
  EXPECT_EQ(cluster.read(*router), "0/100");

  cluster.spec.match = {};
  EXPECT_EQ(cluster.read(*router), "100/0");
  cluster.reconcile(*router);
  EXPECT_EQ(shadow(), shadow_ingress(R"({canary: "true", canary-weight: "0"})"));
}

TEST_F(Nginx, TakesOverOnlyWhatLeadsToTheApex) {
  Json main = main_ingress();
  main.set("spec") = yaml(R"(
ingressClassName: nginx
tls: [{hosts: [app.example.com], secretName: app}]
defaultBackend: {service: {name: podinfo, port: {name: http}}}
rules:
- host: static.example.com
- host: docs.example.com
  http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: docs, port: {number: 80}}}}]}
- host: app.example.com
  http:
    paths:
    - {path: /api, pathType: Exact, backend: {service: {name: podinfo, port: {name: http}}}}
    - {path: /bucket, pathType: Prefix, backend: {resource: {kind: Bucket, name: static}}}
    - {path: /docs, pathType: Prefix, backend: {service: {name: docs, port: {number: 80}}}}
)");
  cluster.put(ingresses, main);
  cluster.reconcile(*router);
  EXPECT_EQ(shadow()["spec"], yaml(R"(
ingressClassName: nginx
tls: [{hosts: [app.example.com], secretName: app}]
defaultBackend: {service: {name: podinfo-canary, port: {name: http}}}
rules:
- host: app.example.com
  http: {paths: [{path: /api, pathType: Exact, backend: {service: {name: podinfo-canary, port: {name: http}}}}]}
)"));
  main.set("spec", "defaultBackend", "service", "name") = "errors";
  cluster.put(ingresses, main);
  cluster.reconcile(*router);
  EXPECT_FALSE(shadow()["spec"].contains("defaultBackend"));
}

TEST_F(Nginx, FollowsTheMainIngressAndKeepsWeights) {
  cluster.reconcile(*router);
  cluster.set(*router, {70, 30});
  Json main = main_ingress();
  main.set("metadata", "labels", "team") = "a";
  main.set("metadata", "annotations", "nginx.ingress.kubernetes.io/load-balance") = "ewma";
  main.set("spec", "rules").make_array()[0].set("host") = "new.example.com";
  cluster.put(ingresses, main);
  Json mine = shadow();
  mine.set("metadata", "annotations", "example.com/mine") = "x";
  cluster.put(ingresses, mine);

  EXPECT_EQ(cluster.reconcile(*router), Lines{"Ingress podinfo-canary updated"});
  EXPECT_EQ(cluster.read(*router), "70/30");
  EXPECT_EQ(shadow().get("spec", "rules").at(0)["host"].str(), "new.example.com");
  const Json annotations = shadow().get("metadata", "annotations");
  EXPECT_EQ(shadow().get("metadata", "labels"), yaml("{app: podinfo, team: a}"));
  EXPECT_EQ(annotations["example.com/mine"].str(), "x");
  EXPECT_EQ(annotations["nginx.ingress.kubernetes.io/load-balance"].str(), "ewma");
  EXPECT_EQ(cluster.reconcile(*router), Lines{});
}

TEST_F(Nginx, PutsRightWhatWasEditedByHand) {
  for (const char* edited : {R"({canary-weight: "10"})", R"({canary: "false", canary-weight: "10"})",
                             R"({canary: "true", canary-weight: "10", canary-weight-total: "200"})",
                             R"({canary: "true", canary-weight: "10", canary-by-cookie: stale})"}) {
    cluster.put(ingresses, shadow_ingress(edited));
    EXPECT_EQ(cluster.reconcile(*router), Lines{"Ingress podinfo-canary updated"}) << edited;
    EXPECT_EQ(shadow(), shadow_ingress(R"({canary: "true", canary-weight: "10"})")) << edited;
  }
  for (const char* weight : {"abc", "", "101", "-1", "10.5"}) {
    cluster.put(ingresses, shadow_ingress(fmt::format("{{canary: 'true', canary-weight: '{}'}}", weight)));
    EXPECT_EQ(cluster.read(*router),
              fmt::format(
                  "error: failed to convert {} to int: annotation nginx.ingress.kubernetes.io/canary-weight "
                  "of ingress podinfo-canary.test has to be a number from 0 to 100",
                  weight));
    EXPECT_EQ(cluster.reconcile(*router), Lines{"Ingress podinfo-canary updated"}) << weight;
    EXPECT_EQ(cluster.read(*router), "100/0");
  }
}

TEST_F(Nginx, NamesWhatIsMissingOrSomebodyElses) {
  EXPECT_EQ(cluster.set(*router, {90, 10}),
            Lines{"error: ingress podinfo-canary.test get query error: ingresses.networking.k8s.io "
                  "\"podinfo-canary\" not found"});
  EXPECT_EQ(cluster.set(*router, {0, 0}),
            Lines{"error: Routes of podinfo.test cannot be 0/0: weights go from 0 to 100 and add up to 100"});

  Json stranger = shadow_ingress("{}");
  stranger.set("metadata").erase("ownerReferences");
  cluster.put(ingresses, stranger);
  EXPECT_EQ(cluster.reconcile(*router),
            Lines{"error: ingress podinfo-canary.test: it is not this Canary's: delete "
                  "it, or give it another name"});
  stranger.set("metadata", "ownerReferences") = yaml("[{kind: App, name: shop, uid: u7, controller: true}]");
  cluster.put(ingresses, stranger);
  EXPECT_EQ(
      cluster.reconcile(*router),
      Lines{"error: ingress podinfo-canary.test: App shop controls it: delete it, or give spec.service.name "
            "another value"});
  cluster.remove(ingresses, "podinfo-canary");

  Json main = main_ingress();
  main.set("spec", "rules").make_array()[0].set("http", "paths") =
      yaml("[{path: /, pathType: Prefix, backend: {service: {name: other, port: {number: 80}}}}]");
  cluster.put(ingresses, main);
  EXPECT_EQ(cluster.reconcile(*router), Lines{"error: backend podinfo not found in ingress podinfo.test"});
  main = main_ingress();
  main.set("spec") = "nonsense";
  cluster.put(ingresses, main);
  EXPECT_EQ(cluster.reconcile(*router), Lines{"error: backend podinfo not found in ingress podinfo.test"});

  cluster.remove(ingresses, "podinfo");
  EXPECT_EQ(
      cluster.reconcile(*router),
      Lines{
          "error: ingress podinfo.test get query error: ingresses.networking.k8s.io \"podinfo\" not found"});
  cluster.spec.ingress_name.clear();
  const std::string no_selector =
      "ingress selector is empty: set spec.ingressRef.name to the Ingress that leads to the service";
  EXPECT_EQ(cluster.reconcile(*router), Lines{"error: " + no_selector});
  EXPECT_EQ(router->problems(cluster.spec), Lines{no_selector});
}

TEST_F(Nginx, DoesNotWorkAgainstATrafficSplit) {
  Cluster meshed{podinfo()};
  const auto mesh = make_smi_router("v1alpha1");
  meshed.reconcile(*mesh);
  meshed.set(*mesh, {90, 10});
  cluster.put(split_resources().front(), meshed.get(split_resources().front(), "podinfo"));
  EXPECT_EQ(
      cluster.reconcile(*router),
      Lines{"error: TrafficSplit podinfo.test also divides the traffic that the ingress sends to Service "
            "podinfo: delete it (kubectl -n test delete trafficsplit podinfo)"});
  meshed.set(*mesh, {100, 0});
  cluster.put(split_resources().front(), meshed.get(split_resources().front(), "podinfo"));
  EXPECT_EQ(cluster.reconcile(*router), Lines{"Ingress podinfo-canary.test created"});
}

TEST(NginxPrefix, IsTheFlags) {
  Cluster cluster{nginx_spec()};
  cluster.put(ingresses, main_ingress());
  const auto router = make_nginx_router("custom.ingress.example");
  cluster.reconcile(*router);
  cluster.set(*router, {90, 10});
  EXPECT_EQ(cluster.get(ingresses, "podinfo-canary")
                .get("metadata", "annotations", "custom.ingress.example/canary-weight")
                .str(),
            "10");
}

TEST(NginxMatches, RefuseWhatNginxCannotExpress) {
  const struct {
    const char *match, *problem;
  } table[] = {
      {"[{headers: {Cookie: {exact: canary}}}]", ""},
      {"[{headers: {x-a: {regex: '^(a|b)=1$'}}}]", ""},
      {"[{}]", "spec.analysis.match[0]: is empty and would send everybody to the canary, remove it"},
      {"{}", "spec.analysis.match: has to be a list"},
      {"[always]", "spec.analysis.match[0]: has to be an object"},
      {"[{headers: {x-a: {}}}]",
       "spec.analysis.match[0].headers.x-a: needs one of exact, prefix, suffix and regex, with a text"},
      {"[{headers: {x-a: {exact: a, regex: b}}}]",
       "spec.analysis.match[0].headers.x-a: needs one of exact, prefix, suffix and regex, with a text"},
      {"[{headers: {x-a: {prefix: a}}}]",
       "spec.analysis.match[0].headers.x-a.prefix: NGINX cannot match this way, use exact or regex"},
      {"[{uri: {prefix: /a}}]", "spec.analysis.match[0].uri: NGINX cannot match on it, remove it"},
      {"[{sourceLabels: {a: b}}]",
       "spec.analysis.match[0].sourceLabels: NGINX cannot match on it, remove it"},
      {"[{headers: {cookie: {regex: a}}}]",
       "spec.analysis.match[0].headers.cookie: NGINX cannot match cookies by regex, use exact with the "
       "cookie's "
       "name"},
      {"[{headers: {x-a: {exact: a}, cookie: {exact: b}}}]",
       "spec.analysis.match[0]: NGINX cannot ask for several conditions at once, make each an item of its "
       "own "
       "(either of them will do then)"},
      {"[{headers: {x-a: {exact: a}}}, {headers: {x-b: {exact: a}}}]",
       "spec.analysis.match[1].headers.x-b: NGINX takes one header and one cookie only, and there is \"x-a\" "
       "already: remove one, or use a regex"},
      {"[{headers: {x-a: {exact: a}}}, {headers: {x-a: {exact: b}}}]",
       "spec.analysis.match[1].headers.x-a: NGINX takes one header and one cookie only, and there is \"a\" "
       "already: "
       "remove one, or use a regex"},
      {"[{headers: {x-a: {exact: a}}}, {headers: {x-a: {regex: b}}}]",
       "spec.analysis.match[1].headers.x-a: NGINX matches a header by value or by pattern, remove one"},
      {"[{headers: {x-a: {exact: 'a b'}}}]",
       "spec.analysis.match[0].headers.x-a: NGINX refuses \"a b\", use letters, digits and any of .-_~/:"},
      {"[{headers: {x-a: {regex: '^a;b'}}}]",
       "spec.analysis.match[0].headers.x-a: NGINX refuses \"^a;b\", use letters, digits and any of "
       ".-_~/:^$[](){}*+?|&=\\"},
  };
  for (const auto& row : table) {
    canary::Spec spec = nginx_spec();
    spec.match = yaml(row.match);
    EXPECT_EQ(nginx_match(spec).problems, *row.problem ? Lines{row.problem} : Lines{}) << row.match;
  }
}

}  // namespace
}  // namespace serin::routing
