#include "routing/router.h"

#include <algorithm>

#include "routing/cluster_for_tests.h"

namespace serin::routing {
namespace {

TEST(Providers, HaveTheirRoutersBestFirst) {
  const struct {
    const char* provider;
    Lines kinds;  ///< the first of each router
  } table[] = {
      {"linkerd", {"split.smi-spec.io/v1alpha1", "split.smi-spec.io/v1alpha2", "split.smi-spec.io/v1alpha3"}},
      {"linkerd:httproute", {"policy.linkerd.io/v1beta3"}},
      {"smi:v1alpha1", {"split.smi-spec.io/v1alpha1"}},
      {"smi:v1alpha2:linkerd", {"split.smi-spec.io/v1alpha2"}},
      {"smi:v1alpha3", {"split.smi-spec.io/v1alpha3"}},
      {"gatewayapi:v1", {"gateway.networking.k8s.io/v1", "policy.linkerd.io/v1beta3"}},
      {"gatewayapi:v1alpha2", {"gateway.networking.k8s.io/v1", "policy.linkerd.io/v1beta3"}},
      {"gatewayapi:v1beta1", {"gateway.networking.k8s.io/v1beta1", "policy.linkerd.io/v1beta3"}},
      {"gatewayapi:v1beta1x", {"gateway.networking.k8s.io/v1beta1", "policy.linkerd.io/v1beta3"}},
      {"nginx", {"networking.k8s.io/v1"}},
      {"gloo", {"gateway.solo.io/v1"}},
      {"gloo:v1", {"gateway.solo.io/v1"}},
      {"kubernetes", {"none"}},
  };
  for (const auto& row : table) {
    const auto routers = routers_for(row.provider, {});
    ASSERT_TRUE(routers) << row.provider;
    Lines kinds;
    for (const auto& router : *routers)
      kinds.push_back(router->kinds().empty() ? "none" : router->kinds().front().api_version());
    EXPECT_EQ(kinds, row.kinds) << row.provider;
  }
}

TEST(Providers, ThatAreNotSupportedAreNamedWithThoseThatAre) {
  for (const std::string provider :
       {"istio", "appmesh:v1beta2", "contour", "kuma", "skipper", "traefik", "apisix", "knative", "osm",
        "gatewayapi", "smi", "smi:v1alpha4", "supergloo:istio", "linkerd2", ""}) {
    const auto routers = routers_for(provider, {});
    ASSERT_FALSE(routers) << provider;
    EXPECT_EQ(routers.error().code, base::Errc::invalid);
    EXPECT_EQ(
        routers.error().message,
        "spec.provider: \"" + provider +
            "\" is not supported, use linkerd, linkerd:httproute, smi:v1alpha1, smi:v1alpha2, smi:v1alpha3, "
            "gatewayapi:v1, gatewayapi:v1beta1, nginx, gloo or kubernetes");
  }
}

TEST(Providers, TakeTheFlagsOptions) {
  canary::Spec spec = podinfo();
  spec.upstream = canary::UpstreamRef{"model", "gloo-system"};
  EXPECT_EQ(routers_for("gloo", {.no_cross_namespace_refs = true})->front()->problems(spec).size(), 1u);
  EXPECT_EQ(routers_for("gloo", {})->front()->problems(spec).size(), 0u);
}

TEST(Providers, LookAtTheKindsOfAllTheirObjects) {
  canary::Spec spec = podinfo();
  spec.ingress_name = "podinfo";
  spec.upstream = canary::UpstreamRef{"model", ""};
  for (const char* provider :
       {"linkerd", "gatewayapi:v1", "linkerd:httproute", "nginx", "gloo", "kubernetes"}) {
    const auto routers = routers_for(provider, {});
    for (const auto& router : routers.value()) {
      const std::vector<kube::Resource> kinds = router->kinds();
      for (const ObjectKey& key : router->objects(spec))
        EXPECT_NE(std::ranges::find(kinds, key.resource), kinds.end())
            << provider << " " << key.resource.plural;
    }
  }
}

}  // namespace
}  // namespace serin::routing
