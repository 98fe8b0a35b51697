#pragma once

#include "base/result.h"
#include "controller/options.h"
#include "kube/kubeconfig.h"

namespace serin::controller {

/// The cluster that flags and environment name: -kubeconfig, else the pod's own, else the user's.
/// -master overrides its API server.
base::Result<kube::Connection> connection_of(const Options& options);

/// The objects of the mesh are where the workloads are: Errors (invalid) if -kubeconfig-service-mesh names
/// another API server than `cluster`.
base::Result<void> check_mesh_cluster(const Options& options, const kube::Connection& cluster);

}  // namespace serin::controller
