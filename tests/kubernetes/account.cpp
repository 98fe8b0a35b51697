#include "tests/kubernetes/account.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/yaml.h"
#include "tests/kubernetes/expectation.h"

namespace serin::kubernetes_test {

using base::fail;
using base::Json;
using base::Result;
using base::Task;

namespace {

const std::vector<kube::Resource>& kinds() {
  static const std::string rbac = "rbac.authorization.k8s.io";
  static const std::vector<kube::Resource> all = {
      kube::resources::namespaces,
      kube::resources::serviceaccounts,
      {rbac, "v1", "clusterroles", "ClusterRole", false},
      {rbac, "v1", "clusterrolebindings", "ClusterRoleBinding", false},
      {rbac, "v1", "roles", "Role"},
      {rbac, "v1", "rolebindings", "RoleBinding"}};
  return all;
}

Result<void> write_kubeconfig(const std::filesystem::path& admin, const std::string& token,
                              const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(admin).rdbuf();
  Result<std::vector<Json>> config = base::parse_yaml(text.str());
  if (!config) return fail(config.error().within(admin.string()));
  config->at(0).set("users").make_array().at(0).set("user") = Json::object({{"token", token}});
  std::ofstream out(file);
  out << config->at(0).dump();
  out.close();
  if (!out) return fail(base::Errc::internal, "cannot write " + file.string());
  return {};
}

}  // namespace

Task<Result<std::filesystem::path>> install_account(kube::Api* api, std::filesystem::path manifests,
                                                    std::filesystem::path admin) {
  for (const char* file : {"namespace.yaml", "account.yaml", "role.yaml"}) {
    const Result<Objects> objects = read_objects(manifests / file);
    if (!objects) co_return fail(objects.error());
    for (const auto& [name, object] : *objects) {
      const auto kind = std::ranges::find(kinds(), object["kind"].str(), &kube::Resource::kind);
      if (kind == kinds().end())
        co_return fail(base::Errc::invalid, name + ": not one of an account's kinds");
      const Result<Json> made = co_await api->create(*kind, kube::namespace_of(object), object, {});
      if (!made) co_return fail(made.error().within("create " + name));
    }
  }
  // What `kubectl create token flagger` does: a token is an object that is created below its account.
  const kube::Resource tokens{"", "v1", "serviceaccounts/flagger/token", "TokenRequest"};
  const Json request = Json::object({{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}});
  const Result<Json> token = co_await api->create(tokens, "flagger-system", request, {});
  if (!token) co_return fail(token.error().within("create TokenRequest"));
  std::filesystem::path kubeconfig = admin.parent_path() / "controller.kubeconfig";
  const Result<void> written = write_kubeconfig(admin, token->get("status", "token").str(), kubeconfig);
  if (!written) co_return fail(written.error());
  co_return kubeconfig;
}

}  // namespace serin::kubernetes_test
