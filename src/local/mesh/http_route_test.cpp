#include "local/mesh/http_route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/yaml.h"

namespace serin::local::mesh {
namespace {

using base::Json;
using testing::HasSubstr;

HttpRoute route(const char* yaml) {
  auto compiled = compile_route(base::parse_yaml(yaml).value().at(0));
  EXPECT_TRUE(compiled) << compiled.error().message;
  return compiled.value_or(HttpRoute());
}

struct Request {
  std::string_view method = "GET", target = "/", host = "podinfo.test:9898";
  HeadFields fields = {};
  std::string_view client_ns = "test";

  [[nodiscard]] RequestView view() const { return {method, target, host, fields, client_ns}; }
};

/// The index of the rule that serves the request; -1: none.
int rule_for(const std::vector<HttpRoute>& routes, const Request& request) {
  const Matched matched = best_rule(routes, request.view());
  int index = 0;
  for (const HttpRoute& each : routes) {
    for (const RouteRule& rule : each.rules) {
      if (&rule == matched.rule) return index;
      ++index;
    }
  }
  return -1;
}

bool matches(const char* match, const Request& request) {
  const auto compiled = RouteMatch::make(base::parse_yaml(match).value().at(0));
  EXPECT_TRUE(compiled) << match;
  return compiled && compiled->match(request.view()).has_value();
}

TEST(RouteMatch, HoldsEveryConditionOfTheTable) {
  const struct {
    const char* match;
    Request request;
    bool expected;
  } cases[] = {
      {"{path: {type: Exact, value: /a}}", {.target = "/a?x=1"}, true},
      {"{path: {type: Exact, value: /a}}", {.target = "/A"}, false},
      {"{path: {type: Exact, value: /a}}", {.target = "/a/"}, false},
      {"{path: {type: PathPrefix, value: /}}", {.target = "/anything"}, true},
      {"{path: {type: PathPrefix, value: /}}", {.target = "http://podinfo.test?x"}, true},
      {"{path: {type: PathPrefix, value: /api/}}", {.target = "/api"}, true},
      {"{path: {type: PathPrefix, value: /api}}", {.target = "/api/v1"}, true},
      {"{path: {type: PathPrefix, value: /api}}", {.target = "/apiary"}, false},
      {"{path: {type: RegularExpression, value: '/v[0-9]+'}}", {.target = "/v12"}, true},
      {"{path: {type: RegularExpression, value: '/v[0-9]+'}}", {.target = "/v12/x"}, false},
      {"{path: {type: RegularExpression, value: '/a|/ab'}}",
       {.target = "/ab"},
       false},  // found, not spanning
      {"{headers: [{name: x-canary, value: insider}]}", {.fields = {{"X-Canary", "insider"}}}, true},
      {"{headers: [{name: x-canary, value: insider}]}", {.fields = {{"X-Canary", "Insider"}}}, false},
      {"{headers: [{name: x-canary, value: b}]}", {.fields = {{"x-canary", "a"}, {"x-canary", "b"}}}, true},
      {"{headers: [{name: a, value: '.*z', type: RegularExpression}]}", {.fields = {{"a", "xyz"}}}, true},
      {"{headers: [{name: a, value: y, type: RegularExpression}]}", {.fields = {{"a", "xyz"}}}, false},
      {"{headers: [{name: a, value: x}, {name: b, value: y}]}", {.fields = {{"a", "x"}}}, false},
      {"{queryParams: [{name: a b, value: 'c&d'}]}", {.target = "/?x&a+b=c%26d"}, true},
      {"{queryParams: [{name: a, value: '1'}]}", {.target = "/?a=2&a=1"}, true},
      {"{queryParams: [{name: a, value: '1'}]}", {.target = "/?A=1"}, false},
      {"{queryParams: [{name: a, type: RegularExpression, value: '[0-9]+'}]}", {.target = "/?a=12%"}, false},
      {"{method: POST}", {.method = "POST"}, true},
      {"{method: POST}", {.method = "GET"}, false},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(matches(each.match, each.request), each.expected) << each.match << " " << each.request.target;
  }
}

TEST(RouteMatch, ComparesHostsWithoutPortAndCase) {
  EXPECT_TRUE(match_host("www.example.com", "WWW.example.com:80"));
  EXPECT_TRUE(match_host("www.example.com", "www.example.com."));
  EXPECT_FALSE(match_host("www.example.com", "example.com"));
  EXPECT_TRUE(match_host("*.example.com", "a.b.example.com"));
  EXPECT_FALSE(match_host("*.example.com", "example.com"));
  EXPECT_FALSE(match_host("*.example.com", ".example.com")) << "at least one label";
  EXPECT_LT(match_host("*.com", "a.example.com"), match_host("*.example.com", "a.example.com"));
  EXPECT_LT(match_host("*.example.com", "a.example.com"), match_host("a.example.com", "a.example.com"));
}

TEST(BestRule, IsTheMostSpecificOneAndTheFirstOfEquals) {
  const std::vector<HttpRoute> routes = {route(R"(
rules:
- matches: [{path: {value: /}}]                                                            # 0
- matches: [{path: {value: /api}}]                                                         # 1
- matches: [{path: {value: /}, headers: [{name: a, value: x}]}]                            # 2
- matches: [{path: {value: /}, queryParams: [{name: q, value: x}]}]                        # 3
- matches: [{path: {value: /}, method: POST}]                                              # 4
- matches: [{path: {value: /}}, {path: {type: Exact, value: /api/v1}}]                     # 5
)"),
                                         route(R"(
hostnames: ['*.example.com']
rules: [{matches: [{path: {value: /}}]}]                                                   # 6
)"),
                                         route(R"(
hostnames: [www.example.com, other]
rules: [{}]                                                                                # 7
)")};
  EXPECT_EQ(rule_for(routes, {}), 0);
  EXPECT_EQ(rule_for(routes, {.target = "/api"}), 1);
  EXPECT_EQ(rule_for(routes, {.target = "/api/v1"}), 5) << "of a rule's matches the best counts";
  EXPECT_EQ(rule_for(routes, {.target = "/?q=x"}), 3);
  EXPECT_EQ(rule_for(routes, {.target = "/?q=x", .fields = {{"a", "x"}}}), 2) << "headers before queries";
  EXPECT_EQ(rule_for(routes, {.target = "/api", .fields = {{"a", "x"}}}), 1) << "paths before headers";
  EXPECT_EQ(rule_for(routes, {.method = "POST"}), 4);
  EXPECT_EQ(rule_for(routes, {.method = "POST", .target = "/?q=x"}), 3) << "queries before methods";
  EXPECT_EQ(rule_for(routes, {.target = "/api", .host = "a.example.com"}), 6) << "hosts before all";
  EXPECT_EQ(rule_for(routes, {.host = "www.example.com:80"}), 7);
  EXPECT_EQ(rule_for(routes, {.target = "*"}), -1);
}

TEST(BestRule, HeedsWhoAsks) {
  std::vector<HttpRoute> routes = {route("rules: [{}]")};
  routes[0].client_ns = "shop";
  EXPECT_TRUE(concern(routes, Request{.client_ns = "shop"}.view()));
  EXPECT_FALSE(concern(routes, Request{.client_ns = "test"}.view()));
  EXPECT_EQ(rule_for(routes, {.client_ns = "test"}), -1);
}

TEST(CompileRoute, RefusesWhatLinkerdIgnores) {
  const struct {
    const char* spec;
    const char* error;
  } cases[] = {
      {"rules: [{}, {filters: [{type: URLRewrite}]}]", "spec.rules[1]: unsupported filter: URLRewrite"},
      {"rules: [{filters: [{type: RequestMirror}]}]", "unsupported filter: RequestMirror"},
      {"rules: [{matches: [{path: {type: RegularExpression, value: '('}}]}]", "is no regular expression"},
      {"rules: [{matches: [{headers: [{name: a, type: X, value: b}]}]}]", "header a: type \"X\" is none of"},
  };
  for (const auto& each : cases) {
    const auto compiled = compile_route(base::parse_yaml(each.spec).value().at(0));
    ASSERT_FALSE(compiled) << each.spec;
    EXPECT_THAT(compiled.error().message, HasSubstr(each.error));
  }
}

TEST(CompileRoute, ReadsBackendsAndTheirFilters) {
  const HttpRoute made = route(R"(
rules:
- timeouts: {request: 10s, backendRequest: 1s}
  filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: a, value: b}]}}]
  backendRefs:
  - {name: primary, port: 9898, weight: 90}
  - name: canary
    port: 9898
    filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: Set-Cookie, value: x}]}}]
  - {name: nowhere}
  - {name: c, port: 1, filters: [{type: RequestMirror}]}
  - {name: d, kind: Bucket, group: storage, port: 1}
)");
  const RouteRule& rule = made.rules.at(0);
  EXPECT_EQ(rule.effects->timeout, std::chrono::seconds(10));
  ASSERT_EQ(rule.backends.size(), 5u);
  EXPECT_EQ(rule.backends[0].weight, 90u);
  EXPECT_EQ(rule.backends[0].effects->response.size(), 0u);
  EXPECT_EQ(rule.backends[1].weight, 1u);
  EXPECT_EQ(rule.backends[1].effects->request.size(), 1u) << "the rule's filters apply to every backend";
  EXPECT_EQ(rule.backends[1].effects->response.at(0).add.at(0).first, "Set-Cookie");
  EXPECT_EQ(rule.backends[2].problem, "missing port for backend Service nowhere");
  EXPECT_EQ(rule.backends[3].problem, "unsupported backend filter: RequestMirror");
  EXPECT_EQ(rule.backends[4].problem, "unsupported backend type storage Bucket");
}

TEST(CompileRoute, ReadsDurationsOfOneUnitOnly) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_route_duration("10s"), 10s);
  EXPECT_EQ(parse_route_duration("500ms"), 500ms);
  EXPECT_EQ(parse_route_duration("1m"), 60s);
  EXPECT_EQ(parse_route_duration("2h"), 7200s);
  for (const char* bad : {"", "10", "1m30s", "1.5s", "-1s", "s", "1d"}) {
    EXPECT_EQ(parse_route_duration(bad), std::nullopt) << bad;
  }
}

TEST(CompileRoute, ReadsRetries) {
  const HttpRoute made = route("{retry: {http: '5xx', limit: '3', timeout: 100ms}, rules: [{}]}");
  const Retry& retry = made.rules.at(0).effects->retry;
  EXPECT_EQ(retry.limit, 3);
  EXPECT_EQ(retry.timeout, std::chrono::milliseconds(100));
  EXPECT_TRUE(retry.covers(500) && retry.covers(599));
  EXPECT_FALSE(retry.covers(404));
  EXPECT_EQ(route("{retry: {http: gateway-error}, rules: [{}]}").rules[0].effects->retry.limit, 1);
  EXPECT_EQ(route("{retry: {limit: '3'}, rules: [{}]}").rules[0].effects->retry.limit, 0)
      << "of which answers?";
  const std::vector<std::pair<int, int>> expected = {{503, 503}, {500, 504}, {502, 504}};
  EXPECT_EQ(parse_retry_statuses("503, 500-504,gateway-error, x, 5, 1-"), expected);
}

TEST(Redirect, KeepsWhatItDoesNotReplace) {
  const Request request{.target = "/api/v1?x=1", .host = "podinfo.test:9898"};
  const struct {
    Redirect redirect;
    const char* location;
  } cases[] = {
      {{.hostname = "example.com"}, "http://example.com:9898/api/v1?x=1"},
      {{.scheme = "https"}, "https://podinfo.test/api/v1?x=1"},
      {{.port = 80}, "http://podinfo.test:80/api/v1?x=1"},
      {{.full_path = "/"}, "http://podinfo.test:9898/?x=1"},
      {{.prefix = "/new"}, "http://podinfo.test:9898/new/v1?x=1"},
      {{.prefix = "/"}, "http://podinfo.test:9898/v1?x=1"},
  };
  for (const auto& each : cases) EXPECT_EQ(each.redirect.location(request.view(), "/api"), each.location);
}

}  // namespace
}  // namespace serin::local::mesh
