#include "local/mesh/route_attachment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/yaml.h"

namespace serin::local {
namespace {

using base::Json;
using testing::HasSubstr;

Json object(const char* yaml) {
  return base::parse_yaml(yaml).value().at(0);
}

constexpr const char* route_yaml = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: podinfo, namespace: test, uid: u1}
spec:
  parentRefs: [{group: core, kind: Service, name: podinfo, port: 9898}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /}}]
    backendRefs: [{group: '', kind: Service, name: podinfo, port: 9898, weight: 1}]
)";

class RouteAttachmentTest : public testing::Test {
 protected:
  RouteAttachmentTest() {
    for (const char* yaml : {"{metadata: {name: podinfo, namespace: test}, spec: {clusterIP: 10.96.0.5}}",
                             "{metadata: {name: headless, namespace: test}, spec: {clusterIP: None}}",
                             "{metadata: {name: far, namespace: other}, spec: {clusterIP: 10.96.0.6}}"}) {
      objects_.push_back(object(yaml));
    }
    for (const Json& each : objects_) services_[kube::ref_of(each)] = &each;
  }
  Json with_parents(const char* parents) {
    Json route = object(route_yaml);
    route.set("spec", "parentRefs") = object(parents);
    return route;
  }
  /// "<type>=<status> <reason>" of each condition of the first parent.
  std::vector<std::string> conditions(const Json& route) {
    std::vector<std::string> texts;
    for (const Json& each : next_parents(route, services_, now_).at(0)["conditions"].items()) {
      texts.push_back(each["type"].str() + "=" + each["status"].str() + " " + each["reason"].str());
    }
    return texts;
  }

  std::vector<Json> objects_;
  ServicesByRef services_;
  const base::WallTime now_ = base::parse_rfc3339("2026-11-23T08:00:00Z").value();
};

TEST_F(RouteAttachmentTest, IsToServicesWithAnAddressOnly) {
  const struct {
    const char* parents;
    std::size_t attached;
  } cases[] = {
      {"[{group: core, kind: Service, name: podinfo}]", 1},
      {"[{group: '', kind: Service, name: podinfo}]", 1},
      {"[{kind: service, name: podinfo}]", 1},
      {"[{group: gateway.networking.k8s.io, kind: Service, name: podinfo}]", 0},
      {"[{group: core, name: podinfo}]", 0},
      {"[{group: core, kind: Service, name: headless}]", 0},
      {"[{group: core, kind: Service, name: far}]", 0},
      {"[{group: core, kind: Service, name: far, namespace: other}]", 1},
      {"[{group: core, kind: Service, name: podinfo, port: 1}, {kind: Service, name: podinfo, port: 2}]", 2},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(attachments(with_parents(each.parents), services_).size(), each.attached) << each.parents;
  }
  const Attachment consumer =
      attachments(with_parents("[{group: core, kind: Service, name: far, namespace: other}]"), services_)
          .at(0);
  EXPECT_EQ(consumer.service, (kube::ObjectRef{"other", "far"}));
  EXPECT_EQ(consumer.route.client_ns, "test") << "another namespace's Service: for our own callers only";
  EXPECT_EQ(attachments(object(route_yaml), services_).at(0).route.client_ns, "");
  EXPECT_EQ(attachments(object(route_yaml), services_).at(0).route.port, 9898);
}

TEST_F(RouteAttachmentTest, SaysInTheStatusWhatLinkerdSays) {
  const Json parents = next_parents(object(route_yaml), services_, now_);
  EXPECT_EQ(parents, object(R"(
- parentRef: {group: core, kind: Service, namespace: test, name: podinfo, port: 9898}
  controllerName: linkerd.io/policy-controller
  conditions:
  - {type: Accepted, status: "True", reason: Accepted, message: "", lastTransitionTime: "2026-11-23T08:00:00Z"}
  - {type: ResolvedRefs, status: "True", reason: ResolvedRefs, message: "", lastTransitionTime: "2026-11-23T08:00:00Z"}
)"));
  Json route = with_parents("[{group: core, kind: Service, name: headless}]");
  route.set("spec", "rules").make_array().at(0).set("backendRefs") = object("[{name: gone, port: 1}]");
  const std::vector<std::string> refused = {"Accepted=False NoMatchingParent",
                                            "ResolvedRefs=False BackendNotFound"};
  EXPECT_EQ(conditions(route), refused);
  EXPECT_EQ(next_parents(route, services_, now_).at(0)["conditions"].at(0)["message"].str(),
            "parent service must have a ClusterIP");
  route.set("spec", "rules").make_array().at(0).set("backendRefs") = object("[{name: a, kind: Bucket}]");
  EXPECT_EQ(conditions(route).at(1), "ResolvedRefs=False InvalidKind");
  EXPECT_EQ(next_parents(with_parents("[{kind: Gateway, name: a}]"), services_, now_).size(), 0u);
}

TEST_F(RouteAttachmentTest, KeepsOthersEntriesAndUnchangedTimes) {
  Json route = object(route_yaml);
  route.set("status", "parents") = next_parents(route, services_, now_);
  const Json other = object("{parentRef: {name: gw}, controllerName: example.com/gateway}");
  route.set("status", "parents").push_back(other);
  const base::WallTime later = now_ + std::chrono::hours(1);
  const Json same = next_parents(route, services_, later);
  EXPECT_EQ(same.at(0), other);
  EXPECT_EQ(same.at(1), route.get("status", "parents").at(0));
  services_.erase({"test", "podinfo"});
  const Json changed = next_parents(route, services_, later);
  EXPECT_EQ(changed.at(1)["conditions"].at(0)["lastTransitionTime"].str(), "2026-11-23T09:00:00Z");
}

TEST_F(RouteAttachmentTest, ReadsTimeoutsAndFiltersAsLinkerdDoes) {
  Json route = object(route_yaml);
  route.set("metadata", "annotations", "timeout.linkerd.io/request") = "3s";
  route.set("spec", "rules").make_array().at(0).set("timeouts", "request") = "10s";
  route.set("spec", "rules").make_array().at(0).set("filters") =
      object("[{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [a]}}]");
  Json rule = effective_spec(route, nullptr)["rules"].at(0);
  EXPECT_EQ(rule.get("timeouts", "request").str(), "3s");
  EXPECT_EQ(rule["filters"].at(0)["type"].str(), "ResponseHeaderModifier");
  route.set("apiVersion") = "policy.linkerd.io/v1beta3";
  rule = effective_spec(route, nullptr)["rules"].at(0);
  EXPECT_EQ(rule["filters"].at(0),
            object("{type: RequestHeaderModifier, requestHeaderModifier: {remove: [a]}}"));
}

TEST_F(RouteAttachmentTest, TakesFromTheServiceWhatTheRouteDoesNotSay) {
  const Json service = object(R"(
metadata: {annotations: {timeout.linkerd.io/request: 1s, retry.linkerd.io/http: 5xx, retry.linkerd.io/limit: "3"}}
)");
  Json route = object(route_yaml);
  Json spec = effective_spec(route, &service);
  EXPECT_EQ(spec["rules"].at(0).get("timeouts", "request").str(), "1s");
  EXPECT_EQ(spec["retry"], object("{http: 5xx, limit: '3'}"));
  route.set("metadata", "annotations", "retry.linkerd.io/http") = "503";
  route.set("spec", "rules").make_array().at(0).set("timeouts", "request") = "2s";
  spec = effective_spec(route, &service);
  EXPECT_EQ(spec["rules"].at(0).get("timeouts", "request").str(), "2s");
  EXPECT_EQ(spec["retry"], object("{http: '503'}")) << "of a kind all or nothing";
}

TEST_F(RouteAttachmentTest, IgnoresVersionsThatCanNotBeDone) {
  RouteVersions versions;
  const auto good = std::make_shared<const Json>(object(route_yaml));
  Json mirrored = *good;
  mirrored.set("spec", "rules").make_array().at(0).set("filters") = object("[{type: RequestMirror}]");
  const auto bad = std::make_shared<const Json>(mirrored);
  EXPECT_EQ(versions.in_force({bad}).size(), 0u);
  EXPECT_THAT(versions.ignored().at(0),
              HasSubstr("HTTPRoute podinfo.test: spec.rules[0]: unsupported filter: RequestMirror"));
  EXPECT_EQ(versions.in_force({good}).at(0), good);
  EXPECT_EQ(versions.in_force({bad}).at(0), good) << "the one before stays in force";
  EXPECT_EQ(versions.in_force({}).size(), 0u);
  EXPECT_EQ(versions.in_force({bad}).size(), 0u) << "another route, for all we know";
}

}  // namespace
}  // namespace serin::local
