#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "local/apiserver/catalog.h"
#include "local/apiserver/cluster_ips.h"
#include "local/apiserver/subscription.h"
#include "local/machinery/apply.h"

namespace serin::local {

struct RegistryOptions {
  std::string service_cidr = "10.96.0.0/16";
  std::size_t history_max = 256;  ///< changes a resource remembers for watches
};

struct WriteFlags {
  std::string manager = "serin";  ///< for metadata.managedFields
  FieldValidation validation = FieldValidation::ignore;
  bool dry_run = false;
  bool force = false;  ///< server-side apply: take conflicting fields over
};

struct RemoveFlags {
  kube::DeleteOptions options;
  bool dry_run = false;
};

struct ListFlags {
  std::string label_selector, field_selector, resource_version, continue_token;
  int limit = 0;
};

struct WatchFlags {
  std::string label_selector, field_selector, resource_version;
  bool initial_events = false;  ///< sendInitialEvents: a streaming list
};

/// The result of a write: the object as the request's version shows it.
struct Written {
  ObjectPtr object;
  bool created = false;
  std::vector<std::string> warnings;
};

/// The result of a deletion: gone, or marked and waiting for finalizers, grace or a namespace's content.
struct Removed {
  ObjectPtr object;
  bool gone = false;
};

struct Listed {
  std::vector<ObjectPtr> items;
  std::uint64_t revision = 0;
  std::string continue_token;
  std::optional<std::int64_t> remaining;
};

/// The heart of the embedded API server: the Kubernetes API's verbs on objects, without network or threads.
/// What it answers, its texts included, is what a real API server answers. Every call is complete when it
/// returns; a write is in the store by then, and watches have been told.
class Registry {
 public:
  /// Reads the store, and makes what a cluster has from the start (namespaces, the Service `kubernetes`).
  /// All references must outlive it.
  static base::Result<std::unique_ptr<Registry>> open(Store& store, base::Clock& clock, base::Random& random,
                                                      RegistryOptions options);

  /// subresource: "", "status", "scale".
  StatusResult<ObjectPtr> get(const kube::Resource& resource, const kube::ObjectRef& ref,
                              std::string_view subresource = {}) const;
  StatusResult<Listed> list(const kube::Resource& resource, const std::string& ns,
                            const ListFlags& flags) const;
  StatusResult<std::unique_ptr<Subscription>> watch(const kube::Resource& resource, const std::string& ns,
                                                    const WatchFlags& flags) const;
  StatusResult<Written> create(const kube::Resource& resource, const std::string& ns, Json object,
                               const WriteFlags& flags);
  /// POST to a subresource: "eviction" and "binding" of pods.
  StatusResult<Json> create_in(const kube::Resource& resource, const kube::ObjectRef& ref,
                               std::string_view subresource, const Json& body, const WriteFlags& flags);
  /// PUT. subresource: "", "status", "scale", "finalize" (namespaces).
  StatusResult<Written> replace(const kube::Resource& resource, const kube::ObjectRef& ref,
                                std::string_view subresource, Json object, const WriteFlags& flags);
  StatusResult<Written> patch(const kube::Resource& resource, const kube::ObjectRef& ref,
                              std::string_view subresource, kube::PatchType type, const Json& patch,
                              const WriteFlags& flags);
  StatusResult<Removed> remove(const kube::Resource& resource, const kube::ObjectRef& ref,
                               const RemoveFlags& flags);
  /// Removes each selected object; what cannot be removed at once is only marked.
  StatusResult<Listed> remove_all(const kube::Resource& resource, const std::string& ns,
                                  const ListFlags& which, const RemoveFlags& flags);

  /// Removes events older than this: a real server forgets them after an hour.
  void forget_events(base::Duration older_than);

  [[nodiscard]] const Catalog& catalog() const { return catalog_; }
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

 private:
  /// An object that a write is about, found.
  struct Target {
    std::shared_ptr<const Served> served;
    ObjectPtr stored;  ///< null: to be created
    ObjectPtr view;    ///< in the request's version; null likewise
    std::string subresource;
  };
  /// Who is named as manager of the fields that a write changes.
  enum class Tracking { update, applied };

  Registry(Store& store, base::Clock& clock, base::Random& random, ClusterIps cluster_ips,
           std::size_t history);
  base::Result<void> load();
  base::Result<void> make_defaults();

  [[nodiscard]] StatusResult<std::shared_ptr<const Served>> serve(const kube::Resource& resource) const;
  [[nodiscard]] StatusResult<Target> find(const kube::Resource& resource, const kube::ObjectRef& ref,
                                          std::string_view subresource) const;

  StatusResult<void> check_namespace(const Served& served, const std::string& ns,
                                     const std::string& name) const;
  StatusResult<Written> create_object(const Target& target, const std::string& ns, Json object,
                                      const WriteFlags& flags, Tracking tracking);
  void set_birth_metadata(const Served& served, Json& object);
  StatusResult<Written> update_object(const Target& target, Json object, const WriteFlags& flags,
                                      Tracking tracking);
  StatusResult<Written> update_scale(const Target& target, const Json& scale, const WriteFlags& flags);
  StatusResult<Written> apply(const Target& target, const kube::ObjectRef& ref, const Json& configuration,
                              const WriteFlags& flags);
  StatusResult<Json> patched(const Target& target, kube::PatchType type, const Json& patch) const;
  /// What only the server knows of some kinds: addresses of Services, the status of CRDs and namespaces.
  FieldErrors complete(const Served& served, Json& object, const Json& old) const;
  [[nodiscard]] FieldManager manager_of(const Target& target, const WriteFlags& flags) const;
  [[nodiscard]] std::string now_text() const;

  /// Stores a new state (in storage version) and tells the watches.
  StatusResult<ObjectPtr> commit(const Served& served, ObjectPtr previous, Json object);
  StatusResult<ObjectPtr> commit_removal(const Served& served, const ObjectPtr& previous);
  void after_commit(const Served& served, const ObjectPtr& previous, const Json& object);
  void after_removal(const Served& served, const Json& object);

  StatusResult<Removed> remove_target(const Target& target, const RemoveFlags& flags);
  StatusResult<void> empty_crd(const Json& crd);
  void finish_crd_if_empty(const Json& crd);

  Store& store_;
  base::Clock& clock_;
  base::Random& random_;
  ClusterIps cluster_ips_;
  Catalog catalog_;
  std::uint64_t revision_ = 0;
};

/// The reason's code in terms of the ports (kube::Api documents the table).
base::Error to_error(const StatusError& status);
/// The Status of a finished deletion or eviction: `{"status":"Success","details":{...}}`.
Json success_status(const Served& served, const Json& object);

}  // namespace serin::local
