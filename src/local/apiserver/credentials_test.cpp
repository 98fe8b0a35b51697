#include "local/apiserver/credentials.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/yaml.h"

namespace serin::local {
namespace {

unsigned mode_of(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777u : 0;
}

TEST(Credentials, AreMadeOnceAndKeptPrivate) {
  const std::string directory =
      (std::filesystem::temp_directory_path() / ("serin-credentials-" + std::to_string(::getpid()))).string();
  std::filesystem::remove_all(directory);
  base::SystemClock clock;
  const auto first = ensure_credentials(directory, clock);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(mode_of(directory), 0700u);
  for (const char* name : {"ca.key", "server.key", "admin.key", "token"}) {
    EXPECT_EQ(mode_of(directory + "/" + name), 0600u) << name;
  }
  const auto second = ensure_credentials(directory, clock);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->token, first->token);
  EXPECT_EQ(second->server.key_pem, first->server.key_pem);
  std::filesystem::remove(directory + "/ca.crt");
  const auto renewed = ensure_credentials(directory, clock);
  ASSERT_TRUE(renewed);
  EXPECT_NE(renewed->server.certificate_pem, first->server.certificate_pem) << "signed by the new authority";

  const auto config = base::parse_yaml(kubeconfig_text(*first, "https://127.0.0.1:1", "serin"));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->front()["clusters"].at(0).get("cluster", "server").str(), "https://127.0.0.1:1");
  EXPECT_EQ(config->front()["current-context"].str(), "serin");
  std::filesystem::remove_all(directory);
}

TEST(Credentials, NameTheFileThatCannotBeMade) {
  base::SystemClock clock;
  const auto failed = ensure_credentials("/proc/no/such", clock);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("/proc/no/such"), std::string::npos);
}

}  // namespace
}  // namespace serin::local
