#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "local/apiserver/catalog.h"

namespace serin::local {

/// What /version says.
Json version_document();

/// The discovery documents, which tell clients what is served.
/// /api
Json api_versions();
/// /apis
Json api_group_list(const Catalog& catalog);
/// /apis/<group>; null if there is no such group.
Json api_group(const Catalog& catalog, std::string_view group);
/// /api/v1, /apis/<group>/<version>; null if nothing is served there.
Json api_resource_list(const Catalog& catalog, std::string_view group, std::string_view version);
/// Aggregated discovery (apidiscovery.k8s.io/v2, or v2beta1) of /api (`core`) or /apis.
Json aggregated_discovery(const Catalog& catalog, bool core, std::string_view version = "v2");

/// The document at a path that is no object: /version, /api..., /apis..., null if there is none.
Json discovery_document(const Catalog& catalog, std::string_view path);

}  // namespace serin::local
