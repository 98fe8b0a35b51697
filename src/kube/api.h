#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/task.h"

namespace serin::kube {

using base::Json;

/// A kind of object as the API serves it.
struct Resource {
  std::string group;    ///< "" for the core group
  std::string version;  ///< "v1"
  std::string plural;   ///< "deployments"
  std::string kind;     ///< "Deployment"
  bool namespaced = true;

  bool operator==(const Resource&) const = default;
  /// "apps/v1", "v1"
  [[nodiscard]] std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  /// "deployments.apps", "services": as the API server's error texts name it.
  [[nodiscard]] std::string group_resource() const { return group.empty() ? plural : plural + "." + group; }
  /// "/apis/apps/v1/namespaces/test/deployments/podinfo/status"; empty parts are left out.
  [[nodiscard]] std::string path(std::string_view ns, std::string_view name = {},
                                 std::string_view subresource = {}) const;
};

/// The resources that more than one layer touches.
namespace resources {
extern const Resource namespaces, nodes, pods, services, configmaps, secrets, events, serviceaccounts,
    endpointslices, deployments, replicasets, daemonsets, hpas, leases, ingresses, crds, canaries,
    metric_templates, alert_providers, trafficsplits_v1alpha1;
}  // namespace resources

struct ObjectRef {
  std::string ns;
  std::string name;
  auto operator<=>(const ObjectRef&) const = default;
  /// "podinfo.test", as events and logs print it.
  [[nodiscard]] std::string dotted() const { return name + "." + ns; }
};

/// Views on the metadata every object has; empty where absent.
std::string name_of(const Json& object);
std::string namespace_of(const Json& object);
std::string uid_of(const Json& object);
std::string resource_version_of(const Json& object);
ObjectRef ref_of(const Json& object);
bool is_being_deleted(const Json& object);
/// The owner reference with controller: true; null if none.
const Json& controller_owner(const Json& object);

struct ListOptions {
  std::string label_selector, field_selector;
  int limit = 0;  ///< page size; 0: all at once
  std::string continue_token;
  bool metadata_only = false;    ///< PartialObjectMetadata: nothing of the data crosses the wire
  std::string resource_version;  ///< "" most recent; "0" any
};

struct List {
  std::vector<Json> items;       ///< each with apiVersion and kind filled in
  std::string resource_version;  ///< where a watch may start
  std::string continue_token;    ///< empty on the last page
};

enum class WatchEventType { added, modified, deleted, bookmark };

struct WatchEvent {
  WatchEventType type = WatchEventType::bookmark;
  Json object;
};

/// A watch in progress.
class Watch {
 public:
  virtual ~Watch() = default;
  /// The next event. nullopt: the server ended the watch in good order, start a new one. Errc::gone: the
  /// version is too old, list again. Errc::unavailable: the connection broke.
  virtual base::Task<base::Result<std::optional<WatchEvent>>> next() = 0;
};

enum class PatchType { json, merge, strategic, apply };

struct WriteOptions {
  std::string field_manager = "flagger";
  bool dry_run = false;
  bool force = false;  ///< server-side apply: take conflicting fields over
};

struct DeleteOptions {
  std::string uid;               ///< precondition; empty: none
  std::string resource_version;  ///< precondition; empty: none
  std::string propagation;       ///< "Background", "Foreground", "Orphan"; empty: the server's default
  std::optional<int> grace_seconds;
};

/// The Kubernetes API: the one port through which the controller knows and changes the cluster. Errors carry
/// the API server's own message as text, and a code from its status reason: NotFound -> not_found,
/// AlreadyExists -> already_exists, Conflict -> conflict, Expired -> gone, Invalid and BadRequest -> invalid,
/// Unauthorized and Forbidden -> forbidden, Timeout -> timeout, TooManyRequests, ServiceUnavailable, 5xx and
/// broken connections -> unavailable, other 4xx -> rejected.
class Api {
 public:
  virtual ~Api() = default;

  virtual base::Task<base::Result<Json>> get(Resource resource, std::string ns, std::string name) = 0;
  /// `ns` empty: all namespaces (or a cluster-scoped resource).
  virtual base::Task<base::Result<List>> list(Resource resource, std::string ns, ListOptions options) = 0;
  /// Starts after `resource_version`; bookmarks are asked for.
  virtual base::Task<base::Result<std::unique_ptr<Watch>>> watch(Resource resource, std::string ns,
                                                                 std::string resource_version,
                                                                 ListOptions options) = 0;
  virtual base::Task<base::Result<Json>> create(Resource resource, std::string ns, Json object,
                                                WriteOptions options) = 0;
  /// PUT. With metadata.resourceVersion a stale write is Errc::conflict. subresource: "" or "status".
  virtual base::Task<base::Result<Json>> replace(Resource resource, Json object, std::string subresource,
                                                 WriteOptions options) = 0;
  virtual base::Task<base::Result<Json>> patch(Resource resource, std::string ns, std::string name,
                                               PatchType type, Json patch, std::string subresource,
                                               WriteOptions options) = 0;
  virtual base::Task<base::Result<void>> remove(Resource resource, std::string ns, std::string name,
                                                DeleteOptions options) = 0;
  /// GET of a path that is no object: /version, /apis/<group>/<version>, ...
  virtual base::Task<base::Result<Json>> get_path(std::string path) = 0;
};

}  // namespace serin::kube
