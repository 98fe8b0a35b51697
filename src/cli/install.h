#pragma once

#include <string>

#include "base/result.h"

namespace serin::cli {

/// What `serin install` may be told. Empty: what fits the provider.
struct InstallOptions {
  std::string ns = "flagger-system";
  std::string mesh_provider = "linkerd";
  std::string metrics_server = {};
  std::string image = {};
  bool authorization_policy = false;  ///< Linkerd 2.12 and later: let the controller ask Linkerd's Prometheus
};

/// The manifests of deploy/ for these options, as YAML for `kubectl apply -f -`: kinds, account, rights,
/// Deployment. The namespace is among them only if it is the usual one: what is there already, such as
/// Linkerd's own, is left as it is. Errors (invalid) name the flag and the remedy.
base::Result<std::string> manifests(const InstallOptions& options);

}  // namespace serin::cli
