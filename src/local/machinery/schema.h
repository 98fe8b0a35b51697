#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "local/machinery/types.h"

namespace serin::local {

/// The structural OpenAPI v3 schema of one version of a CRD, compiled. Copies share it.
///
/// Rules in CEL (x-kubernetes-validations) are not evaluated, except those whose text is known (the one rule
/// of the Canary CRD, `size(self.group) == 0 && self.kind == 'Service' ? has(self.port) : true`).
class CrdSchema {
 public:
  /// `schema`: spec.versions[].schema.openAPIV3Schema; null keeps everything. Error (invalid): a pattern that
  /// is no regular expression, with its field.
  static base::Result<CrdSchema> compile(const Json& schema);

  /// Fills absent members that have a default.
  void apply_defaults(Json& object) const;
  /// Removes members the schema doesn't know, at the root all but apiVersion, kind and metadata.
  void prune(Json& object) const;
  /// `spec.analysis.match[0].method`, ...
  [[nodiscard]] std::vector<std::string> unknown_fields(const Json& object) const;
  /// With the API server's texts and reasons; metadata is not looked at.
  [[nodiscard]] FieldErrors validate(const Json& object) const;
  /// For apply and strict decoding; lives as long as a copy of this schema.
  [[nodiscard]] const Type& type() const;
  /// As given.
  [[nodiscard]] const Json& source() const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace serin::local
