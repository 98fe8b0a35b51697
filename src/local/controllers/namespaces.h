#pragma once

#include "local/controllers/object_graph.h"
#include "local/controllers/plan.h"

namespace serin::local {

/// What every namespace has, and what is known to be in this one.
struct NamespaceView {
  const Json* service_account = nullptr;  ///< `default`
  const Json* root_ca = nullptr;          ///< ConfigMap `kube-root-ca.crt`
  std::vector<const GraphNode*> contents;
};

/// One look at a Namespace: gives it its ServiceAccount and the ConfigMap with the API server's CA; when it
/// is being deleted, removes what is in it and, once it is empty, its finalizer.
Plan reconcile_namespace(const Json& ns, const NamespaceView& view, const std::string& ca_certificate);

}  // namespace serin::local
