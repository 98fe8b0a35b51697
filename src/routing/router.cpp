#include "routing/router.h"

#include <fmt/format.h>

#include "routing/gateway.h"
#include "routing/gloo.h"
#include "routing/nginx.h"
#include "routing/none.h"
#include "routing/smi.h"

namespace serin::routing {

base::Result<std::vector<std::unique_ptr<Router>>> routers_for(const std::string& provider,
                                                               const RouterOptions& options) {
  // What may follow a name after a colon says for which mesh it is meant, which is all the same here.
  const auto is = [&](std::string_view name) {
    return provider == name || provider.starts_with(fmt::format("{}:", name));
  };
  std::vector<std::unique_ptr<Router>> routers;
  if (provider == "linkerd") {
    for (const kube::Resource& resource : split_resources())
      routers.push_back(make_smi_router(resource.version));
  } else if (is("smi:v1alpha1") || is("smi:v1alpha2") || is("smi:v1alpha3")) {
    routers.push_back(make_smi_router(provider.substr(4, 8)));
  } else if (provider.starts_with("gatewayapi:v1")) {
    // Any other version is taken for v1 (spec 05 §6.1).
    routers.push_back(make_gateway_router(provider.starts_with("gatewayapi:v1beta1") ? "v1beta1" : "v1"));
    routers.push_back(make_linkerd_route_router());
  } else if (provider == "linkerd:httproute") {
    routers.push_back(make_linkerd_route_router());
  } else if (is("nginx")) {
    routers.push_back(make_nginx_router(options.ingress_annotations_prefix));
  } else if (provider.starts_with("gloo")) {
    routers.push_back(make_gloo_router(options.no_cross_namespace_refs));
  } else if (provider == "kubernetes") {
    routers.push_back(make_no_router());
  } else {
    return base::fail(
        base::Errc::invalid,
        fmt::format("spec.provider: \"{}\" is not supported, use linkerd, linkerd:httproute, "
                    "smi:v1alpha1, smi:v1alpha2, smi:v1alpha3, gatewayapi:v1, gatewayapi:v1beta1, "
                    "nginx, gloo or kubernetes",
                    provider));
  }
  return routers;
}

std::string foreign_controller(const Json& live, const canary::Spec& spec) {
  const Json& owner = kube::controller_owner(live);
  if (owner.is_null() || owner["uid"].str() == spec.uid) return "";
  return fmt::format("{} {} controls it: delete it, or give spec.service.name another value",
                     owner["kind"].str(), owner["name"].str());
}

}  // namespace serin::routing
