#include "notify/event_webhook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "notify/receivers_for_tests.h"

namespace serin::notify {
namespace {

using namespace std::chrono_literals;
using base::Json;
using base::Task;
using canary::Announce;
using canary::Phase;
using kube::testing::World;
using Texts = std::vector<std::string>;

canary::Spec spec_with(std::vector<std::string> urls, int retries = 0) {
  canary::Spec spec;
  spec.name = "podinfo";
  spec.ns = "test";
  for (const std::string& url : urls) {
    canary::Webhook hook;
    hook.name = "events";
    hook.type = canary::HookType::event;
    hook.url = url;
    hook.retries = retries;
    spec.webhooks.push_back(hook);
  }
  return spec;
}

Announce event(const std::string& text) {
  return {Announce::Kind::normal, text, Phase::progressing};
}

struct Scene {
  World world;
  testing::Receivers receivers{world.clock};
  testing::Log log;
  hooks::Webhooks webhooks{receivers, receivers, world.clock};
  EventWebhooks events;
  base::TaskGroup group{world.context.get_executor()};
  bool flushed = false;

  explicit Scene(const std::string& default_url = "", std::size_t queue_max = 100)
      : events(webhooks, world.clock, log.logger, default_url, world.context.get_executor(), queue_max) {}

  Task<void> play(base::Duration limit) {
    group.spawn(events.run());
    flushed = co_await events.flush(world.clock.now() + limit);
    group.cancel();
    co_await group.join();
  }
  /// The texts of the events that a host was sent.
  [[nodiscard]] Texts texts(const std::string& host) const {
    Texts result;
    for (const std::string& body : receivers.bodies(host)) {
      result.push_back(Json::parse(body).value()["metadata"]["eventMessage"].str());
    }
    return result;
  }
};

TEST(EventPayload, HasTheEventAndTheHooksOwnMetadata) {
  canary::Webhook hook;
  hook.metadata = {{"team", "a"}, {"eventType", "mine"}};
  const base::WallTime now{std::chrono::milliseconds(1795406400123)};
  Announce warning{Announce::Kind::error, "Halt", Phase::progressing};
  EXPECT_EQ(
      event_payload(spec_with({}), hook, warning, "85d557f47b", now).dump(),
      R"({"name":"podinfo","namespace":"test","phase":"Progressing","checksum":"85d557f47b",)"
      R"("metadata":{"eventType":"Warning","team":"a","eventMessage":"Halt","timestamp":"1795406400123"}})");
  EXPECT_EQ(event_payload(spec_with({}), {}, event("x"), "", now)["metadata"]["eventType"].str(), "Normal");
}

TEST(EventWebhooks, SendInOrderToEveryHook) {
  Scene scene("http://default.test/");
  const canary::Spec spec = spec_with({"http://a.test/", "http://b.test/"});
  for (const char* text : {"one", "two", "three"}) scene.events.send(spec, event(text), "c");
  scene.world.run(scene.play(10s));
  EXPECT_TRUE(scene.flushed);
  EXPECT_EQ(scene.texts("a.test"), (Texts{"one", "two", "three"}));
  EXPECT_EQ(scene.texts("b.test"), (Texts{"one", "two", "three"}));
  EXPECT_EQ(scene.texts("default.test"), Texts{});
}

TEST(EventWebhooks, TheDefaultIsForCanariesWithoutAHook) {
  Scene scene("http://default.test/");
  scene.events.send(spec_with({}), event("one"), "c");
  scene.world.run(scene.play(10s));
  EXPECT_EQ(scene.texts("default.test"), Texts{"one"});
  Scene none;
  none.events.send(spec_with({}), event("one"), "c");
  none.world.run(none.play(10s));
  EXPECT_TRUE(none.receivers.sent.empty());
}

TEST(EventWebhooks, ADeadReceiverDelaysNoOther) {
  Scene scene;
  scene.receivers.dead["dead.test"] = true;
  const canary::Spec spec = spec_with({"http://dead.test/", "http://alive.test/"});
  for (int canary = 0; canary < 300; ++canary) scene.events.send(spec, event("e"), "c");
  const base::MonoTime before = scene.world.clock.now();
  scene.world.run(scene.play(3s));
  EXPECT_FALSE(scene.flushed);
  EXPECT_LE(scene.world.clock.now() - before, 3s);  // shutdown does not wait for the dead
  EXPECT_GT(scene.texts("alive.test").size(), 40u);
  EXPECT_EQ(scene.texts("dead.test").size(), 1u);
}

TEST(EventWebhooks, WhatIsTooMuchIsDroppedAndCounted) {
  Scene scene("", 2);
  const canary::Spec spec = spec_with({"http://a.test/"});
  for (const char* text : {"one", "two", "three"}) scene.events.send(spec, event(text), "c");
  scene.events.send(spec, event("four"), "c");
  EXPECT_EQ(scene.events.dropped(), 2u);
  EXPECT_EQ(scene.log.texts(),
            Texts{"events for webhooks are lost: a receiver takes them too slowly, or not at all"});
  scene.world.run(scene.play(10s));
  EXPECT_EQ(scene.texts("a.test"), (Texts{"three", "four"}));
}

TEST(EventWebhooks, RepeatAsTheHookSaysAndLogWhatIsLost) {
  Scene scene;
  const http::Response overloaded{503, {}, "busy"};
  scene.receivers.scripts["a.test"] = {overloaded, overloaded, overloaded};
  const canary::Spec spec = spec_with({"http://a.test/?token=x"}, 1);
  scene.events.send(spec, event("one"), "c");  // twice in vain
  scene.events.send(spec, event("two"), "c");  // the second time with success
  scene.world.run(scene.play(60s));
  EXPECT_EQ(scene.texts("a.test"), (Texts{"one", "one", "two", "two"}));
  EXPECT_EQ(
      scene.log.texts(),
      Texts{
          "error sending event to webhook: POST http://a.test/... giving up after 2 attempt(s): 503 Service "
          "Unavailable: busy"});
  EXPECT_EQ((*scene.log.lines)[0]["canary"].str(), "podinfo.test");
}

}  // namespace
}  // namespace serin::notify
