#include "local/machinery/apply.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <compare>
#include <optional>

#include "local/machinery/field_set.h"

namespace serin::local {

namespace {

/// Who owns fields: one entry of metadata.managedFields.
struct Entry {
  std::string manager, operation, api_version, subresource;
  std::string time;
  FieldSet fields;

  [[nodiscard]] bool same_as(const Entry& other) const {
    return manager == other.manager && operation == other.operation && api_version == other.api_version &&
           subresource == other.subresource;
  }
  /// `"kubectl-set" using apps/v1`
  [[nodiscard]] std::string text() const {
    std::string result = go_quoted(manager);
    if (!subresource.empty()) result += " with subresource " + go_quoted(subresource);
    if (operation == "Update") result += " using " + api_version;
    return result;
  }
};

using Entries = std::vector<Entry>;

Entries read_entries(const Json& object) {
  Entries entries;
  for (const Json& entry : object.get("metadata", "managedFields").items()) {
    entries.push_back({entry["manager"].str(), entry["operation"].str(), entry["apiVersion"].str(),
                       entry["subresource"].str(), entry["time"].str(),
                       FieldSet::from_json(entry["fieldsV1"])});
  }
  return entries;
}

void write_entries(Entries entries, Json& object) {
  std::erase_if(entries, [](const Entry& entry) { return entry.fields.empty(); });
  const auto order = [](const Entry& entry) {
    return std::tie(entry.operation, entry.time, entry.manager, entry.api_version, entry.subresource);
  };
  std::ranges::sort(entries, [&](const Entry& a, const Entry& b) { return order(a) < order(b); });
  Json list = Json::array();
  for (const Entry& entry : entries) {
    Json json = Json::object(
        {{"manager", entry.manager}, {"operation", entry.operation}, {"apiVersion", entry.api_version}});
    if (!entry.time.empty()) json.set("time") = entry.time;
    json.set("fieldsType") = "FieldsV1";
    json.set("fieldsV1") = entry.fields.to_json();
    if (!entry.subresource.empty()) json.set("subresource") = entry.subresource;
    list.push_back(std::move(json));
  }
  if (list.empty()) {
    object.set("metadata").erase("managedFields");
  } else {
    object.set("metadata", "managedFields") = std::move(list);
  }
}

/// Fields that nobody owns: identity, what the server itself keeps, and what this way of writing can't reach.
void leave_out_unowned(FieldSet& set, std::string_view subresource) {
  set.erase("f:apiVersion");
  set.erase("f:kind");
  if (subresource == "status") set.erase("f:spec");
  if (subresource.empty()) set.erase("f:status");
  const auto metadata = set.children.find("f:metadata");
  if (metadata == set.children.end()) return;
  for (const std::string_view name :
       {"name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields",
        "resourceVersion", "deletionTimestamp"}) {
    metadata->second.erase(fmt::format("f:{}", name));
  }
  metadata->second.member = false;
  if (metadata->second.empty()) set.children.erase(metadata);
}

Json without_managed_fields(Json object) {
  if (Json* metadata = object.find("metadata")) metadata->erase("managedFields");
  return object;
}

// --- merging

/// The first list with two elements of one key, as the API server words it.
std::optional<std::string> find_duplicate(const Json& value, const Type& type, const std::string& path) {
  const auto inside = [&](const Json& member, const std::string& element, const std::string& at) {
    return find_duplicate(member, type_below(type, element), at);
  };
  if (value.is_array() && type.kind == Type::Kind::array && type.list == Type::ListKind::map) {
    std::vector<std::string> seen;
    for (const Json& item : value.items()) {
      const std::string key = key_element(item, type);
      FieldSet one;
      one.children[key].member = true;
      const std::string at = key.empty() ? path : path + one.paths().front();
      if (!key.empty() && std::ranges::find(seen, key) != seen.end()) {
        return fmt::format("{}: duplicate entries for key {}", path, one.paths().front());
      }
      seen.push_back(key);
      if (auto found = inside(item, "k:", at)) return found;
    }
  }
  for (const Json::Member& member : value.members()) {
    if (auto found = inside(member.value, "f:" + member.key, path + "." + member.key)) return found;
  }
  return std::nullopt;
}

Json merge_values(const Json& live, const Json& wanted, const Type& type);

Json merge_lists(const Json& live, const Json& wanted, const Type& type) {
  Json result = live;
  for (const Json& item : wanted.items()) {
    Json::Array& items = result.make_array();
    if (type.list == Type::ListKind::set) {
      if (std::ranges::find(items, item) == items.end()) items.push_back(item);
      continue;
    }
    const std::string key = key_element(item, type);
    const auto twin = std::ranges::find_if(
        items, [&](const Json& old) { return !key.empty() && key_element(old, type) == key; });
    if (twin == items.end()) {
      items.push_back(item);
    } else {
      *twin = merge_values(*twin, item, *type.element);
    }
  }
  return result;
}

Json merge_values(const Json& live, const Json& wanted, const Type& type) {
  using Kind = Type::Kind;
  const bool mergeable_list = type.kind == Kind::array && type.list != Type::ListKind::atomic;
  if (live.is_array() && wanted.is_array() && mergeable_list) return merge_lists(live, wanted, type);
  const bool mergeable = type.kind == Kind::object || type.kind == Kind::map || type.kind == Kind::any;
  if (!live.is_object() || !wanted.is_object() || !mergeable || type.atomic) return wanted;
  Json result = live;
  for (const Json::Member& member : wanted.members()) {
    Json merged = merge_values(live[member.key], member.value, type_below(type, "f:" + member.key));
    result.set(member.key) = std::move(merged);
  }
  return result;
}

/// Removes what was applied before, is no longer, and belongs to nobody else.
void remove_dropped(Json& object, const FieldSet& before, const FieldSet& now, const FieldSet& others,
                    const Type& type) {
  static const FieldSet nothing;
  for (const auto& [element, old] : before.children) {
    const FieldSet* kept = now.find(element);
    const FieldSet* owned = others.find(element);
    const Type& below = type_below(type, element);
    if (element.starts_with("f:")) {
      const std::string_view name = std::string_view(element).substr(2);
      Json* member = object.find(name);
      if (!member) continue;
      if (kept || owned) {
        remove_dropped(*member, old, kept ? *kept : nothing, owned ? *owned : nothing, below);
      } else {
        object.erase(name);
      }
      continue;
    }
    if (!object.is_array()) continue;
    Json::Array& items = object.make_array();
    const auto item = std::ranges::find_if(items, [&](const Json& candidate) {
      return element.starts_with("v:") ? "v:" + candidate.dump() == element
                                       : key_element(candidate, type) == element;
    });
    if (item == items.end()) continue;
    if (kept || owned) {
      remove_dropped(*item, old, kept ? *kept : nothing, owned ? *owned : nothing, below);
    } else {
      items.erase(item);
    }
  }
}

// --- conflicts

struct Conflict {
  std::string manager;
  std::vector<std::string> paths;
};

StatusError conflict_error(std::vector<Conflict> conflicts) {
  std::ranges::sort(conflicts, {}, &Conflict::manager);
  Json causes = Json::array();
  std::size_t total = 0;
  std::vector<std::string> texts;
  for (const Conflict& conflict : conflicts) {
    total += conflict.paths.size();
    std::string text = fmt::format("conflicts with {}:", conflict.manager);
    for (const std::string& path : conflict.paths) {
      text += "\n- " + path;
      causes.push_back(Json::object({{"reason", "FieldManagerConflict"},
                                     {"message", fmt::format("conflict with {}", conflict.manager)},
                                     {"field", path}}));
    }
    texts.push_back(std::move(text));
  }
  const std::string message =
      total == 1 ? fmt::format("Apply failed with 1 conflict: conflict with {}: {}", conflicts[0].manager,
                               conflicts[0].paths[0])
                 : fmt::format("Apply failed with {} conflicts: {}", total, fmt::join(texts, "\n"));
  return {409, "Conflict", message, Json::object({{"causes", std::move(causes)}})};
}

StatusError untyped(const Json& object, std::string_view why) {
  const std::string& api_version = object["apiVersion"].str();
  return {500, "",
          fmt::format("failed to create typed patch object ({}/{}; {}, Kind={}): {}",
                      object.get("metadata", "namespace").str(), object.get("metadata", "name").str(),
                      api_version, object["kind"].str(), why),
          Json()};
}

std::string slashed(const std::string& path) {
  return "." + path;
}

}  // namespace

StatusResult<Json> server_side_apply(const Json& live, const Json& configuration, const Type& type,
                                     const FieldManager& manager, bool force) {
  if (!configuration.get("metadata", "managedFields").empty()) {
    return std::unexpected(StatusError::bad_request("metadata.managedFields must be nil"));
  }
  for (const std::string& field : unknown_fields(configuration, type)) {
    return std::unexpected(untyped(configuration, slashed(field) + ": field not declared in schema"));
  }
  if (const auto duplicate = find_duplicate(configuration, type, "")) {
    return std::unexpected(untyped(configuration, *duplicate));
  }
  Entry mine{manager.name,
             "Apply",
             manager.api_version,
             manager.subresource,
             base::format_rfc3339(manager.now),
             FieldSet::of(configuration, type)};
  leave_out_unowned(mine.fields, manager.subresource);

  Entries entries = read_entries(live);
  const auto previous =
      std::ranges::find_if(entries, [&](const Entry& entry) { return entry.same_as(mine); });
  const Entry last = previous == entries.end() ? Entry() : *previous;
  if (previous != entries.end()) entries.erase(previous);

  Json result = live.is_null() ? configuration : merge_values(live, configuration, type);
  const Difference difference = compare(live, result, type);
  FieldSet others;
  std::vector<Conflict> conflicts;
  for (Entry& entry : entries) {
    const FieldSet contested = entry.fields.intersection(difference.changed).intersection(mine.fields);
    if (!contested.empty() && !force) conflicts.push_back({entry.text(), contested.paths()});
    entry.fields.subtract(contested);
    others.unite(entry.fields);
  }
  if (!conflicts.empty()) return std::unexpected(conflict_error(std::move(conflicts)));

  remove_dropped(result, last.fields, mine.fields, others, type);
  const bool same_object = without_managed_fields(result) == without_managed_fields(live);
  if (same_object && last.fields == mine.fields) return live;
  entries.push_back(std::move(mine));
  write_entries(std::move(entries), result);
  return result;
}

void track_update(const Json& before, Json& after, const Type& type, const FieldManager& manager) {
  const Json* sent = after.get("metadata").find("managedFields");
  const bool reset =
      sent && sent->is_array() && (sent->empty() || (sent->size() == 1 && sent->at(0).empty()));
  if (reset) {
    after.set("metadata").erase("managedFields");
    return;
  }
  Entries entries = read_entries(sent ? after : before);
  Difference difference = compare(before, after, type);
  leave_out_unowned(difference.changed, manager.subresource);
  Entry mine{manager.name,
             "Update",
             manager.api_version,
             manager.subresource,
             base::format_rfc3339(manager.now),
             {}};
  for (Entry& entry : entries) {
    entry.fields.cut(difference.removed);
    if (entry.same_as(mine)) {
      mine.fields = entry.fields;
      if (difference.changed.empty()) mine.time = entry.time;
      entry.fields = {};
    } else {
      entry.fields.subtract(difference.changed);
    }
  }
  mine.fields.unite(difference.changed);
  entries.push_back(std::move(mine));
  write_entries(std::move(entries), after);
}

}  // namespace serin::local
