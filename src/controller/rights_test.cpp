/// What deploy/controller/role.yaml must give where no other test's controller goes, and what happens
/// without.
#include <gmock/gmock.h>

#include "controller/controller_for_tests.h"
#include "routing/router.h"

namespace serin::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

TEST(Rights, CoverTheKindsOfEveryProvider) {
  const kube::testing::Rights rights(SERIN_CONTROLLER_ROLE);
  for (const char* provider : {"linkerd", "linkerd:httproute", "smi:v1alpha3", "gatewayapi:v1",
                               "gatewayapi:v1beta1", "nginx", "gloo", "kubernetes"}) {
    const auto routers = routing::routers_for(provider, {});
    ASSERT_TRUE(routers) << routers.error().message;
    for (const auto& router : *routers) {
      const std::vector<kube::Resource> kinds = router->kinds();
      for (const kube::Resource& kind : kinds) {
        for (const char* verb : {"get", "list", "watch"})
          EXPECT_TRUE(rights.allow(verb, kind, ""))
              << provider << ": " << verb << " " << kind.group_resource();
      }
      for (const char* verb : {"create", "update"}) {
        if (kinds.empty()) break;
        EXPECT_TRUE(rights.allow(verb, kinds.front(), "")) << provider << ": " << verb;
      }
    }
  }
}

TEST(Rights, AMissingOneIsToldOnceAndWaitedFor) {
  testing::Stage stage;
  stage.api.withdrawn = {"list secrets", "list trafficsplits.split.smi-spec.io"};
  stage.create(kube::resources::deployments, R"(
metadata: {name: podinfo}
spec:
  selector: {matchLabels: {app: podinfo}}
  template:
    metadata: {labels: {app: podinfo}}
    spec: {containers: [{name: podinfod, image: "podinfo:6.0.0"}]}
)");
  stage.create(kube::resources::canaries, R"(
metadata: {name: podinfo}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service: {port: 9898}
  analysis: {interval: 10s, threshold: 3, maxWeight: 60, stepWeight: 20}
)");
  stage.cluster.settle(std::chrono::minutes(2));
  EXPECT_THAT(stage.texts, ElementsAre(StartsWith("podinfo.default waits for the right to watch secrets: ")));
  EXPECT_TRUE(stage.get(kube::resources::deployments, "podinfo-primary").is_null());
  stage.texts.clear();
  stage.api.withdrawn.erase("list secrets");
  stage.cluster.settle(std::chrono::minutes(2));
  EXPECT_THAT(stage.texts, ElementsAre(StartsWith("podinfo.default waits for the right to watch "
                                                  "trafficsplits.split.smi-spec.io: ")));
  stage.api.withdrawn.clear();
  EXPECT_TRUE(stage.reaches("Initialized"));
}

}  // namespace
}  // namespace serin::controller
