#include "local/controllers/namespaces.h"

namespace serin::local {

namespace res = kube::resources;

namespace {

constexpr const char* root_ca_name = "kube-root-ca.crt";

void furnish(const std::string& name, const NamespaceView& view, const std::string& ca_certificate,
             Plan& plan) {
  if (!view.service_account) {
    plan.writes.push_back(
        {Write::Verb::create, res::serviceaccounts,
         Json::object({{"apiVersion", "v1"},
                       {"kind", "ServiceAccount"},
                       {"metadata", Json::object({{"name", "default"}, {"namespace", name}})}})});
  }
  if (ca_certificate.empty()) return;
  const Json data = Json::object({{"ca.crt", ca_certificate}});
  if (view.root_ca && (*view.root_ca)["data"] == data) return;
  Json config = Json::object({{"apiVersion", "v1"}, {"kind", "ConfigMap"}});
  if (view.root_ca) config = *view.root_ca;
  config.set("metadata", "name") = root_ca_name;
  config.set("metadata", "namespace") = name;
  config.set("metadata", "annotations", "kubernetes.io/description") =
      "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such "
      "as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
      "distributions of Kubernetes clusters.";
  config.set("data") = data;
  const auto verb = view.root_ca ? Write::Verb::replace : Write::Verb::create;
  plan.writes.push_back({verb, res::configmaps, std::move(config)});
}

void empty_out(const Json& ns, const NamespaceView& view, Plan& plan) {
  for (const GraphNode* node : view.contents) {
    if (node->deleting) continue;
    const Json metadata =
        Json::object({{"name", node->ref.name}, {"namespace", node->ref.ns}, {"uid", node->uid}});
    Write removal{Write::Verb::remove, node->resource, Json::object({{"metadata", metadata}})};
    removal.propagation = "Background";
    plan.writes.push_back(std::move(removal));
  }
  if (!view.contents.empty()) return;
  Json finalized = ns;
  auto& finalizers = finalized.set("spec", "finalizers").make_array();
  if (std::erase_if(finalizers, [](const Json& f) { return f.str() == "kubernetes"; }) == 0) return;
  plan.writes.push_back({Write::Verb::finalize, res::namespaces, std::move(finalized)});
}

}  // namespace

Plan reconcile_namespace(const Json& ns, const NamespaceView& view, const std::string& ca_certificate) {
  Plan plan;
  if (kube::is_being_deleted(ns)) {
    empty_out(ns, view, plan);
  } else {
    furnish(kube::name_of(ns), view, ca_certificate, plan);
  }
  return plan;
}

}  // namespace serin::local
