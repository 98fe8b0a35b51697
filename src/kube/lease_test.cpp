#include "kube/lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/fake_api_for_tests.h"
#include "kube/virtual_time_for_tests.h"

namespace serin::kube {
namespace {

using base::Errc;
using base::fail;
using namespace std::chrono_literals;

/// One stored lease with the API's version check, and two candidates.
class Lease : public ::testing::Test {
 protected:
  Lease() {
    api.on_get = [this](auto&&...) -> base::Result<Json> {
      if (down) return fail(Errc::unavailable, "refused");
      if (stored.is_null()) return fail(Errc::not_found, "no lease");
      return stored;
    };
    api.on_create = [this](const Resource&, const Json& object) { return store(object); };
    api.on_replace = [this](const Resource&, const Json& object) -> base::Result<Json> {
      if (resource_version_of(object) != resource_version_of(stored)) return fail(Errc::conflict, "stale");
      return store(object);
    };
  }
  base::Result<Json> store(Json object) {
    if (down) return fail(Errc::unavailable, "refused");
    object.set("metadata", "resourceVersion") = std::to_string(++version);
    return stored = std::move(object);
  }
  LeaderElection candidate(const char* name) {
    return LeaderElection(api, world.clock, random, base::Logger(), {.ns = "kube-system", .identity = name});
  }
  base::Duration now() { return world.clock.now().time_since_epoch(); }
  const std::string& holder() { return stored.get("spec", "holderIdentity").str(); }

  testing::World world;
  testing::FakeApi api{world.clock};
  base::Random random{1};
  Json stored;
  int version = 0;
  bool down = false;
};

TEST_F(Lease, FirstCandidateCreatesIt) {
  LeaderElection a = candidate("a");
  EXPECT_FALSE(a.is_leader());
  world.run(a.acquire());
  EXPECT_TRUE(a.is_leader());
  EXPECT_EQ(stored["spec"].dump(),
            R"({"acquireTime":"2026-11-23T04:00:00.000000Z","leaseTransitions":0,"holderIdentity":"a",)"
            R"("leaseDurationSeconds":60,"renewTime":"2026-11-23T04:00:00.000000Z"})");
}

base::Task<void> hold_for(testing::World* world, LeaderElection* election, base::Duration time) {
  base::TaskGroup group(world->context.get_executor());
  group.spawn(election->hold());
  co_await world->clock.sleep_for(time);
  group.cancel();
  co_await group.join();
}

TEST_F(Lease, RenewalsKeepOthersOut) {
  LeaderElection a = candidate("a");
  LeaderElection b = candidate("b");
  world.run(a.acquire());
  base::TaskGroup group(world.context.get_executor());
  group.spawn(b.acquire());
  world.run(hold_for(&world, &a, 10min));
  EXPECT_TRUE(a.is_leader());
  EXPECT_FALSE(b.is_leader());
  EXPECT_EQ(b.holder(), "a");
  EXPECT_GE(version, 100);
  world.run(group.join());  // a is silent from here on: b takes over after a's 60 s
  EXPECT_TRUE(b.is_leader());
  EXPECT_FALSE(a.is_leader());
  EXPECT_GE(now(), 10min + 55s);
  EXPECT_LE(now(), 10min + 70s);
  EXPECT_EQ(stored.get("spec", "leaseTransitions").as_int(), 1);
}

TEST_F(Lease, ReleaseHandsOverAtOnce) {
  LeaderElection a = candidate("a");
  LeaderElection b = candidate("b");
  world.run(a.acquire());
  EXPECT_TRUE(world.get(a.release()));
  EXPECT_FALSE(a.is_leader());
  EXPECT_EQ(holder(), "");
  EXPECT_EQ(stored.get("spec", "leaseDurationSeconds").as_int(), 1);
  const base::Duration released = now();
  world.run(b.acquire());
  EXPECT_LE(now() - released, 5s);
  EXPECT_TRUE(world.get(a.release()));  // no longer ours: untouched
  EXPECT_EQ(holder(), "b");
}

TEST_F(Lease, LostWhenTheApiIsAway) {
  LeaderElection a = candidate("a");
  world.run(a.acquire());
  down = true;
  world.run(a.hold());
  EXPECT_FALSE(a.is_leader());
  EXPECT_EQ(now(), 15s);
}

TEST_F(Lease, FenceFallsEvenIfNobodyRenews) {
  LeaderElection a = candidate("a");
  world.run(a.acquire());
  world.run(world.clock.sleep_for(14s));
  EXPECT_TRUE(a.is_leader());
  world.run(world.clock.sleep_for(1s));
  EXPECT_FALSE(a.is_leader());
}

TEST_F(Lease, LostToAnotherHolder) {
  LeaderElection a = candidate("a");
  world.run(a.acquire());
  stored.set("spec", "holderIdentity") = "thief";
  (void)store(stored);
  world.run(a.hold());
  EXPECT_FALSE(a.is_leader());
  EXPECT_LE(now(), 6s);
}

}  // namespace
}  // namespace serin::kube
