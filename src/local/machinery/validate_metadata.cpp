#include <fmt/ranges.h>

#include <algorithm>

#include "local/machinery/names.h"
#include "local/machinery/validation.h"

namespace serin::local {

namespace {

void validate_owners(const Json& owners, Findings& findings) {
  std::string controller;
  for (std::size_t i = 0; i < owners.items().size(); ++i) {
    const Json& owner = owners.at(i);
    const std::string path = fmt::format("metadata.ownerReferences[{}]", i);
    for (const std::string_view key : {"apiVersion", "kind", "name", "uid"}) {
      if (!owner[key].str().empty()) continue;
      findings.add(
          FieldError::invalid(fmt::format("{}.{}", path, key), "",
                              key == "apiVersion" ? "version must not be empty" : "must not be empty"));
    }
    if (!owner["controller"].bool_or(false)) continue;
    const std::string name = fmt::format("{}/{}", owner["kind"].str(), owner["name"].str());
    if (!controller.empty()) {
      findings.add(
          FieldError::invalid("metadata.ownerReferences", owners,
                              fmt::format("Only one reference can have Controller set to true. Found "
                                          "\"true\" in references for {} and {}",
                                          controller, name)));
    }
    controller = name;
  }
}

void validate_common(const Json& metadata, bool namespaced, Findings& findings) {
  const Json& ns = metadata["namespace"];
  if (namespaced && ns.str().empty()) findings.add(FieldError::required("metadata.namespace"));
  if (namespaced && !ns.str().empty())
    findings.invalid("metadata.namespace", ns, check_dns1123_label(ns.str()));
  if (!namespaced && !ns.str().empty()) {
    findings.add(FieldError::forbidden("metadata.namespace", "not allowed on this type"));
  }
  findings.add(check_labels(metadata["labels"], "metadata.labels"));
  findings.add(check_annotations(metadata["annotations"], "metadata.annotations"));
  validate_owners(metadata["ownerReferences"], findings);
  for (const Json& finalizer : metadata["finalizers"].items()) {
    findings.invalid("metadata.finalizers", finalizer, check_qualified_name(finalizer.str()));
  }
}

/// generateName may end with the dash that the suffix follows.
std::string as_prefix(std::string name) {
  if (name.size() > 1 && name.ends_with('-')) name.back() = 'a';
  return name;
}

enum class NameRule { subdomain, label, path_segment };

NameRule rule_of(const BuiltinResource& resource) {
  const std::string& kind = resource.kind;
  if (kind == "Namespace" || kind == "Service") return NameRule::label;
  if (resource.group == "rbac.authorization.k8s.io") return NameRule::path_segment;
  return NameRule::subdomain;
}

FieldErrors validate_meta(const Json& object, bool namespaced, NameRule rule) {
  Findings findings;
  const Json& metadata = object["metadata"];
  const auto check = [&](std::string_view name) {
    return rule == NameRule::label          ? check_dns1123_label(name)
           : rule == NameRule::path_segment ? check_path_segment(name)
                                            : check_dns1123_subdomain(name);
  };
  const Json& generate = metadata["generateName"];
  if (!generate.str().empty()) {
    findings.invalid("metadata.generateName", generate, check(as_prefix(generate.str())));
  }
  const Json& name = metadata["name"];
  if (name.str().empty()) {
    findings.add(FieldError::required("metadata.name", "name or generateName is required"));
  } else {
    findings.invalid("metadata.name", name, check(name.str()));
  }
  validate_common(metadata, namespaced, findings);
  return findings.take();
}

}  // namespace

void Findings::one_of(const Json& value, const std::vector<std::string>& supported,
                      const std::string& field) {
  if (value.is_null() || std::ranges::find(supported, value.str()) != supported.end()) return;
  add(FieldError::not_supported(field, value, supported));
}

FieldErrors validate_metadata(const Json& object, bool namespaced, bool dns_label_name) {
  return validate_meta(object, namespaced, dns_label_name ? NameRule::label : NameRule::subdomain);
}

FieldErrors validate_metadata(const BuiltinResource& resource, const Json& object) {
  return validate_meta(object, resource.namespaced, rule_of(resource));
}

FieldErrors validate_metadata_update(const Json& object, const Json& old) {
  Findings findings;
  const Json& metadata = object["metadata"];
  const Json& before = old["metadata"];
  const bool deleting = before["deletionTimestamp"].is_string();
  std::vector<std::string> added;
  for (const Json& finalizer : metadata["finalizers"].items()) {
    const auto& known = before["finalizers"].items();
    if (std::ranges::find(known, finalizer) == known.end()) added.push_back(go_quoted(finalizer.str()));
  }
  if (deleting && !added.empty()) {
    findings.add(FieldError::forbidden(
        "metadata.finalizers", fmt::format("no new finalizers can be added if the object is being deleted, "
                                           "found new finalizers []string{{{}}}",
                                           fmt::join(added, ", "))));
  }
  for (const std::string_view key : {"name", "namespace", "uid", "creationTimestamp"}) {
    if (metadata[key] == before[key] || before[key].is_null()) continue;
    findings.add(FieldError::invalid(fmt::format("metadata.{}", key), metadata[key], "field is immutable"));
  }
  validate_common(metadata, !before["namespace"].str().empty(), findings);
  return findings.take();
}

}  // namespace serin::local
