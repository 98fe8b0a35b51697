#include "cli/install.h"

#include <gmock/gmock.h>
#include <stdio.h>

#include <map>
#include <memory>

#include "base/yaml.h"

namespace serin::cli {
namespace {

using base::Json;

/// What a command prints; empty if it fails.
std::string output_of(const std::string& command) {
  const auto close = [](FILE* pipe) { ::pclose(pipe); };
  const std::unique_ptr<FILE, decltype(close)> pipe(::popen(command.c_str(), "r"), close);
  std::string text;
  char part[4096];
  for (std::size_t n = 0; (n = ::fread(part, 1, sizeof part, pipe.get())) > 0;) text.append(part, n);
  return text;
}

/// By "Kind/name".
std::map<std::string, Json> objects_in(const std::string& yaml) {
  std::map<std::string, Json> objects;
  const base::Result<std::vector<Json>> read = base::parse_yaml(yaml);
  EXPECT_TRUE(read) << (read ? "" : read.error().message);
  if (!read) return objects;
  for (const Json& object : *read)
    objects[object["kind"].str() + "/" + object.get("metadata", "name").str()] = object;
  return objects;
}

class InstallTest : public testing::TestWithParam<const char*> {};

TEST_P(InstallTest, IsWhatTheKustomizationMakes) {
  if (output_of("command -v kubectl").empty()) GTEST_SKIP() << "no kubectl on the PATH";
  const std::string provider = GetParam();
  // Warnings about old fields go to stderr.
  const auto kustomized =
      objects_in(output_of("kubectl kustomize " SERIN_DEPLOY "/" + provider + " 2> /dev/null"));
  const base::Result<std::string> text = manifests({.mesh_provider = provider});
  ASSERT_TRUE(text) << text.error().message;
  const auto installed = objects_in(*text);
  EXPECT_EQ(kustomized.size(), 10u);
  EXPECT_EQ(installed.size(), 10u);
  for (const auto& [name, object] : installed) {
    const auto found = kustomized.find(name);
    ASSERT_NE(found, kustomized.end()) << name;
    EXPECT_TRUE(found->second == object) << name << "\n" << found->second.dump() << "\n" << object.dump();
  }
}

INSTANTIATE_TEST_SUITE_P(Every, InstallTest, testing::Values("linkerd", "nginx", "kubernetes"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace serin::cli
