// The worked examples of spec 07 §6.4, and what §6.3 says of backends: each as the decision on one request.
#include "local/mesh/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/yaml.h"

namespace serin::local::mesh {
namespace {

using testing::HasSubstr;

constexpr std::uint16_t port = 9898, other_port = 9797;

/// podinfo (whose own endpoints are the primary's), podinfo-primary and podinfo-canary.
class RoutesTest : public testing::Test {
 protected:
  RoutesTest() {
    const MeshEndpoint canary{"127.0.0.2", port, {}, true}, primary{"127.0.0.3", port, {}, true};
    snapshot_.services = {
        {.ns = "test",
         .name = "podinfo",
         .cluster_ip = "127.0.0.1",
         .ports = {{"http", port, false, {primary}}, {"admin", other_port, false, {primary}}},
         .split = {},
         .routes = {}},
        {"test", "podinfo-canary", "", {{"http", port, false, {canary}}}, {}, {}},
        {"test", "podinfo-primary", "", {{"http", port, false, {primary}}}, {}, {}}};
  }

  void attach(const char* spec) {
    snapshot_.services[0].routes = {{.name = "podinfo.test",
                                     .client_ns = "",
                                     .port = port,
                                     .spec = base::parse_yaml(spec).value().at(0)}};
  }

  struct Request {
    std::string_view service = "podinfo", target = "/", host = "podinfo.test:9898";
    HeadFields fields = {};
    std::uint16_t port = mesh::port;
  };
  Pick pick(const Request& request) {
    if (const auto read = snapshot_from_json(to_json(snapshot_)); read) {
      routes_.apply(*read);
    } else {
      ADD_FAILURE() << read.error().message;
    }
    const RequestView view{"GET", request.target, request.host, request.fields, "test"};
    return routes_.pick(ServiceName{"test", std::string(request.service), request.port}, &view);
  }
  /// "P", "C", or the status of an answer without an endpoint.
  std::string decide(const Request& request) {
    const Pick picked = pick(request);
    if (!picked.endpoint) return std::to_string(picked.status);
    return picked.endpoint->address.address().to_string() == "127.0.0.2" ? "C" : "P";
  }
  /// How many of 2000 requests go to the canary.
  int canary_share(const Request& request) {
    (void)pick(request);
    const RequestView view{"GET", request.target, request.host, request.fields, "test"};
    int canary = 0;
    for (int i = 0; i < 2000; ++i) {
      const Pick picked = routes_.pick(ServiceName{"test", "podinfo", request.port}, &view);
      canary += picked.endpoint && picked.endpoint->address.address().to_string() == "127.0.0.2";
    }
    return canary;
  }

  MeshSnapshot snapshot_;
  base::Random random_{7};
  Registry registry_;
  Routes routes_{registry_, random_};
};

constexpr const char* weighted = R"(
rules:
- matches: [{path: {type: PathPrefix, value: /}}]
  backendRefs: [{name: podinfo-primary, port: 9898, weight: 90}, {name: podinfo-canary, port: 9898, weight: 10}]
)";
constexpr const char* ab = R"(
rules:
- matches: [{path: {value: /}, headers: [{type: Exact, name: x-canary, value: insider}]}]
  backendRefs: [{name: podinfo-primary, port: 9898, weight: 0}, {name: podinfo-canary, port: 9898, weight: 100}]
- matches: [{path: {value: /}}]
  backendRefs: [{name: podinfo-primary, port: 9898, weight: 100}]
)";
constexpr const char* sticky = R"(
rules:
- matches: [{headers: [{type: RegularExpression, name: Cookie, value: .*flagger-cookie.*XlgLKGYAJS.*}]}]
  backendRefs: [{name: podinfo-primary, port: 9898, weight: 0}, {name: podinfo-canary, port: 9898, weight: 100}]
- matches: [{path: {value: /}}]
  backendRefs:
  - {name: podinfo-primary, port: 9898, weight: 90}
  - name: podinfo-canary
    port: 9898
    weight: 10
    filters:
    - type: ResponseHeaderModifier
      responseHeaderModifier: {add: [{name: Set-Cookie, value: flagger-cookie=XlgLKGYAJS; Max-Age=21600}]}
)";

TEST_F(RoutesTest, WeighEveryRequest) {
  attach(weighted);
  const double deviation = 3 * std::sqrt(2000 * 0.1 * 0.9);
  EXPECT_NEAR(canary_share({}), 200, deviation);
  EXPECT_EQ(decide({.service = "podinfo-canary"}), "C") << "no route on that Service";
  for (int i = 0; i < 50; ++i) ASSERT_EQ(decide({.port = other_port}), "P") << "the route's port is another";
}

TEST_F(RoutesTest, TellInsidersByTheirHeader) {
  attach(ab);
  EXPECT_EQ(decide({.fields = {{"x-canary", "insider"}}}), "C");
  EXPECT_EQ(decide({.fields = {{"X-Canary", "Insider"}}}), "P");
  EXPECT_EQ(decide({}), "P");
}

TEST_F(RoutesTest, RefuseWhatNoRuleMatches) {
  attach("rules: [{matches: [{path: {value: /api}}]}]");
  EXPECT_EQ(decide({.target = "/other"}), "404");
  EXPECT_EQ(decide({.target = "/api/x"}), "P") << "no backends: the Service itself";
  attach("{hostnames: [www.example.com], rules: [{}]}");
  EXPECT_EQ(decide({}), "404");
  EXPECT_EQ(decide({.host = "www.example.com"}), "P");
}

TEST_F(RoutesTest, KeepSessionsWhereTheyAre) {
  attach(sticky);
  for (const char* cookie : {"flagger-cookie=XlgLKGYAJS", "a=1; flagger-cookie=XlgLKGYAJS"}) {
    for (int i = 0; i < 20; ++i) ASSERT_EQ(decide({.fields = {{"Cookie", cookie}}}), "C") << cookie;
  }
  EXPECT_NEAR(canary_share({.fields = {{"Cookie", "flagger-cookie=other"}}}), 200, 41);
  const Pick kept = pick({.fields = {{"Cookie", "flagger-cookie=XlgLKGYAJS"}}});
  EXPECT_TRUE(kept.effects->response.empty());
  Pick fresh = pick({});
  while (fresh.endpoint->address.address().to_string() != "127.0.0.2") fresh = pick({});
  EXPECT_EQ(fresh.effects->response.at(0).add.at(0).second, "flagger-cookie=XlgLKGYAJS; Max-Age=21600");
}

TEST_F(RoutesTest, GiveWayToASplit) {
  attach(ab);
  snapshot_.services[0].split = {{"podinfo-canary", 0}, {"podinfo-primary", 100000}};
  EXPECT_EQ(decide({.fields = {{"x-canary", "insider"}}}), "P");
  snapshot_.services[0].split = {{"podinfo-canary", 0}, {"podinfo-primary", 0}};
  EXPECT_EQ(decide({.fields = {{"x-canary", "insider"}}}), "C") << "a split without weights is none";
}

TEST_F(RoutesTest, DoNotConcernOtherProtocols) {
  attach("rules: [{matches: [{path: {value: /nowhere}}]}]");
  (void)pick({});
  EXPECT_TRUE(routes_.pick(ServiceName{"test", "podinfo", port}).endpoint);
}

TEST_F(RoutesTest, AnswerForBackendsThatAreNotThere) {
  const struct {
    const char* backends;
    const char* decision;
    const char* error;
  } cases[] = {
      {"[{name: gone, port: 9898}]", "500", "Service not found gone"},
      {"[{name: podinfo-canary}]", "500", "missing port for backend Service podinfo-canary"},
      {"[{name: podinfo-canary, port: 1}]", "503", "no backend of the route of podinfo"},
      {"[{name: podinfo-canary, port: 9898, weight: 0}]", "C", ""},
      {"[{name: podinfo-canary, port: 9898, weight: 0}, {name: podinfo, port: 9898, weight: 0}]", "503", ""},
      {"[{name: podinfo-canary, port: 9898, weight: 0}, {name: podinfo, port: 9898, weight: 1}]", "P", ""},
      {"[{name: podinfo-canary, namespace: far, port: 9898}]", "500", "Service not found podinfo-canary"},
  };
  for (const auto& each : cases) {
    attach((std::string("rules: [{backendRefs: ") + each.backends + "}]").c_str());
    EXPECT_EQ(decide({}), each.decision) << each.backends;
    EXPECT_THAT(pick({}).error, HasSubstr(each.error));
  }
}

TEST_F(RoutesTest, LeaveTheShareOfUnreadyBackendsToTheOthers) {
  attach(weighted);
  snapshot_.services[2].ports[0].endpoints[0].ready = false;
  EXPECT_EQ(canary_share({}), 2000);
  snapshot_.services[1].ports[0].endpoints.clear();
  EXPECT_EQ(decide({}), "503");
}

TEST_F(RoutesTest, Redirect) {
  attach(R"(
rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: example.com, statusCode: 301}}]}]
)");
  const Pick picked = pick({.target = "/x?y"});
  EXPECT_FALSE(picked.endpoint);
  EXPECT_EQ(picked.status, 301);
  EXPECT_EQ(picked.location, "http://example.com:9898/x?y");
}

}  // namespace
}  // namespace serin::local::mesh
