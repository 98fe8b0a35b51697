#pragma once

#include <string>
#include <string_view>

#include "http/message.h"
#include "kube/api.h"

namespace serin::local {

/// What a request to a path of the API is about.
struct RequestInfo {
  /// get, list, watch, create, update, patch, delete, deletecollection; empty for a method without meaning
  std::string verb;
  bool is_resource = false;  ///< /api/v1/<resource>..., as opposed to documents
  kube::Resource resource;   ///< group, version, plural
  std::string ns, name, subresource;
  http::Target target;

  static RequestInfo parse(const http::Request& request);
  /// The value of a query parameter; empty if absent.
  [[nodiscard]] std::string query(std::string_view key) const;
  /// "1" and "true" are true.
  [[nodiscard]] bool flag(std::string_view key) const;
};

/// The form in which a client wants objects.
struct Form {
  enum class Kind { plain, table, partial } kind = Kind::plain;
  std::string version = "v1";  ///< of meta.k8s.io
  bool yaml = false;
};

/// Chooses from an Accept header; nullopt if nothing there can be served (406).
std::optional<Form> negotiate(std::string_view accept);
/// "v2", "v2beta1" if the header asks for aggregated discovery first, else empty.
std::string wants_aggregated_discovery(std::string_view accept);
/// The media type of a Content-Type, lower-case, without parameters.
std::string media_type(std::string_view content_type);

}  // namespace serin::local
