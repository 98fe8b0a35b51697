#include "cli/install.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "base/yaml.h"

namespace serin::cli {
namespace {

using base::Json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// The objects that are printed for these options.
std::vector<Json> printed(const InstallOptions& options) {
  const base::Result<std::string> text = manifests(options);
  EXPECT_TRUE(text) << (text ? "" : text.error().message);
  const base::Result<std::vector<Json>> objects = base::parse_yaml(text.value_or(""));
  EXPECT_TRUE(objects) << (objects ? "" : objects.error().message);
  return objects.value_or(std::vector<Json>());
}

std::vector<std::string> names(const std::vector<Json>& objects) {
  std::vector<std::string> names;
  for (const Json& object : objects)
    names.push_back(object["kind"].str() + "/" + object.get("metadata", "name").str());
  return names;
}

Json one(const std::vector<Json>& objects, std::string_view kind) {
  const auto found =
      std::ranges::find(objects, kind, [](const Json& object) { return object["kind"].str(); });
  return found == objects.end() ? Json() : *found;
}

std::string setting(const Json& deployment, std::string_view name) {
  const Json& container = deployment.get("spec", "template", "spec", "containers").at(0);
  for (const Json& variable : container["env"].items()) {
    if (variable["name"].str() == name) return variable["value"].str();
  }
  return "none";
}

TEST(Install, PrintsWhatTheKustomizationHolds) {
  const std::vector<Json> objects = printed({});
  EXPECT_THAT(names(objects),
              ElementsAre("CustomResourceDefinition/alertproviders.flagger.app",
                          "CustomResourceDefinition/canaries.flagger.app",
                          "CustomResourceDefinition/metrictemplates.flagger.app", "Namespace/flagger-system",
                          "ServiceAccount/flagger", "ClusterRoleBinding/flagger",
                          "RoleBinding/flagger-leader-election", "ClusterRole/flagger",
                          "Role/flagger-leader-election", "Deployment/flagger"));
  const Json deployment = one(objects, "Deployment");
  EXPECT_EQ(setting(deployment, "MESH_PROVIDER"), "linkerd");
  EXPECT_EQ(setting(deployment, "METRICS_SERVER"), "http://prometheus.linkerd-viz:9090");
  EXPECT_EQ(setting(one(printed({.mesh_provider = "nginx"}), "Deployment"), "METRICS_SERVER"),
            "http://prometheus:9090");
}

TEST(Install, PutsEverythingIntoTheNamespaceThatIsAskedFor) {
  const std::vector<Json> objects = printed({.ns = "linkerd", .authorization_policy = true});
  EXPECT_THAT(names(objects), Not(Contains("Namespace/linkerd")));
  for (const char* kind : {"ServiceAccount", "RoleBinding", "Role", "Deployment"})
    EXPECT_EQ(one(objects, kind).get("metadata", "namespace").str(), "linkerd") << kind;
  for (const char* kind : {"RoleBinding", "ClusterRoleBinding"})
    EXPECT_EQ(one(objects, kind)["subjects"].at(0)["namespace"].str(), "linkerd") << kind;
  const Json policy = one(objects, "AuthorizationPolicy");
  EXPECT_EQ(policy.get("metadata", "namespace").str(), "linkerd-viz");
  EXPECT_EQ(policy.get("spec", "requiredAuthenticationRefs").at(0)["namespace"].str(), "linkerd");
}

TEST(Install, SetsProviderMetricsServerAndImage) {
  const Json deployment = one(printed({.mesh_provider = "gatewayapi:v1",
                                       .metrics_server = "http://prometheus.monitoring:9090/prefix",
                                       .image = "registry.example:5000/serin@sha256:0123"}),
                              "Deployment");
  EXPECT_EQ(setting(deployment, "MESH_PROVIDER"), "gatewayapi:v1");
  EXPECT_EQ(setting(deployment, "METRICS_SERVER"), "http://prometheus.monitoring:9090/prefix");
  EXPECT_EQ(deployment.get("spec", "template", "spec", "containers").at(0)["image"].str(),
            "registry.example:5000/serin@sha256:0123");
}

TEST(Install, RefusesWhatCannotBeMeant) {
  const std::vector<std::pair<InstallOptions, std::string>> cases = {
      {{.ns = "a b"}, "-n \"a b\": give the name of a namespace"},
      {{.mesh_provider = "istio"}, "-mesh-provider"},
      {{.metrics_server = "prometheus"}, "-metrics-server \"prometheus\": give a URL"},
      {{.metrics_server = "http://prometheus/\n- x"}, "-metrics-server"},
      {{.image = "serin\nx"}, "-image"}};
  for (const auto& [options, text] : cases) {
    const auto refused = manifests(options);
    ASSERT_FALSE(refused) << text;
    EXPECT_THAT(refused.error().message, HasSubstr(text));
  }
}

}  // namespace
}  // namespace serin::cli
