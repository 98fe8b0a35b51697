#include "notify/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/virtual_time_for_tests.h"

namespace serin::notify {
namespace {

using namespace std::chrono_literals;
using base::Task;
using kube::testing::World;
using Texts = std::vector<std::string>;

/// Deliveries that take time and write down when they end.
struct Scene {
  World world;
  Outbox outbox;
  base::TaskGroup group{world.context.get_executor()};
  Texts delivered;
  bool flushed = false;

  explicit Scene(std::size_t waiting_max = 100)
      : outbox(world.context.get_executor(), waiting_max, {}, "messages") {}

  Task<void> deliver(std::string text, base::Duration takes) {
    co_await world.clock.sleep_for(takes);
    delivered.push_back(std::move(text));
  }
  void post(const std::string& receiver, const std::string& text, base::Duration takes = 1s) {
    outbox.post(receiver, [this, text, takes] { return deliver(text, takes); });
  }
  Task<void> play(base::Duration limit) {
    group.spawn(outbox.run());
    flushed = co_await outbox.flush(world.clock, world.clock.now() + limit);
    group.cancel();
    co_await group.join();
  }
};

TEST(Outbox, KeepsTheOrderOfEachReceiver) {
  Scene scene;
  scene.post("a", "a1", 3s);
  scene.post("a", "a2", 1s);
  scene.post("b", "b1", 2s);
  scene.world.run(scene.play(60s));
  EXPECT_TRUE(scene.flushed);
  EXPECT_EQ(scene.delivered, (Texts{"b1", "a1", "a2"}));
}

TEST(Outbox, ADeadReceiverDelaysOnlyItself) {
  Scene scene;
  scene.post("dead", "late", 1h);
  for (int i = 0; i < 3; ++i) scene.post("alive", "b" + std::to_string(i));
  scene.world.run(scene.play(5s));
  EXPECT_FALSE(scene.flushed);
  EXPECT_EQ(scene.delivered, (Texts{"b0", "b1", "b2"}));
}

TEST(Outbox, TheFullestLaneLosesItsOldest) {
  Scene scene(4);
  scene.post("alive", "b0");
  for (int i = 0; i < 5; ++i) scene.post("dead", "d" + std::to_string(i));
  EXPECT_EQ(scene.outbox.dropped(), 2u);
  scene.world.run(scene.play(60s));
  EXPECT_EQ(scene.delivered, (Texts{"b0", "d2", "d3", "d4"}));
}

Task<void> post_later(Scene* scene) {
  scene->group.spawn(scene->outbox.run());
  scene->post("a", "first");
  co_await scene->world.clock.sleep_for(10s);
  EXPECT_EQ(scene->delivered, Texts{"first"});
  scene->post("a", "second");
  co_await scene->world.clock.sleep_for(10s);
  EXPECT_EQ(scene->delivered, (Texts{"first", "second"}));
  scene->group.cancel();
  co_await scene->group.join();
}

TEST(Outbox, GoesOnAfterItWasEmpty) {
  Scene scene;
  scene.world.run(post_later(&scene));
}

TEST(Outbox, NothingToFlushIsFlushed) {
  Scene scene;
  scene.world.run(scene.play(0s));
  EXPECT_TRUE(scene.flushed);
}

}  // namespace
}  // namespace serin::notify
