#include "local/machinery/openapi.h"

#include <fmt/format.h>

#include <algorithm>

#include "local/machinery/openapi_schemas.h"

namespace serin::local {

namespace {

/// What paths need to know of a resource, built in or custom.
struct Served {
  std::string group, version, plural, kind, definition;
  bool namespaced = true;
  bool status = false;

  [[nodiscard]] std::string root() const {
    return group.empty() ? fmt::format("/api/{}", version) : fmt::format("/apis/{}/{}", group, version);
  }
};

Served served(const BuiltinResource& resource) {
  const bool status = std::ranges::find(resource.subresources, "status") != resource.subresources.end();
  return {resource.group, resource.version,          resource.plural,
          resource.kind,  definition_name(resource), resource.namespaced,
          status};
}

Served served(const CustomResource& resource) {
  return {resource.group,
          resource.version,
          resource.plural,
          resource.kind,
          definition_name(resource),
          resource.namespaced,
          resource.status_subresource};
}

class Paths {
 public:
  Paths(Json& paths, OpenApi version) : paths_(paths), version_(version) {}

  void add(const Served& resource) {
    const std::string all = fmt::format("{}/{}", resource.root(), resource.plural);
    const std::string collection =
        resource.namespaced ? fmt::format("{}/namespaces/{{namespace}}/{}", resource.root(), resource.plural)
                            : all;
    if (resource.namespaced) operation(all, "get", "list", resource, {});
    operation(collection, "get", "list", resource, {});
    operation(collection, "post", "post", resource, writing());
    operation(collection, "delete", "deletecollection", resource, {"dryRun"});
    one(collection + "/{name}", resource);
    operation(collection + "/{name}", "delete", "delete", resource, {"dryRun"});
    if (resource.status) one(collection + "/{name}/status", resource);
  }

 private:
  static std::vector<std::string> writing(bool patch = false) {
    std::vector<std::string> names{"dryRun", "fieldManager", "fieldValidation"};
    if (patch) names.push_back("force");
    return names;
  }

  void one(const std::string& path, const Served& resource) {
    operation(path, "get", "get", resource, {});
    operation(path, "put", "put", resource, writing());
    operation(path, "patch", "patch", resource, writing(true));
  }

  [[nodiscard]] Json parameter(const std::string& name, std::string_view in) const {
    const std::string_view type = name == "force" ? "boolean" : "string";
    Json result = Json::object({{"name", name}, {"in", in}});
    if (in == "path") result.set("required") = true;
    if (version_ == OpenApi::v2) {
      result.set("type") = type;
      result.set("uniqueItems") = true;
    } else {
      result.set("schema") = Json::object({{"type", type}, {"uniqueItems", true}});
    }
    return result;
  }

  void operation(const std::string& path, std::string_view method, std::string_view action,
                 const Served& resource, const std::vector<std::string>& query) {
    Json result =
        Json::object({{"x-kubernetes-action", action},
                      {"x-kubernetes-group-version-kind",
                       group_version_kind(resource.group, resource.version, resource.kind)},
                      {"responses", Json::object({{"200", Json::object({{"description", "OK"}})}})}});
    if (version_ == OpenApi::v2) {
      result.set("consumes") = Json::array({"*/*"});
      result.set("produces") = Json::array({"application/json"});
    }
    Json parameters = Json::array();
    for (const std::string& name : query) parameters.push_back(parameter(name, "query"));
    if (!parameters.empty()) result.set("parameters") = std::move(parameters);
    Json& item = paths_.set(path);
    if (item.empty()) {
      for (const std::string name : {"name", "namespace"}) {
        if (path.find("{" + name + "}") == std::string::npos) continue;
        Json path_parameter = parameter(name, "path");
        item.set("parameters").push_back(std::move(path_parameter));
      }
    }
    item.set(method) = std::move(result);
  }

  Json& paths_;
  OpenApi version_;
};

Json info() {
  return Json::object({{"title", "Kubernetes"}, {"version", "v1.36.2"}});
}

std::string group_path(std::string_view group, std::string_view version) {
  return group.empty() ? fmt::format("api/{}", version) : fmt::format("apis/{}/{}", group, version);
}

/// A short name of a document's content, the same on every machine (FNV-1a).
std::string fingerprint(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:016X}", hash);
}

}  // namespace

Json openapi_v2(const std::vector<CustomResource>& custom) {
  Json definitions = Json::object();
  Json path_items = Json::object();
  Paths paths(path_items, OpenApi::v2);
  for (const BuiltinResource& resource : builtin_resources()) {
    add_builtin(definitions, resource, OpenApi::v2);
    paths.add(served(resource));
  }
  for (const CustomResource& resource : custom) {
    add_custom(definitions, resource, OpenApi::v2);
    paths.add(served(resource));
  }
  return Json::object({{"swagger", "2.0"},
                       {"info", info()},
                       {"paths", std::move(path_items)},
                       {"definitions", std::move(definitions)}});
}

Json openapi_v3(std::string_view path, const std::vector<CustomResource>& custom) {
  Json schemas = Json::object();
  Json path_items = Json::object();
  Paths paths(path_items, OpenApi::v3);
  for (const BuiltinResource& resource : builtin_resources()) {
    if (group_path(resource.group, resource.version) != path) continue;
    add_builtin(schemas, resource, OpenApi::v3);
    paths.add(served(resource));
  }
  for (const CustomResource& resource : custom) {
    if (group_path(resource.group, resource.version) != path) continue;
    add_custom(schemas, resource, OpenApi::v3);
    paths.add(served(resource));
  }
  if (path_items.empty()) return {};
  return Json::object({{"openapi", "3.0.0"},
                       {"info", info()},
                       {"paths", std::move(path_items)},
                       {"components", Json::object({{"schemas", std::move(schemas)}})}});
}

Json openapi_v3_index(const std::vector<CustomResource>& custom) {
  Json paths = Json::object();
  const auto add = [&](const std::string& path) {
    if (paths.contains(path)) return;
    const std::string url =
        fmt::format("/openapi/v3/{}?hash={}", path, fingerprint(openapi_v3(path, custom).dump()));
    paths.set(path, "serverRelativeURL") = url;
  };
  for (const BuiltinResource& resource : builtin_resources())
    add(group_path(resource.group, resource.version));
  for (const CustomResource& resource : custom) add(group_path(resource.group, resource.version));
  return Json::object({{"paths", std::move(paths)}});
}

}  // namespace serin::local
