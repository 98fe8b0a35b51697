#include "kube/cache.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/fake_api_for_tests.h"
#include "kube/virtual_time_for_tests.h"

namespace serin::kube {
namespace {

using base::Errc;
using ::testing::ElementsAre;
using namespace std::chrono_literals;

Json pod(std::string_view name, int version, std::string_view uid = "u") {
  return Json::object({{"metadata", Json::object({{"namespace", "test"},
                                                  {"name", name},
                                                  {"uid", uid},
                                                  {"resourceVersion", std::to_string(version)},
                                                  {"managedFields", Json::array({1})}})},
                       {"status", "big"}});
}

base::Result<std::optional<WatchEvent>> event(WatchEventType type, Json object) {
  return WatchEvent{type, std::move(object)};
}

class CacheTest : public ::testing::Test {
 protected:
  static constexpr auto added = WatchEventType::added, modified = WatchEventType::modified,
                        deleted = WatchEventType::deleted, bookmark = WatchEventType::bookmark;

  CacheTest() {
    cache.subscribe([this](const ObjectRef& ref, const Cache::Value& before, const Cache::Value& after) {
      changes.push_back(fmt::format("{} {} -> {}", ref.name, version_of(before), version_of(after)));
    });
  }
  static std::string version_of(const Cache::Value& value) {
    return value ? resource_version_of(*value) : "-";
  }

  /// Lets the cache run for some virtual time.
  void run_for(base::Duration time) {
    base::TaskGroup group(world.context.get_executor());
    group.spawn(cache.run());
    world.run(stop_after(&group, time));
  }
  base::Task<void> stop_after(base::TaskGroup* group, base::Duration time) {
    co_await world.clock.sleep_for(time);
    group->cancel();
    co_await group->join();
  }
  std::size_t count_calls(std::string_view call) { return std::ranges::count(api.calls, call); }

  testing::World world;
  testing::FakeApi api{world.clock};
  base::Random random{1};
  Cache cache{api,
              world.clock,
              random,
              base::Logger(),
              resources::pods,
              {.ns = "test", .prune = [](Json& object) { object.erase("status"); }},
              world.context.get_executor()};
  std::vector<std::string> changes;
};

TEST_F(CacheTest, ListsAndFollows) {
  api.lists = {List{{pod("a", 1), pod("b", 2)}, "5", ""}};
  api.watches = {testing::FakeApi::FakeWatch{{event(modified, pod("a", 6)), event(added, pod("c", 7)),
                                              event(deleted, pod("b", 8)), event(bookmark, pod("", 9))}}};
  run_for(30s);
  EXPECT_THAT(changes, ElementsAre("a - -> 1", "b - -> 2", "a 1 -> 6", "c - -> 7", "b 2 -> -"));
  EXPECT_THAT(api.calls, ElementsAre("list", "watch 5", "watch 9"));  // went on at the bookmark
  EXPECT_TRUE(cache.synced());
  EXPECT_EQ(cache.status().problem, "");
  EXPECT_EQ(cache.list("test").size(), 2u);
  EXPECT_EQ(cache.list("other").size(), 0u);
  EXPECT_EQ(cache.get({"test", "b"}), nullptr);
  const Cache::Value a = cache.get({"test", "a"});
  ASSERT_TRUE(a);
  EXPECT_EQ((*a)["metadata"].find("managedFields"), nullptr);
  EXPECT_EQ(a->find("status"), nullptr);
}

TEST_F(CacheTest, ReadsListsPageByPage) {
  api.lists = {List{{pod("a", 1)}, "5", "next"}, List{{pod("b", 2)}, "5", ""}};
  run_for(1s);
  EXPECT_THAT(api.calls, ElementsAre("list", "list from next", "watch 5"));
  EXPECT_EQ(cache.list().size(), 2u);
}

TEST_F(CacheTest, GoneIsListedAgainAndCompared) {
  api.lists = {List{{pod("a", 1), pod("b", 2), pod("c", 3, "old")}, "5", ""},
               List{{pod("a", 1), pod("c", 8, "new"), pod("d", 9)}, "9", ""}};
  api.watches = {testing::FakeApi::FakeWatch{{base::fail(Errc::gone, "too old")}}};
  run_for(10s);
  EXPECT_THAT(changes, ElementsAre("a - -> 1", "b - -> 2", "c - -> 3", "b 2 -> -", "c 3 -> -", "c - -> 8",
                                   "d - -> 9"));
  EXPECT_THAT(api.calls, ElementsAre("list", "watch 5", "list", "watch 9"));
}

TEST_F(CacheTest, LostConnectionsGoOnWhereTheyStopped) {
  api.lists = {List{{}, "5", ""}};
  api.watches = {
      testing::FakeApi::FakeWatch{{event(added, pod("a", 6)), base::fail(Errc::unavailable, "reset")}},
      base::fail(Errc::unavailable, "refused"), base::fail(Errc::unavailable, "refused")};
  run_for(30s);
  EXPECT_THAT(api.calls, ElementsAre("list", "watch 5", "watch 6", "watch 6", "watch 6"));
  EXPECT_THAT(changes, ElementsAre("a - -> 6"));
}

TEST_F(CacheTest, WatchesThatEndAtOnceDoNotSpin) {
  api.lists = {List{{}, "5", ""}};
  for (int i = 0; i < 1000; ++i) api.watches.push_back(testing::FakeApi::FakeWatch{});
  run_for(60s);
  EXPECT_LT(count_calls("watch 5"), 20u);
}

TEST_F(CacheTest, MissingApiIsRetriedSlowlyAndReported) {
  api.lists = {base::fail(Errc::not_found, "404 page not found")};
  run_for(100s);
  EXPECT_FALSE(cache.synced());
  EXPECT_TRUE(cache.status().api_missing);
  EXPECT_EQ(cache.status().problem, "404 page not found");
  EXPECT_LE(count_calls("list"), 10u);
  EXPECT_GE(count_calls("list"), 3u);

  api.lists = {List{{pod("a", 1)}, "5", ""}};
  run_for(31s);
  EXPECT_TRUE(cache.synced());
  EXPECT_FALSE(cache.status().api_missing);
  EXPECT_THAT(changes, ElementsAre("a - -> 1"));
}

TEST_F(CacheTest, RefusedListsBackOff) {
  api.lists = {base::fail(Errc::forbidden, "pods is forbidden")};
  run_for(10min);
  EXPECT_LT(count_calls("list"), 45u);
  EXPECT_EQ(cache.status().problem, "pods is forbidden");
}

TEST_F(CacheTest, LateObserversLearnWhatIsKnown) {
  api.lists = {List{{pod("a", 1)}, "5", ""}};
  run_for(1s);
  std::vector<std::string> seen;
  cache.subscribe([&](const ObjectRef& ref, const Cache::Value& before, const Cache::Value&) {
    seen.push_back(ref.name + version_of(before));
  });
  EXPECT_THAT(seen, ElementsAre("a-"));
}

TEST_F(CacheTest, ReadersKeepTheirVersion) {
  api.lists = {List{{pod("a", 1)}, "5", ""}};
  run_for(1s);
  const Cache::Value held = cache.get({"test", "a"});
  api.watches = {testing::FakeApi::FakeWatch{{event(modified, pod("a", 6))}}};
  run_for(5s);
  EXPECT_EQ(version_of(held), "1");
  EXPECT_EQ(version_of(cache.get({"test", "a"})), "6");
}

base::Task<bool> wait_for(Cache* cache) {
  co_await cache->wait_synced();
  co_return cache->synced();
}

TEST_F(CacheTest, WaitSynced) {
  api.lists = {base::fail(Errc::unavailable, "refused"), List{{pod("a", 1)}, "5", ""}};
  base::TaskGroup group(world.context.get_executor());
  group.spawn(cache.run());
  EXPECT_TRUE(world.get(wait_for(&cache)));
  world.run(stop_after(&group, 0s));
}

}  // namespace
}  // namespace serin::kube
