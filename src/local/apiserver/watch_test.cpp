#include <gmock/gmock.h>

#include "local/apiserver/registry_for_tests.h"

namespace serin::local {
namespace {

using ::testing::ElementsAre;
using testing::outcome;
using testing::World;
namespace res = kube::resources;

/// Everything a subscription has to say now: "added a", "deleted b", "410".
std::vector<std::string> drain(Subscription& subscription) {
  std::vector<std::string> seen;
  for (;;) {
    auto event = subscription.next();
    if (!event) {
      seen.push_back(std::to_string(event.error().code));
      return seen;
    }
    if (!event->has_value()) return seen;
    const char* const names[] = {"added ", "modified ", "deleted ", "bookmark"};
    seen.push_back(names[static_cast<int>((*event)->type)] + kube::name_of(*(*event)->object));
  }
}

void make(World& world, const std::string& name, const std::string& label = "x") {
  ASSERT_EQ(
      outcome(world.create(res::configmaps, "{metadata: {name: " + name + ", labels: {l: " + label + "}}}")),
      "ok");
}

std::unique_ptr<Subscription> watch(World& world, const WatchFlags& flags) {
  auto subscription = world.registry->watch(res::configmaps, "default", flags);
  EXPECT_EQ(outcome(subscription), "ok");
  return subscription ? std::move(*subscription) : nullptr;
}

TEST(Watch, BeginsWithWhatThereIsUnlessToldWhere) {
  World world;
  make(world, "a");
  const std::string from = std::to_string(world.registry->revision());
  make(world, "b");
  EXPECT_THAT(drain(*watch(world, {})), ElementsAre("added a", "added b"));
  EXPECT_THAT(drain(*watch(world, {.resource_version = "0"})), ElementsAre("added a", "added b"));
  EXPECT_THAT(drain(*watch(world, {.resource_version = from})), ElementsAre("added b"));
  EXPECT_THAT(drain(*watch(world, {.initial_events = true})), ElementsAre("added a", "added b", "bookmark"));
}

TEST(Watch, TellsEachChangeOnce) {
  World world;
  auto subscription = watch(world, {});
  int woken = 0;
  subscription->on_change([&] { ++woken; });
  make(world, "a");
  ASSERT_EQ(outcome(world.merge(res::configmaps, "a", "{data: {k: v}}")), "ok");
  ASSERT_EQ(outcome(world.create(res::configmaps, "{metadata: {name: far}}", "kube-system")), "ok");
  ASSERT_EQ(outcome(world.remove(res::configmaps, "a")), "ok");
  EXPECT_EQ(woken, 4);
  EXPECT_THAT(drain(*subscription), ElementsAre("added a", "modified a", "deleted a"));
  EXPECT_THAT(drain(*subscription), ElementsAre());
}

TEST(Watch, ADeletionCarriesItsOwnRevision) {
  World world;
  make(world, "a");
  auto subscription = watch(world, {.resource_version = std::to_string(world.registry->revision())});
  ASSERT_EQ(outcome(world.remove(res::configmaps, "a")), "ok");
  auto event = subscription->next();
  ASSERT_TRUE(event && event->has_value());
  EXPECT_EQ(kube::resource_version_of(*(*event)->object), std::to_string(world.registry->revision()));
}

TEST(Watch, ObjectsEnterAndLeaveASelection) {
  World world;
  make(world, "a", "no");
  auto subscription = watch(world, {.label_selector = "l=yes"});
  EXPECT_THAT(drain(*subscription), ElementsAre());
  ASSERT_EQ(outcome(world.merge(res::configmaps, "a", "{metadata: {labels: {l: 'yes'}}}")), "ok");
  EXPECT_THAT(drain(*subscription), ElementsAre("added a"));
  ASSERT_EQ(outcome(world.merge(res::configmaps, "a", "{data: {k: v}}")), "ok");
  EXPECT_THAT(drain(*subscription), ElementsAre("modified a"));
  ASSERT_EQ(outcome(world.merge(res::configmaps, "a", "{metadata: {labels: {l: 'no'}}}")), "ok");
  EXPECT_THAT(drain(*subscription), ElementsAre("deleted a"));
  ASSERT_EQ(outcome(world.remove(res::configmaps, "a")), "ok");
  EXPECT_THAT(drain(*subscription), ElementsAre());
}

TEST(Watch, RefusesWhatIsForgotten) {
  World world;
  world.open({.history_max = 3});
  make(world, "a");
  const std::string early = std::to_string(world.registry->revision());
  auto slow = watch(world, {});
  for (const char* name : {"b", "c", "d", "e", "f"}) make(world, name);
  auto late = world.registry->watch(res::configmaps, "", {.resource_version = early});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, 410);
  EXPECT_EQ(late.error().reason, "Expired");
  EXPECT_THAT(drain(*slow), ElementsAre("added a", "410"));
}

TEST(Watch, RefusesWhatWasBeforeARestart) {
  World world;
  make(world, "a");
  const std::string early = std::to_string(world.registry->revision());
  make(world, "b");
  world.open();
  EXPECT_EQ(outcome(world.registry->watch(res::configmaps, "", {.resource_version = early})).substr(0, 11),
            "410 Expired");
  EXPECT_EQ(outcome(world.registry->watch(res::configmaps, "",
                                          {.resource_version = std::to_string(world.registry->revision())})),
            "ok");
}

TEST(Watch, BookmarksNameTheRevisionThatWasSeen) {
  World world;
  auto subscription = watch(world, {});
  const Event bookmark = subscription->bookmark(42);
  EXPECT_EQ(
      bookmark.object->dump(),
      R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"42","creationTimestamp":null}})");
}

}  // namespace
}  // namespace serin::local
