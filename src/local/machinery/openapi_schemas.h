#pragma once

// Schemas inside OpenAPI documents; not for other layers.

#include <set>
#include <string>
#include <string_view>

#include "local/machinery/openapi.h"

namespace serin::local {

enum class OpenApi { v2, v3 };

/// {"group": ..., "version": ..., "kind": ...}
Json group_version_kind(std::string_view group, std::string_view version, std::string_view kind);
/// "io.k8s.api.apps.v1.Deployment" and its list's name.
std::string definition_name(const BuiltinResource& resource);
/// "app.flagger.v1beta1.Canary"
std::string definition_name(const CustomResource& resource);

/// Adds the definition with this name, and all it refers to, to `definitions`.
void add_definition(Json& definitions, const std::string& name, OpenApi version);
/// Adds the definitions of a built-in kind and its list.
void add_builtin(Json& definitions, const BuiltinResource& resource, OpenApi version);
void add_custom(Json& definitions, const CustomResource& resource, OpenApi version);

}  // namespace serin::local
