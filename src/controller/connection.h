#pragma once

#include "base/result.h"
#include "controller/options.h"
#include "kube/kubeconfig.h"

namespace serin::controller {

/// The cluster that flags and environment name: -kubeconfig, else the pod's own, else the user's.
base::Result<kube::Connection> connection_of(const Options& options);

}  // namespace serin::controller
