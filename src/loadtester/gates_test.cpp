#include "loadtester/gates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace serin::loadtester {
namespace {

using testing::HasSubstr;

class GatesTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("serin-gates-test-" + std::to_string(::getpid()));
  std::filesystem::path file_ = folder_ / "gates.json";
};

TEST_F(GatesTest, StayOpenOverARestart) {
  auto gates = Gates::load(file_);
  ASSERT_TRUE(gates.has_value()) << gates.error().message;
  EXPECT_TRUE(gates->set("podinfo.test", true).has_value());
  EXPECT_TRUE(gates->set("rollback.podinfo.test", true).has_value());
  EXPECT_TRUE(gates->set("rollback.podinfo.test", false).has_value());
  const auto again = Gates::load(file_);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_TRUE(again->is_open("podinfo.test"));
  EXPECT_FALSE(again->is_open("rollback.podinfo.test"));
  EXPECT_EQ(again->open_count(), 1u);
}

TEST_F(GatesTest, ABrokenFileIsNamedWithTheRemedy) {
  for (const char* text : {"", "{", "[]", R"({"open":{}})"}) {
    std::ofstream(file_) << text;
    const auto gates = Gates::load(file_);
    ASSERT_FALSE(gates.has_value()) << text;
    EXPECT_THAT(gates.error().message, HasSubstr(file_.string()));
    EXPECT_THAT(gates.error().message, HasSubstr("remove it to start with all gates closed"));
  }
}

TEST_F(GatesTest, AFolderThatIsMissingIsToldAtTheStart) {
  const auto gates = Gates::load(folder_ / "missing" / "gates.json");
  ASSERT_FALSE(gates.has_value());
  EXPECT_THAT(gates.error().message, HasSubstr("can't be written: No such file or directory"));
}

TEST_F(GatesTest, AGateThatCannotBeStoredStaysAsItWas) {
  auto gates = Gates::load(file_);
  ASSERT_TRUE(gates.has_value());
  ASSERT_TRUE(gates->set("open.test", true).has_value());
  std::filesystem::remove_all(folder_);
  EXPECT_FALSE(gates->set("podinfo.test", true).has_value());
  EXPECT_FALSE(gates->is_open("podinfo.test"));
  EXPECT_FALSE(gates->set("open.test", false).has_value());
  EXPECT_TRUE(gates->is_open("open.test"));
}

}  // namespace
}  // namespace serin::loadtester
