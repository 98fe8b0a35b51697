#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace serin::local {

/// fork(2) into new namespaces (CLONE_NEW* flags): 0 in the child, its pid in the parent. Errors name what is
/// forbidden and the remedy.
base::Result<pid_t> fork_into(int namespace_flags);

/// Maps the users of a child's new user namespace: all of the caller's for root, otherwise the caller to
/// root.
base::Result<void> map_users(pid_t child);

/// The error of fork_into for this errno: "user namespaces are forbidden (...)".
base::Error namespace_error(int namespace_flags, int error_number);

}  // namespace serin::local
