#include "base/json.h"

#include <gtest/gtest.h>

namespace serin::base {
namespace {

TEST(Json, KeepsNumbersAndOrderAsWritten) {
  const std::string text = R"({"z":1.0,"a":[1e3,-7,12345678901234567890123,0.1],"m":{"b":null,"a":true}})";
  const auto value = Json::parse(text);
  ASSERT_TRUE(value);
  EXPECT_EQ(value->dump(), text);
}

TEST(Json, EscapesOnlyWhatItMust) {
  const auto value = Json::parse(R"("a\"\\\n\u0001é<>\ud83d\ude00")");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->dump(), "\"a\\\"\\\\\\n\\u0001é<>😀\"");
}

TEST(Json, NamesThePlaceOfAnError) {
  const auto value = Json::parse("{\n \"a\": }");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, Errc::invalid);
  EXPECT_NE(value.error().message.find("line 2"), std::string::npos) << value.error().message;
}

TEST(Json, RefusesWhatNestsTooDeep) {
  EXPECT_TRUE(Json::parse(std::string(150, '[') + std::string(150, ']')));
  const auto deep = Json::parse(std::string(100000, '['));
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().message, "nested deeper than 200 levels");
}

TEST(Json, LooksUpWithoutTests) {
  const auto value = *Json::parse(R"({"spec":{"replicas":3,"names":["x"]}})");
  EXPECT_EQ(value.get("spec", "replicas").as_int(), 3);
  EXPECT_TRUE(value.get("spec", "nothing", "at", "all").is_null());
  EXPECT_EQ(value["spec"]["names"].at(0).str(), "x");
  EXPECT_TRUE(value["spec"]["names"].at(7).is_null());
}

TEST(Json, LooksUpInLargeObjects) {
  Json large = Json::object();
  for (int i = 0; i < 100'000; ++i) large.set(std::to_string(i)) = i;
  EXPECT_EQ(Json::parse(large.dump()).value(), large) << "in far less time than a quadratic way would take";
  Json copy = large;
  EXPECT_TRUE(copy.erase("99999"));
  EXPECT_TRUE(copy.erase("5"));
  EXPECT_FALSE(copy.erase("5"));
  copy.set("6") = "six";
  copy.set("new") = "last";
  EXPECT_EQ(copy.size(), large.size() - 1);
  EXPECT_EQ(copy["6"].str(), "six");
  EXPECT_EQ(copy["99998"], Json(99998));
  EXPECT_TRUE(copy["5"].is_null());
  EXPECT_EQ(large["5"], Json(5));
  EXPECT_EQ((copy.members().end() - 1)->key, "new");
}

TEST(Json, WritesPaths) {
  Json value;
  value.set("metadata", "labels", "app") = "podinfo";
  value.set("spec", "replicas") = 2;
  EXPECT_EQ(value.dump(), R"({"metadata":{"labels":{"app":"podinfo"}},"spec":{"replicas":2}})");
  EXPECT_TRUE(value.find("spec")->erase("replicas"));
  EXPECT_FALSE(value.erase("nothing"));
}

TEST(Json, ComparesAsData) {
  EXPECT_EQ(*Json::parse(R"({"a":5,"b":[1]})"), *Json::parse(R"({"b":[1.0],"a":5.0})"));
  EXPECT_NE(*Json::parse(R"({"a":null})"), *Json::parse("{}"));
  EXPECT_NE(Json("5"), Json(5));
}

TEST(Json, TellsIntegersFromFractions) {
  EXPECT_EQ(Json::parse("5.0")->as_int(), 5);
  EXPECT_EQ(Json::parse("5e1")->as_int(), 50);
  EXPECT_EQ(Json::parse("5.5")->as_int(), std::nullopt);
  EXPECT_EQ(Json("5").as_int(), std::nullopt);
  EXPECT_EQ(Json(0.25).dump(), "0.25");
}

TEST(Json, SortsAllLevels) {
  EXPECT_EQ(sorted(*Json::parse(R"({"b":[{"d":1,"c":2}],"a":0})")).dump(), R"({"a":0,"b":[{"c":2,"d":1}]})");
}

}  // namespace
}  // namespace serin::base
