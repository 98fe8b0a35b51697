#include "kube/events.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/fake_api_for_tests.h"
#include "kube/virtual_time_for_tests.h"

namespace serin::kube {
namespace {

using base::Errc;
using base::fail;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

class Events : public ::testing::Test {
 protected:
  Events() {
    api.on_create = [this](const Resource&, const Json& event) -> base::Result<Json> {
      if (auto failure = take_failure()) return fail(*failure);
      written.push_back(fmt::format("{} x{}", event["message"].str(), event["count"].int_or(0)));
      texts[name_of(event)] = event["message"].str();
      last_created = event;
      return event;
    };
    api.on_patch = [this](const Resource&, const std::string& name, const Json& patch) -> base::Result<Json> {
      if (auto failure = take_failure()) return fail(*failure);
      written.push_back(fmt::format("{} x{} at {}", texts[name], patch["count"].int_or(0), seconds()));
      return patch;
    };
    group.spawn(recorder.run());
  }
  ~Events() override {
    group.cancel();
    world.run(group.join());
  }
  std::optional<base::Error> take_failure() {
    if (failures.empty()) return std::nullopt;
    const base::Errc code = failures.front();
    failures.pop_front();
    return base::Error{code, "no"};
  }
  long seconds() {
    return std::chrono::floor<std::chrono::seconds>(world.clock.now().time_since_epoch()).count();
  }
  void record(std::string text, EventType type = EventType::normal) {
    recorder.record({"flagger.app/v1beta1", "Canary", "test", "podinfo", "uid", "7"}, type, std::move(text));
  }
  void wait(base::Duration time) { world.run(world.clock.sleep_for(time)); }
  bool flush(base::Duration limit) { return world.get(recorder.flush(world.clock.now() + limit)); }

  testing::World world;
  testing::FakeApi api{world.clock};
  base::Random random{1};
  EventRecorder recorder{
      api, world.clock, random, base::Logger(), {.queue_max = 5}, world.context.get_executor()};
  base::TaskGroup group{world.context.get_executor()};
  std::vector<std::string> written;
  std::map<std::string, std::string> texts;
  std::deque<base::Errc> failures;
  Json last_created;
};

TEST_F(Events, LookLikeTheReferences) {
  record("Starting canary analysis for podinfo.test");
  EXPECT_TRUE(flush(1s));
  EXPECT_EQ(
      last_created.dump(),
      R"({"apiVersion":"v1","kind":"Event","metadata":{"name":"podinfo.18ea909bbb768000","namespace":"test"},)"
      R"("involvedObject":{"kind":"Canary","namespace":"test","name":"podinfo","uid":"uid",)"
      R"("apiVersion":"flagger.app/v1beta1","resourceVersion":"7"},"reason":"Synced",)"
      R"("message":"Starting canary analysis for podinfo.test","source":{"component":"flagger"},)"
      R"("firstTimestamp":"2026-11-23T04:00:00Z","lastTimestamp":"2026-11-23T04:00:00Z","count":1,)"
      R"("type":"Normal","eventTime":null,"reportingComponent":"flagger","reportingInstance":""})");
}

TEST_F(Events, AreWrittenInOrderAndNeverMergedAcrossTexts) {
  for (const char* text : {"a", "b", "c"}) record(text);
  record("a", EventType::warning);
  EXPECT_TRUE(flush(1s));
  EXPECT_THAT(written, ElementsAre("a x1", "b x1", "c x1", "a x1"));
}

TEST_F(Events, RepeatsRaiseTheCountAtMostOncePerTenSeconds) {
  for (int i = 0; i < 25; ++i) {
    record("waiting");
    wait(1s);
  }
  EXPECT_TRUE(flush(1s));
  EXPECT_THAT(written,
              ElementsAre("waiting x1", "waiting x10 at 10", "waiting x20 at 20", "waiting x25 at 25"));
}

TEST_F(Events, NewTextsDoNotWaitForRepeats) {
  record("waiting");
  wait(1s);
  record("waiting");
  record("approved");
  wait(1s);
  EXPECT_THAT(written, ElementsAre("waiting x1", "approved x1"));
  wait(10s);
  EXPECT_EQ(written.size(), 3u);
}

TEST_F(Events, AreRetriedInOrder) {
  failures = {Errc::unavailable, Errc::timeout};
  record("a");
  record("b");
  EXPECT_TRUE(flush(60s));
  EXPECT_THAT(written, ElementsAre("a x1", "b x1"));
  EXPECT_EQ(recorder.dropped(), 0u);
}

TEST_F(Events, RefusedOnesAreCounted) {
  failures = {Errc::forbidden};
  record("a");
  record("b");
  EXPECT_TRUE(flush(60s));
  EXPECT_THAT(written, ElementsAre("b x1"));
  EXPECT_EQ(recorder.dropped(), 1u);
}

TEST_F(Events, ExpiredOnesStartAnew) {
  record("a");
  wait(20s);
  failures = {Errc::not_found};
  record("a");
  EXPECT_TRUE(flush(1s));
  EXPECT_THAT(written, ElementsAre("a x1", "a x1"));
}

TEST_F(Events, ThoseWithAnIdStandForThemselves) {
  const EventTarget target{"flagger.app/v1beta1", "Canary", "test", "podinfo", "uid", "7"};
  const auto receipt = std::make_shared<int>();
  record("Advance");
  recorder.record(target, EventType::normal, "Advance", {"1", receipt});
  recorder.record(target, EventType::normal, "Advance", {"2", receipt});
  EXPECT_EQ(receipt.use_count(), 3);
  EXPECT_TRUE(flush(1s));
  EXPECT_THAT(written, ElementsAre("Advance x1", "Advance x1", "Advance x1"));
  EXPECT_EQ(name_of(last_created), "podinfo.2");
  EXPECT_EQ(receipt.use_count(), 1) << "let go of when written";
}

// Scenario 60: a controller that died has written it.
TEST_F(Events, OneThatIsThereAlreadyIsNotLost) {
  failures = {Errc::already_exists};
  const EventTarget target{"flagger.app/v1beta1", "Canary", "test", "podinfo", "uid", "7"};
  recorder.record(target, EventType::normal, "Advance", {"1", nullptr});
  EXPECT_TRUE(flush(1s));
  EXPECT_THAT(written, IsEmpty());
  EXPECT_EQ(recorder.dropped(), 0u);
}

TEST_F(Events, TheQueueIsBounded) {
  failures.assign(1000, Errc::unavailable);
  for (int i = 0; i < 20; ++i) record(std::to_string(i));
  EXPECT_EQ(recorder.dropped(), 15u);
  EXPECT_FALSE(flush(5s));
  EXPECT_THAT(written, IsEmpty());
}

}  // namespace
}  // namespace serin::kube
