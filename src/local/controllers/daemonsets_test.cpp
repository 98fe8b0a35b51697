// Rolling updates of DaemonSets, look by look, on three nodes.
#include "local/controllers/daemonsets.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "base/yaml.h"
#include "local/controllers/objects.h"

namespace serin::local {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Json yaml(std::string_view text) {
  return base::parse_yaml(text).value().at(0);
}

class DaemonSetTest : public ::testing::Test {
 protected:
  DaemonSetTest() {
    for (const char* name : {"a", "b", "c"}) {
      nodes_.push_back(yaml(fmt::format("{{metadata: {{name: {}, labels: {{disk: ssd}}}}}}", name)));
    }
    look();
    for (Json& pod : pods_) make_ready(pod);
  }

  static void make_ready(Json& pod) {
    pod.set("status") = yaml(
        "{phase: Running, conditions: [{type: Ready, status: 'True', lastTransitionTime: "
        "'2026-11-23T07:00:00Z'}]}");
  }
  Json& pod_on(std::string_view node) {
    for (Json& pod : pods_) {
      if (pod.get("spec", "nodeName").str() == node) return pod;
    }
    ADD_FAILURE() << "no pod on " << node;
    return pods_.front();
  }
  void update() {
    set_.set("metadata", "generation") = ++generation_;
    set_.set("spec", "template", "metadata", "annotations", "version") = fmt::format("{}", generation_);
  }

  /// One look, carried out at once. "+a" for a pod created on node a, "-a" for one removed there.
  std::vector<std::string> look() {
    Objects pods, nodes;
    for (const Json& pod : pods_) pods.push_back(&pod);
    for (const Json& node : nodes_) nodes.push_back(&node);
    const base::WallTime now = base::parse_rfc3339("2026-11-23T08:00:00Z").value();
    const Plan plan = reconcile_daemonset(set_, pods, nodes, now, random_);
    std::vector<std::string> done;
    for (const Write& write : plan.writes) {
      if (write.verb == Write::Verb::replace_status) {
        set_.set("status") = write.object["status"];
        continue;
      }
      const bool create = write.verb == Write::Verb::create;
      done.push_back((create ? "+" : "-") + write.object.get("spec", "nodeName").str());
      if (create) {
        Json pod = write.object;
        pod.set("metadata", "uid") = fmt::format("p{}", ++uids_);
        pods_.push_back(std::move(pod));
      } else {
        const std::string name = kube::name_of(write.object);
        std::erase_if(pods_, [&name](const Json& pod) { return kube::name_of(pod) == name; });
      }
    }
    return done;
  }

  Json set_ = yaml(R"(
metadata: {name: agent, namespace: test, uid: s1, generation: 1}
spec:
  selector: {matchLabels: {app: agent}}
  updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1, maxSurge: 0}}
  template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: a, image: b}]}}
)");
  int generation_ = 1, uids_ = 0;
  std::deque<Json> pods_;
  std::vector<Json> nodes_;
  base::Random random_{1};
};

TEST_F(DaemonSetTest, ReplacesOnePodAfterTheOther) {
  EXPECT_THAT(look(), IsEmpty());
  update();
  EXPECT_THAT(look(), ElementsAre("-a"));
  EXPECT_THAT(look(), ElementsAre("+a"));
  EXPECT_THAT(look(), IsEmpty()) << "the next one waits for the first to serve";
  EXPECT_EQ(set_["status"],
            yaml(R"({currentNumberScheduled: 3, numberMisscheduled: 0, desiredNumberScheduled: 3,
      numberReady: 2, observedGeneration: 2, updatedNumberScheduled: 1, numberAvailable: 2, numberUnavailable: 1})"));
  make_ready(pod_on("a"));
  EXPECT_THAT(look(), ElementsAre("-b"));
  EXPECT_THAT(look(), ElementsAre("+b"));
  make_ready(pod_on("b"));
  EXPECT_THAT(look(), ElementsAre("-c"));
  EXPECT_THAT(look(), ElementsAre("+c"));
  make_ready(pod_on("c"));
  EXPECT_THAT(look(), IsEmpty());
  EXPECT_EQ(set_.get("status", "numberAvailable").int_or(0), 3);
  EXPECT_TRUE(set_.get("status", "numberUnavailable").is_null());
}

TEST_F(DaemonSetTest, ReplacesPodsThatDoNotServeAtOnce) {
  pod_on("c").erase("status");
  update();
  EXPECT_THAT(look(), ElementsAre("-c")) << "nobody misses it, and it uses up what may be unavailable";
}

TEST_F(DaemonSetTest, ReplacesNothingWhileThatWouldTakeTooManyAway) {
  update();
  look();
  look();
  update();  // a fix, before the first one served
  EXPECT_THAT(look(), ElementsAre("-a"));
  EXPECT_THAT(look(), ElementsAre("+a"));
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(DaemonSetTest, StartsTheSuccessorFirstWithASurge) {
  set_.set("spec", "updateStrategy", "rollingUpdate") = yaml("{maxUnavailable: 0, maxSurge: 2}");
  update();
  EXPECT_THAT(look(), ElementsAre("+a", "+b"));
  EXPECT_THAT(look(), IsEmpty());
  make_ready(pods_.back());
  EXPECT_THAT(look(), ElementsAre("-b"));
  EXPECT_THAT(look(), ElementsAre("+c"));
}

TEST_F(DaemonSetTest, LeavesReplacementToOthersWithOnDelete) {
  set_.set("spec", "updateStrategy") = yaml("{type: OnDelete}");
  update();
  EXPECT_THAT(look(), IsEmpty());
  pods_.pop_front();
  EXPECT_THAT(look(), ElementsAre("+a"));
  EXPECT_THAT(look(), IsEmpty());
  EXPECT_EQ(set_.get("status", "updatedNumberScheduled").int_or(0), 1);
}

TEST_F(DaemonSetTest, FollowsTheNodeSelector) {
  set_.set("spec", "template", "spec", "nodeSelector") = yaml("{flagger.app/scale-to-zero: 'true'}");
  set_.set("metadata", "generation") = 2;
  EXPECT_THAT(look(), ElementsAre("-a", "-b", "-c"));
  look();
  EXPECT_EQ(set_["status"],
            yaml(R"({currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0,
      numberReady: 0, observedGeneration: 2})"));
  set_.set("spec", "template", "spec", "nodeSelector") = yaml("{disk: ssd}");
  EXPECT_THAT(look(), ElementsAre("+a", "+b", "+c"));
}

TEST_F(DaemonSetTest, CreatesNothingWhileItIsBeingDeleted) {
  set_.set("metadata", "deletionTimestamp") = "2026-11-23T08:00:00Z";
  pods_.pop_front();
  EXPECT_THAT(look(), IsEmpty());
}

}  // namespace
}  // namespace serin::local
