#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "local/machinery/builtin.h"

namespace serin::local {

/// One served version of a custom resource, for documents.
struct CustomResource {
  std::string group, version, plural, singular, kind, list_kind;
  bool namespaced = true;
  bool status_subresource = false;
  Json schema;  ///< spec.versions[].schema.openAPIV3Schema
};

/// /openapi/v2: Swagger 2.0 with definitions and the paths kubectl looks at (their group-version-kind, action
/// and the parameters fieldValidation and dryRun).
Json openapi_v2(const std::vector<CustomResource>& custom);
/// The same document as gnostic's protobuf message, for
/// `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`.
std::string openapi_v2_protobuf(const Json& document);

/// /openapi/v3: {"paths": {"apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=..."}}}
Json openapi_v3_index(const std::vector<CustomResource>& custom);
/// /openapi/v3/<path>, path as in the index ("api/v1", "apis/apps/v1"); null if nothing is served there.
Json openapi_v3(std::string_view path, const std::vector<CustomResource>& custom);

}  // namespace serin::local
