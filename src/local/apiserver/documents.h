#pragma once

#include <map>
#include <optional>
#include <string>

#include "local/apiserver/registry.h"
#include "local/apiserver/request_info.h"

namespace serin::local {

/// Everything a server says about itself: health, version, discovery, OpenAPI, and the reviews by which a
/// client asks who it is and what it may do (everything).
class Documents {
 public:
  explicit Documents(const Registry& registry) : registry_(registry) {}

  /// nullopt: no document's path.
  std::optional<http::Response> answer(const http::Request& request, const RequestInfo& info,
                                       const std::string& user);
  /// Whether a path is open to everyone.
  static bool is_public(const std::string& path);

 private:
  std::optional<http::Response> openapi(const http::Request& request, const std::string& path);
  std::optional<http::Response> review(const http::Request& request, const RequestInfo& info,
                                       const std::string& user) const;
  /// The OpenAPI documents are large and change only with the CRDs, so they are made once for each state.
  void forget_outdated();

  const Registry& registry_;
  std::uint64_t catalog_revision_ = 0;
  std::map<std::string, std::string> texts_;  ///< by path and form
};

}  // namespace serin::local
