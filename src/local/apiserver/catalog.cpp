#include "local/apiserver/catalog.h"

#include <fmt/format.h>

#include <algorithm>

namespace serin::local {
namespace {

bool belongs_to(const Served& served, const Json& crd) {
  return served.builtin == nullptr && served.resource.group == crd.get("spec", "group").str() &&
         served.resource.plural == crd.get("spec", "names", "plural").str();
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

void set_condition(Json& status, const std::string& type, const std::string& value, const std::string& reason,
                   const std::string& message, const std::string& now) {
  Json condition = Json::object({{"lastTransitionTime", now},
                                 {"message", message},
                                 {"reason", reason},
                                 {"status", value},
                                 {"type", type}});
  for (Json& existing : status.set("conditions").make_array()) {
    if (existing["type"].str() != type) continue;
    if (existing["status"].str() == value)
      condition.set("lastTransitionTime") = existing["lastTransitionTime"];
    existing = std::move(condition);
    return;
  }
  status.set("conditions").push_back(std::move(condition));
}

}  // namespace

Catalog::Catalog(std::size_t history_max) : history_max_(history_max) {
  for (const BuiltinResource& builtin : builtin_resources()) {
    all_.push_back(serve_builtin(builtin, collection(builtin.storage_group, builtin.storage_plural)));
  }
}

std::shared_ptr<Collection> Catalog::collection(const std::string& group, const std::string& plural) {
  std::shared_ptr<Collection>& found = collections_[{group, plural}];
  if (found == nullptr) found = std::make_shared<Collection>(group, plural, history_max_);
  return found;
}

std::shared_ptr<const Served> Catalog::find(std::string_view group, std::string_view version,
                                            std::string_view plural) const {
  for (const auto& served : all_) {
    const kube::Resource& r = served->resource;
    if (r.plural == plural && r.group == group && r.version == version) return served;
  }
  return nullptr;
}

std::shared_ptr<const Served> Catalog::find_kind(std::string_view api_version, std::string_view kind) const {
  for (const auto& served : all_) {
    if (served->resource.kind == kind && served->resource.api_version() == api_version) return served;
  }
  return nullptr;
}

std::vector<CustomResource> Catalog::custom() const {
  std::vector<CustomResource> result;
  for (const auto& served : all_) {
    if (served->builtin != nullptr) continue;
    const kube::Resource& r = served->resource;
    result.push_back({r.group, r.version, r.plural, served->singular, r.kind, served->list_kind, r.namespaced,
                      served->custom->status_subresource, served->custom->schema.source()});
  }
  return result;
}

base::Result<void> Catalog::serve(const Json& crd) {
  std::vector<std::shared_ptr<const Served>> versions;
  const std::shared_ptr<Collection> objects =
      collection(crd.get("spec", "group").str(), crd.get("spec", "names", "plural").str());
  for (const Json& version : crd.get("spec", "versions").items()) {
    if (!version["served"].bool_or(false)) continue;
    base::Result<std::shared_ptr<Served>> served = serve_custom(crd, version, objects);
    if (!served) return base::fail(served.error());
    versions.push_back(std::move(*served));
  }
  std::erase_if(all_, [&](const auto& served) { return belongs_to(*served, crd); });
  const auto place = std::find_if(all_.begin(), all_.end(), [&](const auto& served) {
    return served->builtin == nullptr && served->resource.group > crd.get("spec", "group").str();
  });
  all_.insert(place, versions.begin(), versions.end());
  ++changes_;
  return {};
}

void Catalog::withdraw(const Json& crd) {
  ++changes_;
  std::erase_if(all_, [&](const auto& served) { return belongs_to(*served, crd); });
  const auto found =
      collections_.find({crd.get("spec", "group").str(), crd.get("spec", "names", "plural").str()});
  if (found == collections_.end()) return;
  found->second->close();
  collections_.erase(found);
}

void complete_crd(Json& crd, const std::string& now) {
  Json& names = crd.set("spec", "names");
  if (names["singular"].str().empty()) names.set("singular") = lower(names["kind"].str());
  if (names["listKind"].str().empty()) names.set("listKind") = names["kind"].str() + "List";
  if (!crd.get("spec", "conversion").is_object()) crd.set("spec", "conversion", "strategy") = "None";

  Json& status = crd.set("status");
  status.set("acceptedNames") = crd.get("spec", "names");
  set_condition(status, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now);
  set_condition(status, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted",
                now);
  Json& stored = status.set("storedVersions");
  stored.make_array();
  for (const Json& version : crd.get("spec", "versions").items()) {
    if (!version["storage"].bool_or(false)) continue;
    const auto& known = stored.items();
    if (std::find(known.begin(), known.end(), version["name"]) == known.end()) {
      stored.push_back(version["name"]);
    }
  }
}

void mark_crd_terminating(Json& crd, const std::string& now) {
  set_condition(crd.set("status"), "Terminating", "True", "InstanceDeletionInProgress",
                "CustomResource deletion is in progress", now);
}

FieldErrors validate_crd(const Json& crd) {
  FieldErrors errors;
  const Json& spec = crd["spec"];
  const std::string expected = spec.get("names", "plural").str() + "." + spec["group"].str();
  if (kube::name_of(crd) != expected) {
    errors.push_back(FieldError::invalid("metadata.name", crd.get("metadata", "name"),
                                         fmt::format("must be spec.names.plural+\".\"+spec.group")));
  }
  int storage = 0;
  std::size_t index = 0;
  for (const Json& version : spec["versions"].items()) {
    const std::string path = fmt::format("spec.versions[{}].schema.openAPIV3Schema", index++);
    if (version["storage"].bool_or(false)) ++storage;
    const Json& schema = version.get("schema", "openAPIV3Schema");
    if (!schema.is_object()) {
      errors.push_back(FieldError::required(path, "schemas are required"));
      continue;
    }
    const base::Result<CrdSchema> compiled = CrdSchema::compile(schema);
    if (!compiled) errors.push_back(FieldError::invalid(path, "schema", compiled.error().message));
  }
  if (storage != 1) {
    errors.push_back(FieldError::invalid("spec.versions", spec["versions"],
                                         "must have exactly one version marked as storage version"));
  }
  const std::string& scope = spec["scope"].str();
  if (scope != "Namespaced" && scope != "Cluster") {
    errors.push_back(FieldError::not_supported("spec.scope", spec["scope"], {"Cluster", "Namespaced"}));
  }
  return errors;
}

}  // namespace serin::local
