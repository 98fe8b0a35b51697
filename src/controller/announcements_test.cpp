#include "controller/announcements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace serin::controller {
namespace {

using base::Json;
using canary::Announce;
using testing::ElementsAre;
using testing::IsEmpty;

struct Ear final : Announcer {
  void announce(const Json&, const canary::Spec&, const Announce& event, Delivery delivery) override {
    heard.push_back(event.text);
    deliveries.push_back(std::move(delivery));
  }
  void note(const canary::Spec&, const canary::Note&) override {}
  void alert(const canary::Spec&, const canary::Alert& alert, Delivery delivery) override {
    heard.push_back("alert " + alert.text);
    deliveries.push_back(std::move(delivery));
  }
  std::vector<std::string> heard;
  std::vector<Delivery> deliveries;
};

class AnnouncementsTest : public testing::Test {
 protected:
  boost::asio::io_context context;
  base::Wakeup changed{context.get_executor()};
  Ear ear;
  Announcements announcements{ear, changed};
  canary::Spec spec;
  base::WallTime now{};
  Json canary = Json::object({{"metadata", Json::object({{"uid", "u"}, {"resourceVersion", "7"}})}});
  const std::vector<canary::Message> failed = {
      Announce{Announce::Kind::warning, "Canary failed!", canary::Phase::failed},
      canary::Alert{canary::Severity::error, "Too many errors"}};
};

TEST_F(AnnouncementsTest, AreStoredToldOnceAndTakenOffWhenAllHaveArrived) {
  announcements.enter(canary, failed, now);
  EXPECT_EQ(canary.get("status", "announcing").items().size(), 2u);
  announcements.tell(canary, spec);
  announcements.tell(canary, spec);
  EXPECT_THAT(ear.heard, ElementsAre("Canary failed!", "alert Too many errors"));
  EXPECT_NE(ear.deliveries[0].id, ear.deliveries[1].id);
  ear.deliveries.pop_back();
  EXPECT_FALSE(announcements.is_due(canary));
  ear.deliveries.clear();
  EXPECT_TRUE(announcements.is_due(canary));
  announcements.enter(canary, {}, now);
  EXPECT_TRUE(canary.get("status", "announcing").is_null());
  EXPECT_FALSE(announcements.is_due(canary));
}

TEST_F(AnnouncementsTest, AStepTakesOffWhatHasArrivedAndKeepsTheRest) {
  announcements.enter(canary, failed, now);
  announcements.tell(canary, spec);
  ear.deliveries.erase(ear.deliveries.begin());
  canary.set("metadata", "resourceVersion") = "8";
  announcements.enter(canary, {Announce{Announce::Kind::normal, "Next", canary::Phase::progressing}}, now);
  const Json& list = canary.get("status", "announcing");
  ASSERT_EQ(list.items().size(), 2u);
  EXPECT_EQ(list.at(0)["text"].str(), "Too many errors");
  EXPECT_EQ(list.at(1)["text"].str(), "Next");
}

TEST_F(AnnouncementsTest, ThoseOfAnEarlierControllerAreToldUnderTheirIds) {
  announcements.enter(canary, failed, now);
  Ear next_ear;
  Announcements next(next_ear, changed);
  next.tell(canary, spec);
  EXPECT_THAT(next_ear.heard, ElementsAre("Canary failed!", "alert Too many errors"));
  EXPECT_EQ(next_ear.deliveries[0].id, canary.get("status", "announcing").at(0)["id"].str());
}

TEST_F(AnnouncementsTest, WhatIsNoMessageIsTakenOff) {
  canary.set("status", "announcing") = Json::array({Json::object({{"id", "x"}, {"text", "?"}}), "text"});
  announcements.tell(canary, spec);
  EXPECT_THAT(ear.heard, IsEmpty());
  EXPECT_TRUE(announcements.is_due(canary));
}

TEST_F(AnnouncementsTest, ReceiptsMayOutliveThem) {
  announcements.enter(canary, failed, now);
  std::optional<Announcements> gone(std::in_place, ear, changed);
  gone->tell(canary, spec);
  gone.reset();
  ear.deliveries.clear();
}

}  // namespace
}  // namespace serin::controller
