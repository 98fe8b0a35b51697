#include "local/ingress/ingress_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "local/ingress/cluster_for_tests.h"

namespace serin::local {
namespace {

using testing::cluster_of;
using ::testing::ElementsAre;
using testing::endpoints_yaml;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::nginx;
using testing::OneRule;
using testing::service_yaml;

constexpr const char* nginx_class = R"(
---
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
)";

/// podinfo, its canary and another Service, all with endpoints.
std::string services() {
  return nginx_class + service_yaml("podinfo", "10.96.0.1", 9898) + endpoints_yaml("podinfo") +
         service_yaml("podinfo-canary", "10.96.0.2", 9898) + endpoints_yaml("podinfo-canary") +
         service_yaml("other", "10.96.0.3", 80) + endpoints_yaml("other");
}

OneRule main_ingress() {
  return {.name = "podinfo", .host = "app.example.com", .service = "podinfo"};
}

OneRule canary_ingress() {
  return {.name = "podinfo-canary",
          .host = "app.example.com",
          .service = "podinfo-canary",
          .annotations = nginx("canary", "true") + ", " + nginx("canary-weight", "10")};
}

IngressPlan plan_of(const std::string& yaml) {
  return plan_ingress(cluster_of(yaml));
}

/// "app.example.com/ -> test.podinfo.9898 | test.podinfo-canary.9898", one a location.
std::vector<std::string> routes(const IngressPlan& plan) {
  std::vector<std::string> lines;
  for (const VirtualServer& server : plan.servers) {
    for (const Location& each : server.locations) {
      lines.push_back(server.host + each.path + " -> " + each.upstream);
      if (each.alternative) lines.back() += " | " + each.alternative->upstream;
      if (!each.override.empty()) lines.back() += " by " + each.override;
      if (each.closed) lines.back() += " closed";
    }
  }
  return lines;
}

std::vector<std::string> notes(const IngressPlan& plan) {
  std::vector<std::string> lines;
  for (const Note& each : plan.notes) lines.push_back(each.ingress.name + ": " + each.text);
  return lines;
}

constexpr const char* main_alone = "app.example.com/ -> test.podinfo.9898";
constexpr const char* with_canary = "app.example.com/ -> test.podinfo.9898 | test.podinfo-canary.9898";

// --- Who is main, and which canary attaches (spec 07 §7.1, §7.4)

TEST(IngressPlan, ACanaryAttachesToTheSameHostPathAndType) {
  struct Case {
    std::string name;
    OneRule canary;
    bool attaches;
  };
  std::vector<Case> cases(5, {"same", canary_ingress(), true});
  cases[1].name = "older than main", cases[1].canary.created = "2020-01-01T00:00:00Z";
  cases[2].name = "other host", cases[2].canary.host = "www.example.com", cases[2].attaches = false;
  cases[3].name = "other path", cases[3].canary.path = "/api", cases[3].attaches = false;
  cases[4].name = "other type", cases[4].canary.type = "Exact", cases[4].attaches = false;
  for (const Case& each : cases) {
    const IngressPlan plan = plan_of(services() + main_ingress().yaml() + each.canary.yaml());
    EXPECT_THAT(routes(plan), ElementsAre(each.attaches ? with_canary : main_alone)) << each.name;
    if (each.attaches) {
      EXPECT_THAT(notes(plan), IsEmpty()) << each.name;
    } else {
      EXPECT_THAT(notes(plan), ElementsAre(HasSubstr("podinfo-canary: no other Ingress has host")))
          << each.name;
    }
  }
}

TEST(IngressPlan, ACanaryAloneServesNothing) {
  const IngressPlan plan = plan_of(services() + canary_ingress().yaml());
  EXPECT_THAT(routes(plan), IsEmpty());
  EXPECT_EQ(plan.notes.size(), 1U);
}

TEST(IngressPlan, TheFirstCanaryIsHonoured) {
  OneRule late = canary_ingress(), early = canary_ingress();
  early.name = "z-early", early.service = "other", early.created = "2025-01-01T00:00:00Z";
  const IngressPlan plan = plan_of(services() + main_ingress().yaml() + late.yaml() + early.yaml());
  EXPECT_THAT(routes(plan), ElementsAre("app.example.com/ -> test.podinfo.9898 | test.other.80"));
  EXPECT_THAT(notes(plan), ElementsAre("podinfo-canary: host \"app.example.com\" and path \"/\" has a canary "
                                       "already: ingress test/z-early"));
}

TEST(IngressPlan, ACanaryOfTheMainServiceIsNone) {
  OneRule same = canary_ingress();
  same.service = "podinfo";
  const IngressPlan plan = plan_of(services() + main_ingress().yaml() + same.yaml());
  EXPECT_THAT(routes(plan), ElementsAre(main_alone));
  EXPECT_THAT(notes(plan), IsEmpty());
}

TEST(IngressPlan, TheOldestMainKeepsItsPath) {
  OneRule late = main_ingress();
  late.name = "a-late", late.service = "other", late.created = "2026-02-01T00:00:00Z";
  const IngressPlan plan = plan_of(services() + late.yaml() + main_ingress().yaml());
  EXPECT_THAT(routes(plan), ElementsAre(main_alone));
  EXPECT_THAT(notes(plan),
              ElementsAre("a-late: host \"app.example.com\" and path \"/\" is already defined in "
                          "ingress test/podinfo"));
}

TEST(IngressPlan, TheEmptyHostIsForAllOthers) {
  OneRule main = main_ingress(), canary = canary_ingress();
  main.host = canary.host = "";
  const IngressPlan plan = plan_of(services() + main.yaml() + canary.yaml());
  EXPECT_THAT(routes(plan), ElementsAre("/ -> test.podinfo.9898 | test.podinfo-canary.9898"));
}

TEST(IngressPlan, WhatIsBeingDeletedServesNothing) {
  std::string yaml = main_ingress().yaml();
  yaml.replace(yaml.find("metadata: {"), 11, "metadata: {deletionTimestamp: \"2026-01-02T00:00:00Z\", ");
  EXPECT_THAT(routes(plan_of(services() + yaml)), IsEmpty());
}

// --- Annotations

TEST(IngressPlan, ReadsTrueAsGoDoes) {
  for (const char* text : {"1", "t", "T", "true", "TRUE", "True"}) {
    OneRule canary = canary_ingress();
    canary.annotations = nginx("canary", text);
    EXPECT_THAT(routes(plan_of(services() + main_ingress().yaml() + canary.yaml())), ElementsAre(with_canary))
        << text;
  }
  for (const char* text : {"", "0", "false", "tRUE", "yes", "on", " true"}) {
    OneRule canary = canary_ingress();
    canary.annotations = nginx("canary", text);
    canary.path = "/other";
    EXPECT_EQ(routes(plan_of(services() + main_ingress().yaml() + canary.yaml())).size(), 2U)
        << "a main one of its own: '" << text << "'";
  }
}

CanaryRules rules_of(const std::string& annotations) {
  return canary_rules(
      *cluster_of(OneRule{.name = "i", .host = "h", .service = "s", .annotations = annotations}.yaml())
           .ingresses.at(0));
}

TEST(CanaryRules, WeightsThatAreNoneCountAsUnset) {
  struct Case {
    const char *weight, *total;
    int expected_weight, expected_total;
  };
  const Case cases[] = {
      {"10", "", 10, 100},   {"0", "", 0, 100},       {"100", "200", 100, 200}, {"30", "50", 30, 100},
      {"-5", "", 0, 100},    {"ten", "", 0, 100},     {"10%", "", 0, 100},      {"1.5", "", 0, 100},
      {" 10", "x", 0, 100},  {"10", "-200", 10, 100}, {"", "1000", 0, 1000},    {"99999999999", "", 0, 100},
      {"150", "", 150, 100},
  };
  for (const Case& each : cases) {
    const CanaryRules rules =
        rules_of(nginx("canary-weight", each.weight) + ", " + nginx("canary-weight-total", each.total));
    EXPECT_EQ(rules.weight, each.expected_weight) << each.weight;
    EXPECT_EQ(rules.total, each.expected_total) << each.total;
  }
}

TEST(CanaryRules, TextsWithOtherCharactersCountAsUnset) {
  struct Case {
    const char *annotation, *text;
    bool kept;
  };
  const Case cases[] = {
      {"canary-by-header", "X-Canary", true},
      {"canary-by-header", "X Canary", false},
      {"canary-by-header", "X-Canary;", false},
      {"canary-by-header-value", "a.b-c_d~e/f:g", true},
      {"canary-by-header-value", "in sider", false},
      {"canary-by-header-value", "$host", false},
      {"canary-by-header-pattern", "^(in|out)[a-z]{2,}?$", false},
      {"canary-by-header-pattern", "^(in|out)[a-z]+.*?\\d$", true},
      {"canary-by-header-pattern", "a;b", false},
      {"canary-by-cookie", "canary", true},
      {"canary-by-cookie", "canary=always", false},
  };
  for (const Case& each : cases) {
    const CanaryRules rules = rules_of(nginx(each.annotation, each.text));
    const std::string all = rules.header + rules.header_value + rules.header_pattern + rules.cookie;
    EXPECT_EQ(all, each.kept ? each.text : "") << each.annotation;
  }
}

TEST(IngressPlan, TellsOfRulesWithoutCanary) {
  OneRule main = main_ingress();
  main.annotations = nginx("canary-weight", "10");
  const IngressPlan plan = plan_of(services() + main.yaml());
  EXPECT_THAT(routes(plan), ElementsAre(main_alone));
  EXPECT_THAT(notes(plan), ElementsAre(HasSubstr("has rules for a canary, but not")));
}

TEST(IngressPlan, SettingsThatAreNoneKeepTheirDefault) {
  OneRule main = main_ingress();
  main.annotations = nginx("proxy-read-timeout", "5m") + ", " + nginx("proxy-body-size", "8; deny all");
  const IngressPlan plan = plan_of(services() + main.yaml());
  EXPECT_EQ(plan.servers.at(0).locations.at(0).read_timeout, "5m");
  EXPECT_EQ(plan.servers.at(0).locations.at(0).body_size, "1m");
  EXPECT_THAT(notes(plan), ElementsAre(HasSubstr("\"8; deny all\" is not understood, 1m applies")));
}

TEST(NginxQuantities, AreNumbersWithOneUnit) {
  for (const char* good : {"0", "60", "90s", "5m", "1h"}) EXPECT_EQ(nginx_time(good), good);
  for (const char* bad : {"", "s", "5d", "5ms", "-1", "1.5s", "1 s", "1234567890"}) {
    EXPECT_EQ(nginx_time(bad), std::nullopt) << bad;
  }
  for (const char* good : {"0", "8m", "64K", "1g"}) EXPECT_EQ(nginx_size(good), good);
  for (const char* bad : {"", "8mb", "8s", "m"}) EXPECT_EQ(nginx_size(bad), std::nullopt) << bad;
}

// --- Whose Ingresses are ours

TEST(IngressPlan, TakesItsOwnClassOrNone) {
  struct Case {
    const char *annotation, *name;
    bool ours;
  };
  const Case cases[] = {
      {"", "", true},      {"", "nginx", true},    {"", "traefik", false},     {"", "unknown", false},
      {"nginx", "", true}, {"traefik", "", false}, {"nginx", "traefik", true}, {"traefik", "nginx", false}};
  for (const Case& each : cases) {
    OneRule main = main_ingress();
    if (*each.annotation) main.annotations = fmt::format("kubernetes.io/ingress.class: {}", each.annotation);
    std::string yaml = main.yaml();
    if (*each.name)
      yaml.replace(yaml.find("spec:"), 5, fmt::format("spec:\n  ingressClassName: {}", each.name));
    constexpr const char* foreign =
        "\n---\nkind: IngressClass\nmetadata: {name: traefik}\nspec: {controller: traefik.io/x}\n";
    const IngressPlan plan = plan_of(services() + foreign + yaml);
    EXPECT_EQ(plan.accepted.size(), each.ours ? 1U : 0U) << each.annotation << "," << each.name;
    EXPECT_EQ(plan.servers.size(), each.ours ? 1U : 0U) << each.annotation << "," << each.name;
  }
}

// --- Backends

TEST(IngressPlan, TheDefaultBackendGetsTheRest) {
  const std::string only_default = R"(
---
kind: Ingress
metadata: {name: rest, namespace: test}
spec: {defaultBackend: {service: {name: other, port: {number: 80}}}}
)";
  OneRule api = main_ingress();
  api.path = "/api";
  EXPECT_THAT(routes(plan_of(services() + api.yaml() + only_default)),
              ElementsAre("/ -> test.other.80", "app.example.com/api -> test.podinfo.9898"));

  std::string with_rules = api.yaml();
  with_rules.replace(with_rules.find("spec:"), 5,
                     "spec:\n  defaultBackend: {service: {name: other, port: {name: http}}}");
  EXPECT_THAT(routes(plan_of(services() + with_rules)),
              ElementsAre("app.example.com/api -> test.podinfo.9898", "app.example.com/ -> test.other.80"));
}

TEST(IngressPlan, TellsWhichServiceOrPortIsMissing) {
  OneRule nobody = main_ingress();
  nobody.service = "nobody";
  IngressPlan plan = plan_of(services() + nobody.yaml());
  EXPECT_THAT(notes(plan), ElementsAre("podinfo: there is no Service nobody: requests to it get 503"));
  EXPECT_THAT(plan.upstreams.at("test.nobody").targets, IsEmpty());

  std::string no_port = main_ingress().yaml();
  no_port.replace(no_port.find("port: {name: http}"), 18, "port: {number: 81}");
  plan = plan_of(services() + no_port);
  EXPECT_THAT(notes(plan), ElementsAre("podinfo: Service podinfo has no such port: requests to it get 503"));
}

TEST(IngressPlan, OnlyAServiceWithSomebodyBehindItHasTargets) {
  const std::string service =
      nginx_class + service_yaml("podinfo", "10.96.0.1", 9898) + main_ingress().yaml();
  const auto targets = [](const std::string& yaml) {
    return plan_of(yaml).upstreams.at("test.podinfo.9898").targets;
  };
  EXPECT_THAT(targets(service), IsEmpty());
  EXPECT_THAT(targets(service + endpoints_yaml("podinfo")), ElementsAre("10.96.0.1:9898"));
  std::string unready = endpoints_yaml("podinfo");
  unready.replace(unready.find("ready: true"), 11, "ready: false");
  EXPECT_THAT(targets(service + unready), IsEmpty());
}

TEST(IngressPlan, NamesUpstreamsAsIngressNginxDoes) {
  const IngressPlan plan = plan_of(services() + main_ingress().yaml());
  EXPECT_EQ(plan.upstreams.at("test.podinfo.9898").label, "test-podinfo-http");
}

// --- l5d-dst-override (spec 07 §5)

constexpr const char* meshed_class = R"(
---
kind: IngressClass
metadata: {name: meshed, annotations: {linkerd.io/inject: ingress}}
spec: {controller: k8s.io/ingress-nginx}
)";

OneRule asking_for(const std::string& authority) {
  OneRule main = main_ingress();
  main.annotations =
      nginx("configuration-snippet", "proxy_set_header l5d-dst-override " + authority + "; gzip off;");
  return main;
}

TEST(IngressPlan, ItsOverrideIsAnOrdinaryHeaderOutsideTheMesh) {
  const IngressPlan plan = plan_of(services() + asking_for("other.test.svc.cluster.local:80").yaml());
  EXPECT_THAT(routes(plan), ElementsAre(main_alone));
  EXPECT_THAT(plan.servers.at(0).locations.at(0).snippet, HasSubstr("l5d-dst-override"));
}

TEST(IngressPlan, AMeshedClassAsksForWhatTheOverrideNames) {
  struct Case {
    const char *authority, *route;
  };
  const Case cases[] = {
      {"$service_name.$namespace.svc.cluster.local:9898",
       "app.example.com/ -> test.podinfo.9898 by test.podinfo.9898"},
      {"$service_name.$namespace.svc.cluster.local:$service_port",
       "app.example.com/ -> test.podinfo.9898 by test.podinfo.9898"},
      {"\"podinfo-canary.test.svc.cluster.local:9898\"",
       "app.example.com/ -> test.podinfo.9898 by test.podinfo-canary.9898"},
      {"other.test.svc.cluster.local", "app.example.com/ -> test.podinfo.9898 by test.other.80"},
      {"nobody.test.svc.cluster.local:80", "app.example.com/ -> test.podinfo.9898 closed"},
      {"$http_host", main_alone},
  };
  for (const Case& each : cases) {
    const IngressPlan plan = plan_of(services() + meshed_class + asking_for(each.authority).yaml());
    EXPECT_THAT(routes(plan), ElementsAre(each.route)) << each.authority;
    const std::string& snippet = plan.servers.at(0).locations.at(0).snippet;
    EXPECT_THAT(snippet, HasSubstr("gzip off;"));
    EXPECT_EQ(snippet.find("l5d-dst-override"), std::string::npos) << "never forwarded";
  }
}

// --- Texts that NGINX reads

TEST(IngressPlan, LeavesOutWhatIsRefused) {
  OneRule main = main_ingress(), canary = canary_ingress(), other = main_ingress();
  main.annotations = nginx("configuration-snippet", "no_such_directive;");
  canary.annotations = nginx("canary", "true") + ", " + nginx("canary-by-header", "x-user") + ", " +
                       nginx("canary-by-header-pattern", "(in");
  other.name = "other", other.host = "other.example.com", other.service = "other";
  IngressPlan plan = plan_of(services() + main.yaml() + canary.yaml() + other.yaml());
  const kube::ObjectRef main_ref{"test", "podinfo"}, canary_ref{"test", "podinfo-canary"};
  EXPECT_THAT(unread_texts(plan), ElementsAre(main_ref, canary_ref));

  IngressPlan kept = plan;
  leave_out(kept, main_ref, "gzip off;");
  EXPECT_EQ(kept.servers.at(0).locations.at(0).snippet, "gzip off;");
  EXPECT_THAT(routes(kept), ElementsAre(with_canary, "other.example.com/ -> test.other.80"));

  leave_out(plan, main_ref, std::nullopt);
  leave_out(plan, canary_ref, std::nullopt);
  EXPECT_EQ(plan.servers.at(0).locations.at(0).snippet, "");
  EXPECT_TRUE(plan.servers.at(0).locations.at(0).alternative->rules.pattern_broken);
  EXPECT_THAT(routes(plan),
              ElementsAre(std::string(with_canary) + " closed", "other.example.com/ -> test.other.80"));
}

}  // namespace
}  // namespace serin::local
