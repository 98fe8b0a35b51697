#include "local/apiserver/registry.h"

#include <fmt/format.h>

#include "local/apiserver/registry_for_tests.h"

namespace serin::local {
namespace {

using testing::outcome;
using testing::podinfo_yaml;
using testing::World;
using testing::yaml;
namespace res = kube::resources;

constexpr const char* stale =
    "409 Conflict: Operation cannot be fulfilled on deployments.apps \"podinfo\": the object has been "
    "modified; "
    "please apply your changes to the latest version and try again";

std::string pod_yaml(std::string_view node) {
  std::string text = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {";
  if (!node.empty()) text += "nodeName: " + std::string(node) + ", ";
  return text + "containers: [{name: a, image: b}]}}";
}

TEST(Registry, StartsWithWhatEveryClusterHas) {
  World world;
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    const Json ns = world.get(res::namespaces, name);
    EXPECT_EQ(ns.get("status", "phase").str(), "Active") << name;
    EXPECT_EQ(ns.get("spec", "finalizers"), Json::array({"kubernetes"})) << name;
    EXPECT_EQ(ns.get("metadata", "labels", "kubernetes.io/metadata.name").str(), name);
  }
  EXPECT_EQ(world.get(res::services, "kubernetes").get("spec", "clusterIP").str(), "10.96.0.1");
}

TEST(Registry, SetsMetadataOnCreation) {
  World world;
  ASSERT_EQ(outcome(world.create(res::deployments, podinfo_yaml)), "ok");
  const Json object = world.get(res::deployments, "podinfo");
  const Json& metadata = object["metadata"];
  EXPECT_EQ(metadata["namespace"].str(), "default");
  EXPECT_EQ(metadata["creationTimestamp"].str(), "2026-11-23T04:00:00Z");
  EXPECT_EQ(metadata["generation"], Json(1));
  EXPECT_EQ(metadata["resourceVersion"].str(), std::to_string(world.registry->revision()));
  EXPECT_EQ(metadata["uid"].str().size(), 36u);
  EXPECT_EQ(metadata["managedFields"].at(0)["manager"].str(), "serin");
  EXPECT_EQ(object.get("spec", "replicas"), Json(1));
}

TEST(Registry, RefusesInTheServersWords) {
  World world;
  ASSERT_EQ(outcome(world.create(res::deployments, podinfo_yaml)), "ok");
  EXPECT_EQ(outcome(world.create(res::deployments, podinfo_yaml)),
            "409 AlreadyExists: deployments.apps \"podinfo\" already exists");
  EXPECT_EQ(outcome(world.create(res::deployments, podinfo_yaml, "nowhere")),
            "404 NotFound: namespaces \"nowhere\" not found");
  EXPECT_EQ(outcome(world.registry->get(res::deployments, {"default", "x"})),
            "404 NotFound: deployments.apps \"x\" not found");
  EXPECT_EQ(outcome(world.registry->get(res::canaries, {"default", "x"})),
            "404 NotFound: the server could not find the requested resource");
  EXPECT_EQ(outcome(world.merge(res::deployments, "podinfo", "{metadata: {resourceVersion: '1'}}")), stale);
  EXPECT_EQ(outcome(world.merge(res::deployments, "podinfo", "{metadata: {name: other}}")),
            "400 BadRequest: the name of the object (other) does not match the name on the URL (podinfo)");
  EXPECT_EQ(outcome(world.create(res::configmaps, "{metadata: {namespace: a, name: b}}")),
            "400 BadRequest: the namespace of the provided object does not match the namespace sent on the "
            "request");
  EXPECT_EQ(outcome(world.create(res::configmaps, "{data: {a: b}}")),
            "422 Invalid: ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is "
            "required");
  EXPECT_EQ(outcome(world.remove(res::namespaces, "default")),
            "403 Forbidden: namespaces \"default\" is forbidden: this namespace may not be deleted");
}

TEST(Registry, CountsGenerationsOfTheSpecOnly) {
  World world;
  ASSERT_EQ(outcome(world.create(res::deployments, podinfo_yaml)), "ok");
  const auto generation = [&] {
    return world.get(res::deployments, "podinfo").get("metadata", "generation").int_or(0);
  };
  ASSERT_EQ(outcome(world.merge(res::deployments, "podinfo", "{metadata: {labels: {a: b}}}")), "ok");
  EXPECT_EQ(generation(), 1);
  ASSERT_EQ(outcome(world.merge(res::deployments, "podinfo", "{spec: {replicas: 2}, status: {replicas: 7}}")),
            "ok");
  EXPECT_EQ(generation(), 2);
  EXPECT_TRUE(world.get(res::deployments, "podinfo").get("status", "replicas").is_null());
  ASSERT_EQ(outcome(world.merge(res::deployments, "podinfo", "{spec: {replicas: 3}, status: {replicas: 7}}",
                                "status")),
            "ok");
  EXPECT_EQ(generation(), 2);
  EXPECT_EQ(world.get(res::deployments, "podinfo").get("status", "replicas"), Json(7));
  EXPECT_EQ(world.get(res::deployments, "podinfo").get("spec", "replicas"), Json(2));
  // A Deployment's annotations count too.
  ASSERT_EQ(outcome(world.merge(res::deployments, "podinfo", "{metadata: {annotations: {a: b}}}")), "ok");
  EXPECT_EQ(generation(), 3);
}

TEST(Registry, WritesNothingWhereNothingChanges) {
  World world;
  ASSERT_EQ(outcome(world.create(res::deployments, podinfo_yaml)), "ok");
  const std::uint64_t before = world.registry->revision();
  ASSERT_EQ(outcome(world.merge(res::deployments, "podinfo", "{spec: {replicas: 1}}")), "ok");
  const Json same = world.get(res::deployments, "podinfo");
  ASSERT_EQ(outcome(world.registry->replace(res::deployments, {"default", "podinfo"}, "", same, {})), "ok");
  EXPECT_EQ(world.registry->revision(), before);
}

TEST(Registry, DryRunsLeaveNoTrace) {
  World world;
  const std::uint64_t before = world.registry->revision();
  EXPECT_EQ(outcome(world.create(res::deployments, podinfo_yaml, "default", {.dry_run = true})), "ok");
  EXPECT_EQ(world.registry->revision(), before);
  EXPECT_TRUE(world.get(res::deployments, "podinfo").is_null());
}

TEST(Registry, ReplacesOnlyWhatWasRead) {
  World world;
  ASSERT_EQ(outcome(world.create(res::deployments, podinfo_yaml)), "ok");
  Json read = world.get(res::deployments, "podinfo");
  ASSERT_EQ(outcome(world.merge(res::deployments, "podinfo", "{spec: {replicas: 2}}")), "ok");
  read.set("spec", "replicas") = 9;
  EXPECT_EQ(outcome(world.registry->replace(res::deployments, {"default", "podinfo"}, "", read, {})), stale);
  // Without a version the last writer wins.
  read.set("metadata").erase("resourceVersion");
  EXPECT_EQ(outcome(world.registry->replace(res::deployments, {"default", "podinfo"}, "", read, {})), "ok");
  EXPECT_EQ(world.get(res::deployments, "podinfo").get("spec", "replicas"), Json(9));
}

TEST(Registry, ScalesThroughTheSubresource) {
  World world;
  ASSERT_EQ(outcome(world.create(res::deployments, podinfo_yaml)), "ok");
  auto scale = world.registry->get(res::deployments, {"default", "podinfo"}, "scale");
  ASSERT_EQ(outcome(scale), "ok");
  EXPECT_EQ((*scale)->get("spec", "replicas"), Json(1));
  ASSERT_EQ(outcome(world.merge(res::deployments, "podinfo", "{spec: {replicas: 4}}", "scale")), "ok");
  EXPECT_EQ(world.get(res::deployments, "podinfo").get("spec", "replicas"), Json(4));
  Json wanted = **scale;
  wanted.set("spec", "replicas") = 5;
  EXPECT_EQ(outcome(world.registry->replace(res::deployments, {"default", "podinfo"}, "scale", wanted, {})),
            stale);
}

TEST(Registry, KeepsObjectsUntilTheirFinalizersAreGone) {
  World world;
  ASSERT_EQ(outcome(world.create(res::configmaps, "{metadata: {name: c, finalizers: [a.b/c]}}")), "ok");
  auto removed = world.remove(res::configmaps, "c");
  ASSERT_EQ(outcome(removed), "ok");
  EXPECT_FALSE(removed->gone);
  EXPECT_EQ(world.get(res::configmaps, "c").get("metadata", "deletionTimestamp").str(),
            "2026-11-23T04:00:00Z");
  const std::uint64_t before = world.registry->revision();
  ASSERT_EQ(outcome(world.remove(res::configmaps, "c")), "ok");
  EXPECT_EQ(world.registry->revision(), before);
  ASSERT_EQ(outcome(world.merge(res::configmaps, "c", "{metadata: {finalizers: null}}")), "ok");
  EXPECT_TRUE(world.get(res::configmaps, "c").is_null());
}

TEST(Registry, MarksForTheGarbageCollector) {
  struct Case {
    const char* policy;
    const char* finalizer;
  };
  for (const Case& c : {Case{"Foreground", "foregroundDeletion"}, Case{"Orphan", "orphan"}}) {
    World world;
    ASSERT_EQ(outcome(world.create(res::deployments, podinfo_yaml)), "ok");
    RemoveFlags flags;
    flags.options.propagation = c.policy;
    auto removed = world.remove(res::deployments, "podinfo", flags);
    ASSERT_EQ(outcome(removed), "ok");
    EXPECT_FALSE(removed->gone) << c.policy;
    EXPECT_EQ(removed->object->get("metadata", "finalizers"), Json::array({c.finalizer}));
  }
}

TEST(Registry, ChecksPreconditionsOfDeletion) {
  World world;
  ASSERT_EQ(outcome(world.create(res::configmaps, "{metadata: {name: c}}")), "ok");
  RemoveFlags flags;
  flags.options.uid = "other";
  EXPECT_TRUE(
      outcome(world.remove(res::configmaps, "c", flags))
          .starts_with(
              "409 Conflict: Operation cannot be fulfilled on configmaps \"c\": Precondition failed: UID"));
}

TEST(Registry, GivesPodsTimeToEnd) {
  World world;
  ASSERT_EQ(outcome(world.create(res::pods, pod_yaml("node"))), "ok");
  auto removed = world.remove(res::pods, "p");
  ASSERT_EQ(outcome(removed), "ok");
  EXPECT_FALSE(removed->gone);
  EXPECT_EQ(removed->object->get("metadata", "deletionGracePeriodSeconds"), Json(30));
  EXPECT_EQ(removed->object->get("metadata", "deletionTimestamp").str(), "2026-11-23T04:00:30Z");
  // The node confirms.
  RemoveFlags now;
  now.options.grace_seconds = 0;
  removed = world.remove(res::pods, "p", now);
  ASSERT_EQ(outcome(removed), "ok");
  EXPECT_TRUE(removed->gone);

  ASSERT_EQ(outcome(world.create(res::pods, pod_yaml(""))), "ok");
  removed = world.remove(res::pods, "p");
  ASSERT_EQ(outcome(removed), "ok");
  EXPECT_TRUE(removed->gone) << "no node runs it";
}

TEST(Registry, BindsAndEvictsPods) {
  World world;
  ASSERT_EQ(outcome(world.create(res::pods, pod_yaml(""))), "ok");
  ASSERT_EQ(outcome(world.registry->create_in(res::pods, {"default", "p"}, "binding",
                                              yaml("{target: {name: n}}"), {})),
            "ok");
  EXPECT_EQ(world.get(res::pods, "p").get("spec", "nodeName").str(), "n");
  ASSERT_EQ(outcome(world.registry->create_in(res::pods, {"default", "p"}, "eviction",
                                              yaml("{deleteOptions: {gracePeriodSeconds: 0}}"), {})),
            "ok");
  EXPECT_TRUE(world.get(res::pods, "p").is_null());
}

TEST(Registry, ClosesNamespacesBeforeTheyGo) {
  World world;
  ASSERT_EQ(outcome(world.create(res::namespaces, "{metadata: {name: test}}")), "ok");
  auto removed = world.remove(res::namespaces, "test");
  ASSERT_EQ(outcome(removed), "ok");
  EXPECT_FALSE(removed->gone);
  EXPECT_EQ(removed->object->get("status", "phase").str(), "Terminating");
  EXPECT_EQ(outcome(world.create(res::configmaps, "{metadata: {name: c}}", "test")),
            "403 Forbidden: configmaps \"c\" is forbidden: unable to create new content in namespace test "
            "because it is "
            "being terminated");
  Json finalized = *removed->object;
  finalized.set("spec", "finalizers") = Json::array();
  ASSERT_EQ(outcome(world.registry->replace(res::namespaces, {"", "test"}, "finalize", finalized, {})), "ok");
  EXPECT_TRUE(world.get(res::namespaces, "test").is_null());
}

TEST(Registry, AllotsAddressesToServices) {
  World world;
  const auto service = [](std::string_view name, std::string_view more) {
    return fmt::format("{{metadata: {{name: {}}}, spec: {{ports: [{{port: 80}}]{}}}}}", name, more);
  };
  ASSERT_EQ(outcome(world.create(res::services, service("a", ""))), "ok");
  const std::string address = world.get(res::services, "a").get("spec", "clusterIP").str();
  EXPECT_TRUE(address.starts_with("10.96."));
  EXPECT_EQ(world.get(res::services, "a").get("spec", "clusterIPs"), Json::array({Json(address)}));
  EXPECT_EQ(outcome(world.create(res::services, service("b", ", clusterIP: " + address))),
            "422 Invalid: Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"" + address +
                "\"]: failed to allocate IP " + address + ": provided IP is already allocated");
  EXPECT_EQ(outcome(world.create(res::services, service("h", ", clusterIP: None"))), "ok");
  EXPECT_EQ(world.get(res::services, "h").get("spec", "clusterIP").str(), "None");
  world.open();
  EXPECT_NE(outcome(world.create(res::services, service("b", ", clusterIP: " + address))), "ok")
      << "kept over a restart";
  ASSERT_EQ(outcome(world.remove(res::services, "a")), "ok");
  EXPECT_EQ(outcome(world.create(res::services, service("b", ", clusterIP: " + address))), "ok");
}

TEST(Registry, ListsInPagesUnderOneRevision) {
  World world;
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_EQ(outcome(world.create(res::configmaps,
                                   fmt::format("{{metadata: {{name: {}, labels: {{n: {}}}}}}}", name, name))),
              "ok");
  }
  auto first = world.registry->list(res::configmaps, "default", {.limit = 2});
  ASSERT_EQ(outcome(first), "ok");
  EXPECT_EQ(first->items.size(), 2u);
  EXPECT_EQ(first->remaining, 1);
  ASSERT_EQ(outcome(world.create(res::configmaps, "{metadata: {name: d}}")), "ok");
  auto second =
      world.registry->list(res::configmaps, "default", {.continue_token = first->continue_token, .limit = 2});
  ASSERT_EQ(outcome(second), "ok");
  EXPECT_EQ(second->revision, first->revision);
  EXPECT_EQ(second->items.size(), 2u);
  EXPECT_EQ(second->continue_token, "");
  auto chosen = world.registry->list(res::configmaps, "", {.label_selector = "n in (b,c)"});
  ASSERT_EQ(outcome(chosen), "ok");
  EXPECT_EQ(chosen->items.size(), 2u);
  EXPECT_TRUE(outcome(world.registry->list(res::configmaps, "", {.resource_version = "999"}))
                  .starts_with("504 Timeout: Timeout: Too large resource version: 999"));
}

TEST(Registry, AppliesWithConflicts) {
  World world;
  const auto apply = [&](const char* manager, std::string_view text, bool force) {
    return world.registry->patch(res::configmaps, {"default", "c"}, "", kube::PatchType::apply, yaml(text),
                                 {.manager = manager, .force = force});
  };
  auto made = apply("one", "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: x}}", false);
  ASSERT_EQ(outcome(made), "ok");
  EXPECT_TRUE(made->created);
  const char* other = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: y}}";
  EXPECT_EQ(apply("two", other, false).error().code, 409);
  EXPECT_EQ(outcome(apply("two", other, true)), "ok");
  EXPECT_EQ(world.get(res::configmaps, "c").get("data", "a").str(), "y");
}

TEST(Registry, ForgetsOldEvents) {
  World world;
  ASSERT_EQ(
      outcome(world.create(res::events,
                           "{metadata: {name: e}, involvedObject: {kind: Pod, name: p, namespace: default}, "
                           "reason: R, message: m, type: Normal, lastTimestamp: '2026-11-23T03:30:00Z'}")),
      "ok");
  world.registry->forget_events(std::chrono::hours(1));
  EXPECT_FALSE(world.get(res::events, "e").is_null());
  world.clock.wall += std::chrono::minutes(31);
  world.registry->forget_events(std::chrono::hours(1));
  EXPECT_TRUE(world.get(res::events, "e").is_null());
}

}  // namespace
}  // namespace serin::local
