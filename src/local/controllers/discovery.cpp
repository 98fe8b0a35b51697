#include "local/controllers/discovery.h"

#include <algorithm>

#include "local/controllers/objects.h"

namespace serin::local {

using base::Result;
using base::Task;
using kube::Resource;

namespace {

bool can(const Json& entry, std::string_view verb) {
  return std::ranges::any_of(entry["verbs"].items(), [&](const Json& v) { return v.str() == verb; });
}

/// The kinds of an APIResourceList.
void collect(const Json& list, const std::string& group, const std::string& version,
             std::vector<Resource>& into) {
  for (const Json& entry : list["resources"].items()) {
    const std::string& plural = entry["name"].str();
    const bool wanted = plural.find('/') == std::string::npos && can(entry, "list") && can(entry, "watch") &&
                        can(entry, "delete");
    if (wanted)
      into.push_back({group, version, plural, entry["kind"].str(), entry["namespaced"].bool_or(false)});
  }
}

}  // namespace

Task<Result<std::vector<Resource>>> discover(kube::Api& api) {
  std::vector<Resource> resources;
  const auto core = co_await api.get_path("/api/v1");
  if (!core) co_return base::fail(core.error().within("discovering the core API"));
  collect(*core, "", "v1", resources);
  const auto groups = co_await api.get_path("/apis");
  if (!groups) co_return base::fail(groups.error().within("discovering the API groups"));
  for (const Json& group : (*groups)["groups"].items()) {
    const std::string version = group.get("preferredVersion", "version").str();
    const std::string name = group["name"].str();
    const auto list = co_await api.get_path("/apis/" + name + "/" + version);
    if (!list) co_return base::fail(list.error().within("discovering " + name));
    collect(*list, name, version, resources);
  }
  co_return resources;
}

std::optional<Resource> resource_of_crd(const Json& crd) {
  if (!has_condition(crd, "Established") || kube::is_being_deleted(crd)) return std::nullopt;
  const Json& spec = crd["spec"];
  for (const Json& version : spec["versions"].items()) {
    if (!version["storage"].bool_or(false)) continue;
    return Resource{spec["group"].str(), version["name"].str(), spec.get("names", "plural").str(),
                    spec.get("names", "kind").str(), spec["scope"].str() == "Namespaced"};
  }
  return std::nullopt;
}

}  // namespace serin::local
