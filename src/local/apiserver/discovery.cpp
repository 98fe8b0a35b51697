#include "local/apiserver/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace serin::local {
namespace {

struct GroupVersions {
  std::string group;
  std::vector<std::string> versions;  ///< preferred first
};

/// Groups other than the core one, in the order they are served.
std::vector<GroupVersions> groups_of(const Catalog& catalog) {
  std::vector<GroupVersions> groups;
  for (const auto& served : catalog.all()) {
    const kube::Resource& r = served->resource;
    if (r.group.empty()) continue;
    auto found =
        std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.group == r.group; });
    if (found == groups.end()) found = groups.insert(groups.end(), {r.group, {}});
    if (std::find(found->versions.begin(), found->versions.end(), r.version) == found->versions.end()) {
      found->versions.push_back(r.version);
    }
  }
  // Kubernetes prefers stable versions, then the highest: "v1alpha2" over "v1alpha1".
  for (GroupVersions& group : groups) {
    std::sort(group.versions.begin(), group.versions.end(), [](const auto& a, const auto& b) {
      const auto stability = [](const std::string& v) {
        return v.find("alpha") != std::string::npos ? 0 : v.find("beta") != std::string::npos ? 1 : 2;
      };
      if (stability(a) != stability(b)) return stability(a) > stability(b);
      return a.size() != b.size() ? a.size() > b.size() : a > b;
    });
  }
  return groups;
}

Json texts(const std::vector<std::string>& values) {
  Json list = Json::array();
  for (const std::string& value : values) list.push_back(value);
  return list;
}

std::vector<std::string> sorted_verbs(std::vector<std::string> verbs) {
  std::sort(verbs.begin(), verbs.end());
  return verbs;
}

struct SubresourceFacts {
  Json group, version, kind;  ///< null where they are the resource's own
  std::vector<std::string> verbs;
};

SubresourceFacts facts_of(std::string_view subresource, const Served& served) {
  if (subresource == "scale") return {"autoscaling", "v1", "Scale", {"get", "patch", "update"}};
  if (subresource == "eviction") return {"policy", "v1", "Eviction", {"create"}};
  if (subresource == "binding") return {{}, {}, "Binding", {"create"}};
  if (subresource == "token") return {"authentication.k8s.io", "v1", "TokenRequest", {"create"}};
  if (subresource == "exec") return {{}, {}, "PodExecOptions", {"create", "get"}};
  if (subresource == "attach") return {{}, {}, "PodAttachOptions", {"create", "get"}};
  if (subresource == "portforward") return {{}, {}, "PodPortForwardOptions", {"create", "get"}};
  if (subresource == "log") return {{}, {}, served.resource.kind, {"get"}};
  if (subresource == "finalize") return {{}, {}, served.resource.kind, {"update"}};
  return {{}, {}, served.resource.kind, {"get", "patch", "update"}};
}

void append_legacy(Json& resources, const Served& served) {
  const kube::Resource& r = served.resource;
  Json entry = Json::object({{"name", r.plural},
                             {"singularName", served.singular},
                             {"namespaced", r.namespaced},
                             {"kind", r.kind},
                             {"verbs", texts(sorted_verbs(served.verbs))}});
  if (!served.short_names.empty()) entry.set("shortNames") = texts(served.short_names);
  if (!served.categories.empty()) entry.set("categories") = texts(served.categories);
  resources.push_back(std::move(entry));
  for (const std::string& subresource : served.subresources) {
    const SubresourceFacts facts = facts_of(subresource, served);
    Json sub = Json::object(
        {{"name", r.plural + "/" + subresource}, {"singularName", ""}, {"namespaced", r.namespaced}});
    if (!facts.group.is_null()) sub.set("group") = facts.group;
    if (!facts.version.is_null()) sub.set("version") = facts.version;
    sub.set("kind") = facts.kind;
    sub.set("verbs") = texts(facts.verbs);
    resources.push_back(std::move(sub));
  }
}

Json response_kind(const Json& group, const Json& version, const Json& kind) {
  return Json::object({{"group", group.str()}, {"version", version.str()}, {"kind", kind}});
}

Json aggregated_resource(const Served& served) {
  const kube::Resource& r = served.resource;
  Json entry = Json::object({{"resource", r.plural},
                             {"responseKind", response_kind(r.group, r.version, r.kind)},
                             {"scope", r.namespaced ? "Namespaced" : "Cluster"},
                             {"singularResource", served.singular},
                             {"verbs", texts(sorted_verbs(served.verbs))}});
  if (!served.short_names.empty()) entry.set("shortNames") = texts(served.short_names);
  if (!served.categories.empty()) entry.set("categories") = texts(served.categories);
  for (const std::string& subresource : served.subresources) {
    const SubresourceFacts facts = facts_of(subresource, served);
    const Json group = facts.group.is_null() ? Json(r.group) : facts.group;
    const Json version = facts.version.is_null() ? Json(r.version) : facts.version;
    entry.set("subresources")
        .push_back(Json::object({{"subresource", subresource},
                                 {"responseKind", response_kind(group, version, facts.kind)},
                                 {"verbs", texts(facts.verbs)}}));
  }
  return entry;
}

Json aggregated_group(const Catalog& catalog, const GroupVersions& group) {
  Json item = Json::object({{"metadata", Json::object({{"creationTimestamp", nullptr}})}});
  if (!group.group.empty()) item.set("metadata", "name") = group.group;
  for (const std::string& version : group.versions) {
    Json resources = Json::array();
    for (const auto& served : catalog.all()) {
      if (served->resource.group == group.group && served->resource.version == version) {
        resources.push_back(aggregated_resource(*served));
      }
    }
    item.set("versions")
        .push_back(Json::object(
            {{"version", version}, {"resources", std::move(resources)}, {"freshness", "Current"}}));
  }
  return item;
}

Json group_document(const GroupVersions& group) {
  const auto version_entry = [&](const std::string& version) {
    return Json::object({{"groupVersion", group.group + "/" + version}, {"version", version}});
  };
  Json versions = Json::array();
  for (const std::string& version : group.versions) versions.push_back(version_entry(version));
  return Json::object({{"name", group.group},
                       {"versions", std::move(versions)},
                       {"preferredVersion", version_entry(group.versions.front())}});
}

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) segments.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return segments;
}

}  // namespace

Json version_document() {
  return Json::object({{"major", "1"},
                       {"minor", "36"},
                       {"gitVersion", "v1.36.2+serin"},
                       {"gitCommit", ""},
                       {"gitTreeState", "clean"},
                       {"buildDate", "1970-01-01T00:00:00Z"},
                       {"goVersion", ""},
                       {"compiler", "clang"},
                       {"platform", "linux/amd64"}});
}

Json api_versions() {
  return Json::object({{"kind", "APIVersions"},
                       {"versions", Json::array({"v1"})},
                       {"serverAddressByClientCIDRs", Json::array()}});
}

Json api_group_list(const Catalog& catalog) {
  Json groups = Json::array();
  for (const GroupVersions& group : groups_of(catalog)) groups.push_back(group_document(group));
  return Json::object({{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}});
}

Json api_group(const Catalog& catalog, std::string_view group) {
  for (const GroupVersions& known : groups_of(catalog)) {
    if (known.group != group) continue;
    Json document = Json::object({{"kind", "APIGroup"}, {"apiVersion", "v1"}});
    for (const auto& [key, value] : group_document(known).members()) document.set(key) = value;
    return document;
  }
  return {};
}

Json api_resource_list(const Catalog& catalog, std::string_view group, std::string_view version) {
  Json resources = Json::array();
  for (const auto& served : catalog.all()) {
    if (served->resource.group == group && served->resource.version == version)
      append_legacy(resources, *served);
  }
  if (resources.empty()) return {};
  const std::string group_version =
      group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
  return Json::object({{"kind", "APIResourceList"},
                       {"apiVersion", "v1"},
                       {"groupVersion", group_version},
                       {"resources", std::move(resources)}});
}

Json aggregated_discovery(const Catalog& catalog, bool core, std::string_view version) {
  Json items = Json::array();
  if (core) {
    items.push_back(aggregated_group(catalog, {"", {"v1"}}));
  } else {
    for (const GroupVersions& group : groups_of(catalog)) items.push_back(aggregated_group(catalog, group));
  }
  return Json::object({{"kind", "APIGroupDiscoveryList"},
                       {"apiVersion", fmt::format("apidiscovery.k8s.io/{}", version)},
                       {"metadata", Json::object()},
                       {"items", std::move(items)}});
}

Json discovery_document(const Catalog& catalog, std::string_view path) {
  const std::vector<std::string_view> parts = segments_of(path);
  if (parts.size() == 1 && parts[0] == "version") return version_document();
  if (parts.size() == 1 && parts[0] == "api") return api_versions();
  if (parts.size() == 2 && parts[0] == "api") return api_resource_list(catalog, "", parts[1]);
  if (parts.size() == 1 && parts[0] == "apis") return api_group_list(catalog);
  if (parts.size() == 2 && parts[0] == "apis") return api_group(catalog, parts[1]);
  if (parts.size() == 3 && parts[0] == "apis") return api_resource_list(catalog, parts[1], parts[2]);
  return {};
}

}  // namespace serin::local
