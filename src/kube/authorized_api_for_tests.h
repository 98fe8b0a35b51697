#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml.h"
#include "kube/api.h"

namespace serin::kube::testing {

/// The rights that the (Cluster)Roles of a file give.
class Rights {
 public:
  explicit Rights(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    const base::Result<std::vector<Json>> roles = base::parse_yaml(text.str());
    if (!roles) return;
    for (const Json& role : *roles)
      for (const Json& rule : role["rules"].items()) rules_.push_back(rule);
  }
  [[nodiscard]] bool allow(std::string_view verb, const Resource& resource, std::string_view sub) const {
    const std::string name = sub.empty() ? resource.plural : fmt::format("{}/{}", resource.plural, sub);
    return std::ranges::any_of(rules_, [&](const Json& rule) {
      return holds(rule["apiGroups"], resource.group) && holds(rule["resources"], name) &&
             holds(rule["verbs"], verb);
    });
  }
  [[nodiscard]] bool allow_path(const std::string& path) const {
    return std::ranges::any_of(rules_, [&](const Json& rule) {
      return holds(rule["nonResourceURLs"], path) && holds(rule["verbs"], "get");
    });
  }

 private:
  static bool holds(const Json& list, std::string_view value) {
    return std::ranges::find(list.items(), Json(value)) != list.items().end();
  }
  std::vector<Json> rules_;
};

/// The API as an account with these rights has it (Kubernetes' RBAC).
class AuthorizedApi final : public Api {
 public:
  AuthorizedApi(Api& api, Rights rights) : api_(api), rights_(std::move(rights)) {}

  std::set<std::string> refused;    ///< what was asked for without a right, as "patch services"
  std::set<std::string> withdrawn;  ///< rights that it shall not have for a while

  base::Task<base::Result<Json>> get(Resource r, std::string ns, std::string name) override {
    return may("get", r) ? api_.get(r, ns, name) : refuse<Json>();
  }
  base::Task<base::Result<List>> list(Resource r, std::string ns, ListOptions o) override {
    return may("list", r) ? api_.list(r, ns, o) : refuse<List>();
  }
  base::Task<base::Result<std::unique_ptr<Watch>>> watch(Resource r, std::string ns, std::string version,
                                                         ListOptions o) override {
    return may("watch", r) ? api_.watch(r, ns, version, o) : refuse<std::unique_ptr<Watch>>();
  }
  base::Task<base::Result<Json>> create(Resource r, std::string ns, Json object, WriteOptions o) override {
    return may("create", r) ? api_.create(r, ns, object, o) : refuse<Json>();
  }
  base::Task<base::Result<Json>> replace(Resource r, Json object, std::string sub, WriteOptions o) override {
    return may("update", r, sub) ? api_.replace(r, object, sub, o) : refuse<Json>();
  }
  base::Task<base::Result<Json>> patch(Resource r, std::string ns, std::string name, PatchType type,
                                       Json patch, std::string sub, WriteOptions o) override {
    return may("patch", r, sub) ? api_.patch(r, ns, name, type, patch, sub, o) : refuse<Json>();
  }
  base::Task<base::Result<void>> remove(Resource r, std::string ns, std::string name,
                                        DeleteOptions o) override {
    return may("delete", r) ? api_.remove(r, ns, name, o) : refuse<void>();
  }
  base::Task<base::Result<Json>> get_path(std::string path) override {
    if (rights_.allow_path(path)) return api_.get_path(path);
    refused.insert("get " + path);
    return refuse<Json>();
  }

 private:
  bool may(std::string_view verb, const Resource& resource, std::string_view sub = {}) {
    const std::string request =
        fmt::format("{} {}{}{}", verb, resource.group_resource(), sub.empty() ? "" : "/", sub);
    if (withdrawn.contains(request)) return false;
    if (rights_.allow(verb, resource, sub)) return true;
    refused.insert(request);
    return false;
  }
  template <class Value>
  static base::Task<base::Result<Value>> refuse() {
    co_return base::fail(base::Errc::forbidden, "forbidden by the role");
  }

  Api& api_;
  Rights rights_;
};

}  // namespace serin::kube::testing
