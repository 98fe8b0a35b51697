#include "routing/gloo_upstream.h"

#include <fmt/format.h>

#include "routing/common.h"
#include "routing/overlay.h"

namespace serin::routing {
namespace {

/// What a new Upstream takes over from the one that spec.upstreamRef names.
constexpr const char* taken_over[] = {
    "labels",
    "sslConfig",
    "circuitBreakers",
    "connectionConfig",
    "loadBalancerConfig",
    "useHttp2",
    "initialStreamWindowSize",
    "initialConnectionWindowSize",
    "httpProxyHostName",
};

/// The Upstream that spec.upstreamRef names; null: it names none.
base::Result<const Json*> find_model(const Situation& situation) {
  const canary::Spec& spec = situation.spec;
  if (!spec.upstream) return nullptr;
  const std::string ns = spec.upstream->ns.empty() ? spec.ns : spec.upstream->ns;
  const Json* model = situation.live(upstream_resource(), {ns, spec.upstream->name});
  if (model) return model;
  return base::fail(base::Errc::not_found,
                    fmt::format("config upstream {}.{} get query error: {}", spec.upstream->name, ns,
                                not_found(upstream_resource(), spec.upstream->name)));
}

base::Result<Writes> reconciled(const Situation& situation, Role role) {
  const canary::Spec& spec = situation.spec;
  const std::string name = upstream_name(spec, role), service = service_name(spec, role);
  const Json* live_service = situation.live(kube::resources::services, {spec.ns, service});
  if (!live_service) {
    return base::fail(base::Errc::not_found,
                      fmt::format("service {}.{} get query error: {}", service, spec.ns,
                                  not_found(kube::resources::services, service)));
  }
  const base::Result<const Json*> model = find_model(situation);
  if (!model) return base::fail(model.error());
  const Json* live = situation.live(upstream_resource(), {spec.ns, name});
  if (live) {
    if (const std::string other = foreign_controller(*live, spec); !other.empty())
      return base::fail(base::Errc::conflict, fmt::format("upstream {}.{}: {}", name, spec.ns, other));
  }
  Json upstream = live ? *live : new_object(situation, upstream_resource(), name);
  Json& body = upstream.set("spec");
  body = overlaid(body, Json::object({{"kube", Json::object({{"serviceName", service},
                                                             {"serviceNamespace", spec.ns},
                                                             {"servicePort", spec.service.port}})}}));
  body.set("kube", "selector") = live_service->get("spec", "selector");
  for (const char* field : taken_over) {
    const bool follows = !live || std::string_view(field) == "loadBalancerConfig";
    if (*model && follows && (*model)->get("spec").contains(field))
      body.set(field) = (*model)->get("spec", field);
  }
  if (live && upstream == *live) return Writes();
  return Writes{
      {upstream_resource(), std::move(upstream), live ? Write::Verb::replace : Write::Verb::create,
       fmt::format("upstream {}.{} {}", name, spec.ns, live ? "spec patch error" : "create query error"),
       ""}};
}

}  // namespace

const kube::Resource& upstream_resource() {
  static const kube::Resource resource{"gloo.solo.io", "v1", "upstreams", "Upstream"};
  return resource;
}

std::string upstream_name(const canary::Spec& spec, Role role) {
  return fmt::format("{}-{}-{}upstream-{}", spec.ns, spec.service.name,
                     role == Role::primary ? "primary" : "canary", spec.service.port);
}

base::Result<Writes> reconciled_upstream(const Situation& situation, Role role) {
  const std::string context =
      fmt::format("error creating flagger {} upstream", role == Role::primary ? "primary" : "canary");
  base::Result<Writes> writes = reconciled(situation, role);
  if (!writes) return base::fail(writes.error().within(context));
  for (Write& write : *writes) write.attempt = fmt::format("{}: {}", context, write.attempt);
  return writes;
}

}  // namespace serin::routing
