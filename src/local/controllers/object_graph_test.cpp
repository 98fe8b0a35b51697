#include "local/controllers/object_graph.h"

#include <gtest/gtest.h>

#include "base/yaml.h"

namespace serin::local {
namespace {

using Kind = Verdict::Kind;
namespace res = kube::resources;

/// "deleting" and finalizers of the owner; the dependent "pod" is owned by "set" (and others, as named).
class ObjectGraphTest : public ::testing::Test {
 protected:
  void put(const char* uid, const char* metadata) {
    Json object = Json::object();
    object.set("metadata") = base::parse_yaml(metadata).value().at(0);
    object.set("metadata", "uid") = uid;
    object.set("metadata", "name") = uid;
    if (!object.get("metadata").contains("namespace")) object.set("metadata", "namespace") = "test";
    graph.put(res::pods, object);
  }
  Verdict judged(const char* uid) { return judge(graph, *graph.find(uid), absent); }

  ObjectGraph graph;
  std::set<std::string> absent;
};

constexpr const char* owned = "{ownerReferences: [{uid: set, blockOwnerDeletion: true}]}";

TEST_F(ObjectGraphTest, KeepsWhatHasAnOwner) {
  put("set", "{}");
  put("pod", owned);
  EXPECT_EQ(judged("pod").kind, Kind::keep);
  EXPECT_EQ(judged("set").kind, Kind::keep);
}

TEST_F(ObjectGraphTest, AsksBeforeItRemoves) {
  put("pod", owned);
  EXPECT_EQ(judged("pod").kind, Kind::look_up);
  absent.insert("set");
  EXPECT_EQ(judged("pod").kind, Kind::remove);
  EXPECT_EQ(judged("pod").propagation, "Background");
}

TEST_F(ObjectGraphTest, OwnersOfOtherNamespacesDontCount) {
  put("set", "{namespace: other}");
  put("pod", owned);
  EXPECT_EQ(judged("pod").kind, Kind::remove);
}

TEST_F(ObjectGraphTest, OneLivingOwnerIsEnough) {
  absent.insert("set");
  put("second", "{}");
  put("pod", "{resourceVersion: '7', ownerReferences: [{uid: set}, {uid: second, name: n}]}");
  const Verdict verdict = judged("pod");
  EXPECT_EQ(verdict.kind, Kind::patch);
  EXPECT_EQ(verdict.patch.dump(),
            R"({"metadata":{"resourceVersion":"7","ownerReferences":[{"uid":"second","name":"n"}]}})");
}

TEST_F(ObjectGraphTest, ForegroundGoesLeavesFirst) {
  put("set", "{deletionTimestamp: t, finalizers: [foregroundDeletion]}");
  put("pod", owned);
  EXPECT_EQ(judged("set").kind, Kind::keep);
  EXPECT_EQ(judged("pod").kind, Kind::remove);
  put("leaf", "{ownerReferences: [{uid: pod, blockOwnerDeletion: true}]}");
  EXPECT_EQ(judged("pod").propagation, "Foreground");
  graph.erase("leaf");
  graph.erase("pod");
  EXPECT_EQ(judged("set").patch.get("metadata", "finalizers"), Json::array());
}

TEST_F(ObjectGraphTest, OrphanSetsDependentsFreeThenGoes) {
  put("set", "{deletionTimestamp: t, finalizers: [orphan, mine]}");
  put("pod", owned);
  EXPECT_EQ(judged("set").kind, Kind::keep);
  EXPECT_EQ(judged("pod").patch.get("metadata", "ownerReferences"), Json::array());
  put("pod", "{}");
  EXPECT_EQ(judged("set").patch.get("metadata", "finalizers"), Json::array({"mine"}));
}

}  // namespace
}  // namespace serin::local
