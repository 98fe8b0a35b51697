#pragma once

#include <memory>

#include "workload/kind.h"

namespace serin::workload {

/// DaemonSets (spec 02 §2A): a target is parked by a node selector that no node matches; the primary never
/// takes that over.
std::unique_ptr<Kind> make_daemonset_kind();

}  // namespace serin::workload
