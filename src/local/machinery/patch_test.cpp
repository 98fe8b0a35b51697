#include "local/machinery/patch.h"

#include <gtest/gtest.h>

#include "local/machinery/builtin.h"

namespace serin::local {
namespace {

Json json(std::string_view text) {
  auto parsed = Json::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Json();
}

struct Case {
  const char* name;
  const char* object;
  const char* patch;
  const char* expected;  ///< or the cause's message
};

TEST(JsonPatch, OperatesOnDocuments) {
  const Case cases[] = {
      {"add", R"({"a":1})", R"([{"op":"add","path":"/b","value":2}])", R"({"a":1,"b":2})"},
      {"append", R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
      {"insert", R"({"a":[1]})", R"([{"op":"add","path":"/a/0","value":2}])", R"({"a":[2,1]})"},
      {"escaped", R"({"a":{}})", R"([{"op":"add","path":"/a/x~1y~0z","value":2}])", R"({"a":{"x/y~z":2}})"},
      {"remove", R"({"a":[1,2]})", R"([{"op":"remove","path":"/a/0"}])", R"({"a":[2]})"},
      {"replace", R"({"a":1})", R"([{"op":"replace","path":"/a","value":{"b":1}}])", R"({"a":{"b":1}})"},
      {"move", R"({"a":1})", R"([{"op":"move","from":"/a","path":"/b"}])", R"({"b":1})"},
      {"copy", R"({"a":1})", R"([{"op":"copy","from":"/a","path":"/b"}])", R"({"a":1,"b":1})"},
      {"test", R"({"a":1})", R"([{"op":"test","path":"/a","value":1.0}])", R"({"a":1})"},
  };
  for (const Case& c : cases) {
    const auto result = json_patch(json(c.object), json(c.patch));
    ASSERT_TRUE(result) << c.name;
    EXPECT_EQ(*result, json(c.expected)) << c.name << ": " << result->dump();
  }
}

TEST(JsonPatch, SaysWhatCannotBeDone) {
  const auto failed = json_patch(json(R"({"a":1})"), json(R"([{"op":"test","path":"/a","value":2}])"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, 422);
  EXPECT_EQ(failed.error().details["causes"].at(0)["message"].str(), "testing value /a failed: test failed");
  EXPECT_FALSE(json_patch(json(R"({"a":[1]})"), json(R"([{"op":"remove","path":"/a/1"}])")));
  EXPECT_FALSE(json_patch(json(R"({})"), json(R"([{"op":"add","path":"/a/b","value":1}])")));
  const auto none = json_patch(json(R"({})"), json(R"({})"));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, 400);
}

TEST(MergePatch, MergesObjectsAndReplacesTheRest) {
  EXPECT_EQ(
      merge_patch(json(R"({"a":{"b":1,"c":2},"d":[1]})"), json(R"({"a":{"b":null,"e":{"f":null}},"d":[2]})")),
      json(R"({"a":{"c":2,"e":{}},"d":[2]})"));
}

TEST(StrategicMergePatch, MergesListsByKey) {
  const Type& type = *find_builtin("apps", "v1", "deployments")->type;
  const Case cases[] = {
      {"container by name",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"a","image":"x:1"},{"name":"b","image":"y"}]}}}})",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"a","image":"x:2"}]}}}})",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"a","image":"x:2"},{"name":"b","image":"y"}]}}}})"},
      {"delete one", R"({"spec":{"template":{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}}})",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"a","$patch":"delete"}]}}}})",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"b"}]}}}})"},
      {"replace the list", R"({"spec":{"template":{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}}})",
       R"({"spec":{"template":{"spec":{"containers":[{"$patch":"replace"},{"name":"c"}]}}}})",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"c"}]}}}})"},
      {"env keeps order given",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"2"}]}]}}}})",
       R"({"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"a","$setElementOrder/env":[{"name":"Z"},{"name":"X"},{"name":"Y"}],"env":[{"name":"Z","value":"0"}]}]}}}})",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"a","env":[{"name":"Z","value":"0"},{"name":"X","value":"1"},{"name":"Y","value":"2"}]}]}}}})"},
      {"atomic list", R"({"spec":{"template":{"spec":{"containers":[{"name":"a","command":["x","y"]}]}}}})",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"a","command":["z"]}]}}}})",
       R"({"spec":{"template":{"spec":{"containers":[{"name":"a","command":["z"]}]}}}})"},
      {"retain keys", R"({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}})",
       R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})",
       R"({"spec":{"strategy":{"type":"Recreate"}}})"},
      {"finalizers", R"({"metadata":{"finalizers":["a","b"]}})",
       R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"finalizers":["c"]}})",
       R"({"metadata":{"finalizers":["b","c"]}})"},
      {"nulls remove", R"({"metadata":{"labels":{"a":"b","c":"d"}}})",
       R"({"metadata":{"labels":{"a":null}}})", R"({"metadata":{"labels":{"c":"d"}}})"},
      {"map replaced", R"({"metadata":{"labels":{"a":"b"}}})",
       R"({"metadata":{"labels":{"$patch":"replace","x":"y"}}})", R"({"metadata":{"labels":{"x":"y"}}})"},
  };
  for (const Case& c : cases) {
    const auto result = strategic_merge_patch(json(c.object), json(c.patch), type);
    ASSERT_TRUE(result) << c.name;
    EXPECT_EQ(*result, json(c.expected)) << c.name << ": " << result->dump();
  }
}

TEST(StrategicMergePatch, RefusesElementsWithoutTheirKey) {
  const Type& type = *find_builtin("", "v1", "services")->type;
  const auto result = strategic_merge_patch(json(R"({"spec":{"ports":[]}})"),
                                            json(R"({"spec":{"ports":[{"name":"x"}]}})"), type);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, 422);
}

}  // namespace
}  // namespace serin::local
