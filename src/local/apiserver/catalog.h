#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "local/apiserver/served.h"

namespace serin::local {

/// Everything that is served: the built-in resources and those of CRDs, with their collections.
class Catalog {
 public:
  /// All built-in resources, empty. `history_max`: changes that each collection remembers.
  explicit Catalog(std::size_t history_max);

  /// null if not served.
  [[nodiscard]] std::shared_ptr<const Served> find(std::string_view group, std::string_view version,
                                                   std::string_view plural) const;
  [[nodiscard]] std::shared_ptr<const Served> find_kind(std::string_view api_version,
                                                        std::string_view kind) const;
  /// In the order discovery lists them: built-in first, then custom ones by group.
  [[nodiscard]] const std::vector<std::shared_ptr<const Served>>& all() const { return all_; }
  /// Counts every change of what is served.
  [[nodiscard]] std::uint64_t changes() const { return changes_; }
  /// Custom resources as OpenAPI documents need them.
  [[nodiscard]] std::vector<CustomResource> custom() const;

  /// The collection of a storage; made on first use, so that stored objects of a CRD that comes later in the
  /// store find their place.
  std::shared_ptr<Collection> collection(const std::string& group, const std::string& plural);
  [[nodiscard]] const std::map<std::pair<std::string, std::string>, std::shared_ptr<Collection>>&
  collections() const {
    return collections_;
  }

  /// Serves the versions that a CRD names (anew, if it was served before). Error (invalid): a schema that
  /// cannot be compiled; nothing has changed then.
  base::Result<void> serve(const Json& crd);
  /// Stops serving a CRD's resources: their watches end.
  void withdraw(const Json& crd);

 private:
  std::size_t history_max_;
  std::uint64_t changes_ = 0;
  std::vector<std::shared_ptr<const Served>> all_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<Collection>> collections_;
};

/// What the server itself fills in and writes on a CRD: singular, listKind, conversion; status with accepted
/// names, conditions and stored versions. `now`: RFC 3339.
void complete_crd(Json& crd, const std::string& now);
/// What is wrong with a CRD beyond its shape.
FieldErrors validate_crd(const Json& crd);
/// The finalizer under which a CRD stays until its objects are gone.
inline constexpr const char* crd_finalizer = "customresourcecleanup.apiextensions.k8s.io";
/// Puts the Terminating condition on a CRD.
void mark_crd_terminating(Json& crd, const std::string& now);

}  // namespace serin::local
