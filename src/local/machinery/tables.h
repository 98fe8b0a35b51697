#pragma once

#include "base/json.h"
#include "base/time.h"
#include "local/machinery/builtin.h"

namespace serin::local {

/// What a row's `object` holds: the query parameter includeObject.
enum class IncludeObject { none, metadata, object };

/// A meta.k8s.io/v1 Table of these objects, as `kubectl get` prints it; `list_metadata` (resourceVersion,
/// continue, ...) becomes the table's metadata. `version` is v1 or v1beta1 of meta.k8s.io.
Json print_builtin(const BuiltinResource& resource, const std::vector<Json>& objects,
                   const Json& list_metadata, base::WallTime now, IncludeObject include,
                   std::string_view version = "v1");

/// The same for a custom resource: NAME, then additionalPrinterColumns (or AGE if there are none).
Json print_custom(const Json& additional_printer_columns, const std::vector<Json>& objects,
                  const Json& list_metadata, base::WallTime now, IncludeObject include,
                  std::string_view version = "v1");

/// "5s", "3m20s", "4h", "12d": ages as kubectl prints them.
std::string human_duration(base::Duration duration);

/// A JSONPath as columns use it (".spec.x", ".status.conditions[?(@.type=='Ready')].status", "[0]", "[*]",
/// "['a.b']"): the values it finds, in order.
std::vector<Json> json_path(const Json& object, std::string_view path);

}  // namespace serin::local
