#include "local/machinery/apply.h"

#include <gtest/gtest.h>

#include "local/machinery/builtin.h"
#include "local/machinery/schema.h"

namespace serin::local {
namespace {

Json json(std::string_view text) {
  auto parsed = Json::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Json();
}

const base::WallTime now = *base::parse_rfc3339("2026-11-23T05:00:00Z");

FieldManager manager(std::string name, std::string subresource = "") {
  return {std::move(name), "apps/v1", std::move(subresource), now};
}

const BuiltinResource& deployments() {
  return *find_builtin("apps", "v1", "deployments");
}

constexpr const char* manifest =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"ssa","labels":{"a":"b"}},
  "spec":{"replicas":2,"selector":{"matchLabels":{"app":"x"}},"template":{"metadata":{"labels":{"app":"x"}},
  "spec":{"containers":[{"name":"a","image":"b:1","ports":[{"containerPort":80}],"env":[{"name":"E","value":"v"}]}]}}}})";

/// The fields of one entry; null if there is none.
Json fields_of(const Json& object, std::string_view name, std::string_view operation) {
  for (const Json& entry : object.get("metadata", "managedFields").items()) {
    if (entry["manager"].str() == name && entry["operation"].str() == operation) return entry["fieldsV1"];
  }
  return {};
}

Json applied(const Json& live, const Json& wanted, const std::string& by = "kubectl", bool force = false) {
  auto result = server_side_apply(live, wanted, *deployments().type, manager(by), force);
  EXPECT_TRUE(result) << result.error().message;
  if (!result) return live;
  default_object(deployments(), *result);
  return *result;
}

Json updated(const Json& live, Json object, const std::string& by, const std::string& subresource = "") {
  track_update(live, object, *deployments().type, manager(by, subresource));
  return object;
}

// What kube-apiserver 1.36 records for this manifest.
constexpr const char* apply_fields =
    R"~({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:env": {"k:{\"name\":\"E\"}": {".": {}, "f:name": {}, "f:value": {}}}, "f:image": {}, "f:name": {}, "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}}})~";

TEST(ServerSideApply, RecordsWhatTheManifestGives) {
  const Json object = applied(Json(), json(manifest));
  EXPECT_EQ(fields_of(object, "kubectl", "Apply"), json(apply_fields));
  EXPECT_EQ(applied(object, json(manifest)), object) << "the same again changes nothing";
}

TEST(ServerSideApply, UpdatesTakeFieldsAndApplyMeetsConflicts) {
  const Json first = applied(Json(), json(manifest));
  Json scaled = first;
  scaled.set("spec", "replicas") = 3;
  scaled = updated(first, scaled, "kubectl", "scale");
  EXPECT_EQ(fields_of(scaled, "kubectl", "Update"), json(R"({"f:spec":{"f:replicas":{}}})"));
  EXPECT_FALSE(fields_of(scaled, "kubectl", "Apply")["f:spec"].contains("f:replicas"));

  const auto one = server_side_apply(scaled, json(manifest), *deployments().type, manager("kubectl"), false);
  ASSERT_FALSE(one);
  EXPECT_EQ(one.error().code, 409);
  EXPECT_EQ(
      one.error().message,
      "Apply failed with 1 conflict: conflict with \"kubectl\" with subresource \"scale\" using apps/v1: "
      ".spec.replicas");

  Json reimaged = scaled;
  Json pod = reimaged.get("spec", "template", "spec");
  pod.set("containers").make_array()[0].set("image") = "b:2";
  reimaged.set("spec", "template", "spec") = pod;
  reimaged = updated(scaled, reimaged, "kubectl-set");
  const auto two =
      server_side_apply(reimaged, json(manifest), *deployments().type, manager("kubectl"), false);
  ASSERT_FALSE(two);
  EXPECT_EQ(
      two.error().message,
      "Apply failed with 2 conflicts: conflicts with \"kubectl\" with subresource \"scale\" using apps/v1:\n"
      "- .spec.replicas\n"
      "conflicts with \"kubectl-set\" using apps/v1:\n"
      "- .spec.template.spec.containers[name=\"a\"].image");
  EXPECT_EQ(two.error().details["causes"].size(), 2U);

  const Json forced = applied(reimaged, json(manifest), "kubectl", true);
  EXPECT_EQ(forced.get("spec", "replicas").as_int(), 2);
  EXPECT_EQ(fields_of(forced, "kubectl", "Apply"), json(apply_fields));
  EXPECT_TRUE(fields_of(forced, "kubectl-set", "Update").is_null());
}

TEST(ServerSideApply, RemovesWhatIsNoLongerApplied) {
  Json live = applied(Json(), json(manifest));
  Json labelled = live;
  labelled.set("metadata", "labels", "x") = "y";
  live = updated(live, labelled, "kubectl-label");
  Json less = json(manifest);
  less.set("metadata").erase("labels");
  Json pod = less.get("spec", "template", "spec");
  pod.set("containers").make_array()[0].erase("env");
  less.set("spec", "template", "spec") = pod;
  const Json result = applied(live, less);
  EXPECT_EQ(result.get("metadata", "labels"), json(R"({"x":"y"})"));
  const Json& container = result.get("spec", "template", "spec", "containers").at(0);
  EXPECT_FALSE(container.contains("env"));
  EXPECT_EQ(container["imagePullPolicy"].str(), "IfNotPresent");
}

TEST(ServerSideApply, SharesFieldsWithEqualValues) {
  const Json live = applied(Json(), json(manifest));
  Json same =
      json(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"ssa"},"spec":{"replicas":2}})");
  const Json shared = applied(live, same, "other");
  Json without = json(manifest);
  without.set("spec").erase("replicas");
  EXPECT_EQ(applied(shared, without).get("spec", "replicas").as_int(), 2)
      << "the other manager still owns it";
}

TEST(ServerSideApply, RefusesWhatItCannotType) {
  const Json unknown =
      json(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"ssa"},"spec":{"foo":1}})");
  const auto result = server_side_apply(Json(), unknown, *deployments().type, manager("z"), false);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message,
            "failed to create typed patch object (/ssa; apps/v1, Kind=Deployment): .spec.foo: field not "
            "declared in schema");
  const Json twice = json(
      R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"ssa"},"spec":{"template":{"spec":{"containers":[{"name":"a"},{"name":"a"}]}}}})");
  const auto duplicate = server_side_apply(Json(), twice, *deployments().type, manager("z"), false);
  ASSERT_FALSE(duplicate);
  EXPECT_EQ(
      duplicate.error().message,
      "failed to create typed patch object (/ssa; apps/v1, Kind=Deployment): .spec.template.spec.containers: "
      "duplicate entries for key [name=\"a\"]");
}

TEST(TrackUpdate, RecordsCreationsAsTheApiServerDoes) {
  Json object = json(
      R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"upd","labels":{"app":"upd"}},"spec":{"replicas":2,
    "selector":{"matchLabels":{"app":"upd"}},"template":{"metadata":{"labels":{"app":"upd"}},"spec":{"containers":[{"name":"x","image":"x","ports":[{"containerPort":80}]}]}}}})");
  default_object(deployments(), object);
  prepare_object(deployments(), object, Json(), "");
  track_update(Json(), object, *deployments().type, manager("kubectl-create"));
  EXPECT_EQ(
      fields_of(object, "kubectl-create", "Update"),
      json(
          R"~({"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:progressDeadlineSeconds": {}, "f:replicas": {}, "f:revisionHistoryLimit": {}, "f:selector": {}, "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}, "f:type": {}}, "f:template": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"x\"}": {".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {}, "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}}}, "f:resources": {}, "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {}}}, "f:dnsPolicy": {}, "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {}, "f:terminationGracePeriodSeconds": {}}}}})~"))
      << fields_of(object, "kubectl-create", "Update").dump();
}

TEST(TrackUpdate, KeepsStatusApartAndForgetsRemovedFields) {
  Json live = applied(Json(), json(manifest));
  Json with_status = live;
  with_status.set("status", "replicas") = 1;
  with_status = updated(live, with_status, "controller", "status");
  EXPECT_EQ(fields_of(with_status, "controller", "Update"), json(R"({"f:status":{"f:replicas":{}}})"));
  Json without = with_status;
  without.set("metadata").erase("labels");
  without = updated(with_status, without, "someone");
  EXPECT_FALSE(fields_of(without, "kubectl", "Apply").contains("f:metadata"));
  EXPECT_TRUE(fields_of(without, "someone", "Update").is_null());
}

TEST(TrackUpdate, ResetsOnRequestAndUsesLiveEntriesOtherwise) {
  const Json live = applied(Json(), json(manifest));
  Json bare = live;
  bare.set("metadata").erase("managedFields");
  EXPECT_EQ(updated(live, bare, "x").get("metadata", "managedFields"), live.get("metadata", "managedFields"));
  Json reset = live;
  reset.set("metadata", "managedFields") = Json::array();
  EXPECT_FALSE(updated(live, reset, "x")["metadata"].contains("managedFields"));
}

TEST(ServerSideApply, MergesListsOfCustomTypes) {
  const auto schema =
      CrdSchema::compile(json(R"({"type":"object","properties":{"spec":{"type":"object","properties":{
    "set":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}},
    "plain":{"type":"array","items":{"type":"string"}},
    "keyed":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","properties":{"k":{"type":"string"},"v":{"type":"string"}}}}}}}})"));
  ASSERT_TRUE(schema);
  const auto apply = [&](const Json& live, std::string_view spec, const char* by) {
    Json wanted = json(R"({"apiVersion":"e/v1","kind":"T","metadata":{"name":"t"}})");
    wanted.set("spec") = json(spec);
    auto result = server_side_apply(live, wanted, schema->type(), {by, "e/v1", "", now}, false);
    EXPECT_TRUE(result) << result.error().message;
    return result ? *result : live;
  };
  Json object = apply(Json(), R"({"set":["a"],"keyed":[{"k":"1","v":"x"}]})", "one");
  object = apply(object, R"({"set":["b"],"keyed":[{"k":"2","v":"y"}]})", "two");
  EXPECT_EQ(object["spec"], json(R"({"set":["a","b"],"keyed":[{"k":"1","v":"x"},{"k":"2","v":"y"}]})"));
  object = apply(object, R"({"plain":["z"]})", "one");
  EXPECT_EQ(object["spec"], json(R"({"set":["b"],"keyed":[{"k":"2","v":"y"}],"plain":["z"]})"))
      << object.dump();
}

}  // namespace
}  // namespace serin::local
