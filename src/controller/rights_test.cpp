/// What deploy/controller/role.yaml must give where no other test's controller goes.
#include <gtest/gtest.h>

#include "kube/authorized_api_for_tests.h"
#include "routing/router.h"

namespace serin::controller {
namespace {

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

}  // namespace
}  // namespace serin::controller
