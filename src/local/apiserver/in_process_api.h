#pragma once

#include "kube/api.h"
#include "local/apiserver/registry.h"

namespace serin::local {

/// The Kubernetes API on a Registry of the same thread, without network: for the parts of the embedded
/// cluster, and for simulations. As over a network, nothing completes within the call: the answer comes in a
/// later turn of the executor, so callers meet the same interleavings.
class InProcessApi final : public kube::Api {
 public:
  /// All references must outlive it and every watch it made.
  InProcessApi(base::Executor executor, Registry& registry, base::Clock& clock);

  base::Task<base::Result<Json>> get(kube::Resource resource, std::string ns, std::string name) override;
  base::Task<base::Result<kube::List>> list(kube::Resource resource, std::string ns,
                                            kube::ListOptions options) override;
  base::Task<base::Result<std::unique_ptr<kube::Watch>>> watch(kube::Resource resource, std::string ns,
                                                               std::string resource_version,
                                                               kube::ListOptions options) override;
  base::Task<base::Result<Json>> create(kube::Resource resource, std::string ns, Json object,
                                        kube::WriteOptions options) override;
  base::Task<base::Result<Json>> replace(kube::Resource resource, Json object, std::string subresource,
                                         kube::WriteOptions options) override;
  base::Task<base::Result<Json>> patch(kube::Resource resource, std::string ns, std::string name,
                                       kube::PatchType type, Json patch, std::string subresource,
                                       kube::WriteOptions options) override;
  base::Task<base::Result<void>> remove(kube::Resource resource, std::string ns, std::string name,
                                        kube::DeleteOptions options) override;
  base::Task<base::Result<Json>> get_path(std::string path) override;

 private:
  /// Completes in a later turn.
  base::Task<void> turn();

  base::Executor executor_;
  Registry& registry_;
  base::Clock& clock_;
};

/// The metadata-only form of an object.
Json partial_metadata(const Json& object);

}  // namespace serin::local
