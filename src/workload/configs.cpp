#include "workload/configs.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <functional>

namespace serin::workload {
namespace {

constexpr std::string_view kept_for_annotation = "serin.dev/primary-id";
constexpr std::array<std::string_view, 3> contents = {"data", "binaryData", "type"};

/// Calls `visit(secret, holder, name_key)` for every reference; `holder` is the object that has the name.
/// `Document` is Json or const Json, so that one walk serves finding and renaming.
template <class Document, class Visit>
void visit_refs(Document& pod_template, Visit visit) {
  const auto each = [](Document& list, std::string_view key, auto body) {
    if (Document* elements = list.find(key)) {
      if constexpr (std::is_const_v<Document>) {
        for (Document& element : elements->items()) body(element);
      } else {
        for (Document& element : elements->make_array()) body(element);
      }
    }
  };
  const auto at = [&](Document& holder, std::string_view member, bool secret, std::string_view name_key) {
    if (Document* ref = holder.find(member)) visit(secret, *ref, name_key);
  };
  Document* spec = pod_template.find("spec");
  if (!spec) return;
  each(*spec, "volumes", [&](Document& volume) {
    at(volume, "configMap", false, "name");
    at(volume, "secret", true, "secretName");
    if (Document* projected = volume.find("projected")) {
      each(*projected, "sources", [&](Document& source) {
        at(source, "configMap", false, "name");
        at(source, "secret", true, "name");
      });
    }
  });
  for (const std::string_view containers : {"containers", "initContainers"}) {
    each(*spec, containers, [&](Document& container) {
      each(container, "env", [&](Document& variable) {
        if (Document* from = variable.find("valueFrom")) {
          at(*from, "configMapKeyRef", false, "name");
          at(*from, "secretKeyRef", true, "name");
        }
      });
      each(container, "envFrom", [&](Document& source) {
        at(source, "configMapRef", false, "name");
        at(source, "secretRef", true, "name");
      });
    });
  }
}

/// JSON as Go's encoder writes it: keys sorted, and <, >, &, U+2028, U+2029 escaped inside strings.
std::string go_json(const Json& value) {
  const std::string text = base::sorted(value).dump();
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", c);
    } else if (text.compare(i, 3, "\xe2\x80\xa8") == 0 || text.compare(i, 3, "\xe2\x80\xa9") == 0) {
      out += text[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out += c;
    }
  }
  return out;
}

/// The same contents, labels and owners under another name.
Json renamed(Json config, const std::string& name) {
  const Json from = config["metadata"];
  config.set("metadata") = Json::object({{"name", name}, {"namespace", from["namespace"]}});
  for (const char* key : {"labels", "ownerReferences"}) {
    if (!from[key].is_null()) config.set("metadata", key) = from[key];
  }
  return config;
}

}  // namespace

std::vector<ConfigRef> config_refs(const Json& pod_template) {
  std::map<std::string, ConfigRef> found;
  visit_refs(pod_template, [&](bool secret, const Json& holder, std::string_view name_key) {
    const std::string name = holder[name_key].str();
    if (name.empty()) return;
    ConfigRef ref{secret, name, holder["optional"].bool_or(false)};
    const auto [it, added] = found.try_emplace(ref.key(), ref);
    if (!added) it->second.optional = it->second.optional && ref.optional;
  });
  std::vector<ConfigRef> refs;
  for (auto& [key, ref] : found) refs.push_back(std::move(ref));
  return refs;
}

bool is_tracked(const Json& config) {
  if (config.get("metadata", "annotations", "flagger.app/config-tracking").str().starts_with("disable"))
    return false;
  constexpr std::array<std::string_view, 4> types = {"Opaque", "kubernetes.io/basic-auth",
                                                     "kubernetes.io/ssh-auth", "kubernetes.io/tls"};
  const std::string& type = config["type"].str();
  return config["kind"].str() != "Secret" || type.empty() || std::ranges::find(types, type) != types.end();
}

std::string config_checksum(const Json& config) {
  std::string text = config["data"].is_object() ? go_json(config["data"]) : "null";
  if (!config["binaryData"].empty()) text += go_json(config["binaryData"]);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::string hex;
  for (std::size_t i = 0; i < 8; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

Json with_primary_configs(Json pod_template, const std::set<std::string>& tracked_keys) {
  visit_refs(pod_template, [&](bool secret, Json& holder, std::string_view name_key) {
    const ConfigRef ref{secret, holder[name_key].str(), false};
    if (tracked_keys.contains(ref.key())) holder.set(name_key) = ref.name + "-primary";
  });
  return pod_template;
}

Json primary_config(const Json& source, const Json& existing, const canary::Spec& spec,
                    const Options& options) {
  Json copy = Json::object({{"apiVersion", "v1"}, {"kind", source["kind"]}});
  copy.set("metadata", "name") = source.get("metadata", "name").str() + "-primary";
  copy.set("metadata", "namespace") = spec.ns;
  if (Json labels = with_prefixes(source.get("metadata", "labels"), options); !labels.empty()) {
    copy.set("metadata", "labels") = std::move(labels);
  }
  Json owners = Json::array({owner_reference(spec)});
  for (const Json& owner : existing.get("metadata", "ownerReferences").items()) {
    if (owner["kind"].str() == "Canary" && owner["name"].str() == spec.name) continue;
    Json other = owner;
    other.set("controller") = false;
    owners.push_back(std::move(other));
  }
  copy.set("metadata", "ownerReferences") = std::move(owners);
  for (const std::string_view key : contents) {
    if (!source[key].is_null()) copy.set(key) = source[key];
  }
  return copy;
}

bool same_contents(const Json& a, const Json& b) {
  return std::ranges::all_of(
      contents, [&](std::string_view key) { return a[key] == b[key] || (a[key].empty() && b[key].empty()); });
}

std::string kept_name(const std::string& copy) {
  return copy + "-previous";
}

Json kept_config(const Json& copy, const std::string& primary_id) {
  Json kept = renamed(copy, kept_name(copy.get("metadata", "name").str()));
  kept.erase("immutable");
  kept.set("metadata", "annotations", kept_for_annotation) = primary_id;
  return kept;
}

std::string kept_for(const Json& kept) {
  return kept.get("metadata", "annotations", kept_for_annotation).str();
}

Json restored_config(const Json& kept, const std::string& copy) {
  return renamed(kept, copy);
}

bool must_be_replaced(const Json& existing, const Json& copy) {
  return existing["immutable"].bool_or(false) ||
         existing["type"].str_or("Opaque") != copy["type"].str_or("Opaque");
}

}  // namespace serin::workload
