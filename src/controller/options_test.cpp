#include "controller/options.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "controller/connection.h"

namespace serin::controller {
namespace {

using ::testing::HasSubstr;

TEST(Options, MistakesAreNamedWithTheirRemedy) {
  EXPECT_TRUE(check({}));
  Options provider, labels, encoding, server, none, hook, port;
  port.port = 70000;
  provider.mesh_provider = "istio";
  labels.selector_labels = {""};
  encoding.zap_encoding = "xml";
  server.metrics_server = "prometheus:9090";
  none.metrics_server = "";
  hook.event_webhook = "hooks.example/secret";
  const std::vector<std::pair<Options, std::string>> cases = {
      {provider, "\"istio\" is not supported, use linkerd"},
      {labels, "-selector-labels: name at least one label, such as app"},
      {encoding, "-zap-encoding \"xml\": use json or console"},
      {server, "-metrics-server is not a URL: give one such as http://host:9090"},
      {port, "-port 70000: use 1 to 65535, or 0 for any free one"},
      {none, "-metrics-server is empty: give the URL of Prometheus"},
      {hook, "-event-webhook is not a URL: give one such as http://host:9090"}};
  for (const auto& [options, text] : cases) {
    const base::Result<void> checked = check(options);
    ASSERT_FALSE(checked) << text;
    EXPECT_THAT(checked.error().message, HasSubstr(text));
  }
}

class ClusterTest : public testing::Test {
 protected:
  ClusterTest() { std::filesystem::create_directories(folder_); }
  ~ClusterTest() override { std::filesystem::remove_all(folder_); }

  /// The path of a kubeconfig for this server.
  std::string kubeconfig(const std::string& name, const std::string& server) {
    const std::filesystem::path file = folder_ / name;
    std::ofstream(file) << "{current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], "
                           "clusters: [{name: a, cluster: {server: \""
                        << server << "\"}}], users: [{name: a, user: {token: t}}]}";
    return file;
  }

 private:
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("serin-options-" + std::to_string(::getpid()));
};

TEST_F(ClusterTest, IsTheKubeconfigsElseTheUsersElseTheMasters) {
  Options options;
  EXPECT_FALSE(connection_of(options));
  options.master = "http://127.0.0.1:1";
  EXPECT_EQ(connection_of(options).value().server.port, "1");
  options.home_kubeconfig = kubeconfig("home", "https://127.0.0.1:2");
  EXPECT_EQ(connection_of(options).value().credentials.token, "t");
  EXPECT_EQ(connection_of(options).value().server.port, "1");
  options.master.clear();
  EXPECT_EQ(connection_of(options).value().server.port, "2");
  options.kubeconfig = kubeconfig("given", "https://127.0.0.1:3");
  EXPECT_EQ(connection_of(options).value().server.port, "3");
}

TEST_F(ClusterTest, TheMeshMustBeInIt) {
  Options options;
  options.kubeconfig = kubeconfig("workloads", "https://127.0.0.1:3");
  const kube::Connection cluster = connection_of(options).value();
  EXPECT_TRUE(check_mesh_cluster(options, cluster));
  options.kubeconfig_service_mesh = kubeconfig("same", "https://127.0.0.1:3");
  EXPECT_TRUE(check_mesh_cluster(options, cluster));
  options.kubeconfig_service_mesh = kubeconfig("mesh", "https://127.0.0.1:4");
  const base::Result<void> other = check_mesh_cluster(options, cluster);
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("names the cluster 127.0.0.1:4, and the workloads are in "
                                               "127.0.0.1:3: a mesh in another cluster is not supported"));
  options.kubeconfig_service_mesh = "/nowhere";
  EXPECT_THAT(check_mesh_cluster(options, cluster).error().message, HasSubstr("-kubeconfig-service-mesh"));
}

}  // namespace
}  // namespace serin::controller
