#include "local/machinery/selectors.h"

#include <gtest/gtest.h>

#include "local/machinery/names.h"
#include "local/machinery/quantity.h"

namespace serin::local {
namespace {

const Json labels = Json::object({{"app", "web"}, {"tier", "a"}, {"n", "7"}});

TEST(LabelSelector, Matches) {
  const std::pair<const char*, bool> cases[] = {
      {"", true},
      {"app=web", true},
      {"app==web,tier=a", true},
      {"app!=web", false},
      {"missing!=x", true},
      {"tier in (a,b)", true},
      {"tier notin (a, b)", false},
      {"app", true},
      {"!app", false},
      {"!other", true},
      {"n>6", true},
      {"n<7", false},
      {"app in (x)", false},
      {"app=", false},
  };
  for (const auto& [text, expected] : cases) {
    const auto selector = LabelSelector::parse(text);
    ASSERT_TRUE(selector) << text << selector.error().message;
    EXPECT_EQ(selector->matches(labels), expected) << text;
  }
  for (const char* wrong : {"app in", "app in (a", "=x", "a=b=c", "a b", "-x=1"}) {
    EXPECT_FALSE(LabelSelector::parse(wrong)) << wrong;
  }
}

TEST(LabelSelector, FromObjects) {
  const auto parsed = Json::parse(
      R"({"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"In","values":["b","a"]}]})");
  const auto selector = LabelSelector::from_object(*parsed);
  ASSERT_TRUE(selector);
  EXPECT_TRUE(selector->matches(labels));
  EXPECT_EQ(selector->text(), "app=web,tier in (a,b)");
  EXPECT_FALSE(LabelSelector::from_object(Json())->matches(labels));
  EXPECT_TRUE(LabelSelector::from_object(Json::object())->matches(labels));
}

TEST(FieldSelector, Matches) {
  const auto pod = Json::parse(R"({"metadata":{"name":"x"},"status":{"phase":"Running"},"spec":{}})");
  const auto selects = [&](const char* text) {
    const auto selector = FieldSelector::parse(text, {"status.phase", "spec.nodeName"});
    return selector && selector->matches(*pod);
  };
  EXPECT_TRUE(selects("status.phase=Running,spec.nodeName="));
  EXPECT_TRUE(selects("metadata.name==x"));
  EXPECT_FALSE(selects("status.phase!=Running"));
  const auto unknown = FieldSelector::parse("spec.x=1", {});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message, "field label not supported: spec.x");
}

TEST(Quantity, CanonicalForm) {
  const std::pair<const char*, const char*> cases[] = {
      {"0.1", "100m"},     {"100m", "100m"},   {"1000m", "1"}, {"1024Mi", "1Gi"}, {"1500Mi", "1500Mi"},
      {"0", "0"},          {"1e3", "1e3"},     {"1k", "1k"},   {"2500", "2500"},  {"1000", "1k"},
      {"1.5Gi", "1536Mi"}, {"0.5Mi", "512Ki"}, {"-5", "-5"},   {"5E", "5E"},      {"1.5", "1500m"},
      {"1Ki", "1Ki"},      {"512", "512"},
  };
  for (const auto& [text, expected] : cases) {
    const auto quantity = Quantity::parse(text);
    ASSERT_TRUE(quantity) << text;
    EXPECT_EQ(quantity->canonical(), expected) << text;
  }
  for (const char* wrong : {"", "abc", "1z", "1mm", "1.2.3", "--1", "1 "})
    EXPECT_FALSE(Quantity::parse(wrong)) << wrong;
  EXPECT_LT(*Quantity::parse("999m"), *Quantity::parse("1"));
  EXPECT_EQ(Quantity::parse("64Mi")->value(), 64 * 1024 * 1024);
  EXPECT_EQ(Quantity::parse("1.0001")->milli_value(), 1001);
}

TEST(Names, SayWhatIsWrong) {
  EXPECT_TRUE(check_dns1123_label("my-name").empty());
  EXPECT_EQ(check_dns1123_label("a.b"), std::vector<std::string>{"must not contain dots"});
  EXPECT_EQ(check_qualified_name("a/b/c").size(), 1U);
  EXPECT_TRUE(check_qualified_name("example.com/my_Name").empty());
  EXPECT_FALSE(check_label_value(std::string(64, 'a')).empty());
  EXPECT_FALSE(check_port_name("toolongnameofaport").empty());
}

}  // namespace
}  // namespace serin::local
