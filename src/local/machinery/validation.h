#pragma once

// What the validations of the built-in kinds share; not for other layers.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "local/machinery/builtin.h"

namespace serin::local {

/// Collects errors on one object.
class Findings {
 public:
  void add(FieldError error) { errors_.push_back(std::move(error)); }
  void add(FieldErrors errors) {
    for (FieldError& error : errors) errors_.push_back(std::move(error));
  }
  /// One error a text, all on the same value.
  void invalid(const std::string& field, const Json& value, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) add(FieldError::invalid(field, value, text));
  }
  /// A field that must not be empty.
  void require(const Json& value, const std::string& field) {
    if (value.is_null() || (value.is_string() && value.str().empty())) add(FieldError::required(field));
  }
  void at_least(const Json& value, std::int64_t least, const std::string& field) {
    if (value.int_or(least) >= least) return;
    add(FieldError::invalid(field, value, fmt::format("must be greater than or equal to {}", least)));
  }
  void one_of(const Json& value, const std::vector<std::string>& supported, const std::string& field);
  [[nodiscard]] FieldErrors take() { return std::move(errors_); }

 private:
  FieldErrors errors_;
};

/// metadata, with the rule for names that this kind has.
FieldErrors validate_metadata(const BuiltinResource& resource, const Json& object);

/// A pod's spec, or a template's (`path` "spec.template.spec").
void validate_pod_spec(const Json& spec, const std::string& path, Findings& findings);
/// A container in itself; references to volumes are checked against the pod's.
void validate_container(const Json& container, const Json& volumes, const std::string& path,
                        Findings& findings);

void validate_deployment(const Json& object, Findings& findings);
void validate_replica_set(const Json& object, Findings& findings);
void validate_daemon_set(const Json& object, Findings& findings);
void validate_service(const Json& object, Findings& findings);
void validate_hpa(const Json& object, std::string_view version, Findings& findings);
void validate_ingress(const Json& object, Findings& findings);
void validate_config_map(const Json& object, Findings& findings);
void validate_secret(const Json& object, Findings& findings);
void validate_crd(const Json& object, Findings& findings);
void validate_lease(const Json& object, Findings& findings);

}  // namespace serin::local
