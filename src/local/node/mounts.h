#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace serin::local {

/// A file or directory of the host that is seen at another path.
struct BindMount {
  std::string source;
  std::string target;  ///< absolute
  bool read_only = false;
};

/// Makes the calling process's mount namespace its own: nothing mounted later is seen outside.
base::Result<void> make_mounts_private();

/// Applies the mounts in order, in the calling process's mount namespace. Missing mount points are made
/// without touching the host's files: the nearest directory that exists is replaced by a memory file system
/// in which every old entry is bind-mounted. Errors name the target.
base::Result<void> apply_mounts(const std::vector<BindMount>& mounts);

/// A fresh /proc for the calling process's PID namespace.
base::Result<void> mount_proc();

}  // namespace serin::local
