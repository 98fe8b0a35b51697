#include "local/apiserver/store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace serin::local {
namespace {

struct StoreTest : ::testing::Test {
  StoreTest()
      : directory(std::filesystem::temp_directory_path() / ("serin-store-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
  }
  ~StoreTest() override { std::filesystem::remove_all(directory); }

  [[nodiscard]] std::string path() const { return (directory / "state.db").string(); }
  std::unique_ptr<Store> open() const {
    auto store = open_sqlite_store(path());
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  static ObjectPtr object(std::int64_t value) {
    return std::make_shared<const base::Json>(base::Json::object({{"value", value}}));
  }

  std::filesystem::path directory;
};

TEST_F(StoreTest, GivesBackWhatWasPut) {
  {
    const auto store = open();
    ASSERT_TRUE(store->put({"", "pods", "a", "x"}, object(1), 1));
    ASSERT_TRUE(store->put({"apps", "deployments", "a", "x"}, object(2), 2));
    ASSERT_TRUE(store->put({"", "pods", "a", "x"}, object(3), 3));
    ASSERT_TRUE(store->put({"", "pods", "a", "gone"}, object(4), 4));
    ASSERT_TRUE(store->remove({"", "pods", "a", "gone"}, 5));
  }
  const auto contents = open()->load();
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->revision, 5u);
  ASSERT_EQ(contents->objects.size(), 2u);
  EXPECT_EQ(contents->objects[0].key, (StoreKey{"", "pods", "a", "x"}));
  EXPECT_EQ((*contents->objects[0].object)["value"], base::Json(3));
}

TEST_F(StoreTest, LosesNothingWhenTheProcessIsKilled) {
  {
    const auto store = open();
    ASSERT_TRUE(store->put({"", "pods", "a", "x"}, object(1), 7));
    // What a killed process leaves behind: the files as they are, the log not folded in.
    std::filesystem::copy(directory, directory / "after");
  }
  auto store = open_sqlite_store((directory / "after" / "state.db").string());
  ASSERT_TRUE(store) << store.error().message;
  const auto contents = (*store)->load();
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->revision, 7u);
  EXPECT_EQ(contents->objects.size(), 1u);
}

TEST_F(StoreTest, RefusesForeignAndDamagedFilesByName) {
  std::ofstream(path()) << "This is a letter, and no database at all. It is long enough to look at, though: "
                        << std::string(200, 'x');
  const auto foreign = open_sqlite_store(path());
  ASSERT_FALSE(foreign);
  EXPECT_NE(foreign.error().message.find(path()), std::string::npos) << foreign.error().message;
  EXPECT_NE(foreign.error().message.find("no SQLite database"), std::string::npos) << foreign.error().message;

  const auto nowhere = open_sqlite_store((directory / "no" / "such" / "file").string());
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().message.find("no/such/file"), std::string::npos);
}

TEST_F(StoreTest, IsOneProcessesOwn) {
  const auto store = open();
  ASSERT_TRUE(store->put({"", "pods", "a", "x"}, object(1), 1));
  const auto second = open_sqlite_store(path());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another process uses it"), std::string::npos)
      << second.error().message;
}

}  // namespace
}  // namespace serin::local
