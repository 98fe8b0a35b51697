#include "local/node/namespaces.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string_view>

#include "local/node/fd.h"

namespace serin::local {

using base::Errc;
using base::Result;

namespace {

std::string_view kind_of(int flags) {
  if (flags & CLONE_NEWUSER) return "user";
  if (flags & CLONE_NEWNET) return "network";
  return "process and mount";
}

std::string_view remedy(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EUSERS:
      return "the limit of sysctl user.max_user_namespaces (or of its siblings) is reached; raise it";
    case EINVAL:
    case ENOSYS:
      return "the kernel was built without them";
    default:
      return "sysctl kernel.unprivileged_userns_clone or kernel.apparmor_restrict_unprivileged_userns, or a "
             "container's seccomp filter, denies them";
  }
}

Result<void> write_file(const std::string& path, std::string_view text) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return fail_errno("cannot open " + path);
  // One write: the kernel takes a map only as a whole.
  if (::write(file.get(), text.data(), text.size()) < 0) return fail_errno("cannot write " + path);
  return {};
}

/// Each of the caller's own ids, under the same number.
std::string identity_map(const char* own_map) {
  std::ifstream file(own_map);
  std::string map;
  unsigned inside = 0, outside = 0, count = 0;
  while (file >> inside >> outside >> count) map += fmt::format("{} {} {}\n", inside, inside, count);
  return map;
}

}  // namespace

base::Error namespace_error(int namespace_flags, int error_number) {
  return {Errc::forbidden,
          fmt::format("{} ({})",
                      errno_error(fmt::format("{} namespaces are not available", kind_of(namespace_flags)),
                                  error_number)
                          .message,
                      remedy(error_number))};
}

Result<pid_t> fork_into(int namespace_flags) {
  // The system call itself, since unshare(2) of a user namespace demands a process with a single thread.
  const long pid = ::syscall(SYS_clone, namespace_flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid < 0) return base::fail(namespace_error(namespace_flags, errno));
  return static_cast<pid_t>(pid);
}

Result<void> map_users(pid_t child) {
  const std::string folder = fmt::format("/proc/{}/", child);
  if (::geteuid() == 0) {
    const Result<void> users = write_file(folder + "uid_map", identity_map("/proc/self/uid_map"));
    if (!users) return users;
    return write_file(folder + "gid_map", identity_map("/proc/self/gid_map"));
  }
  // user_namespaces(7): without privileges, setgroups must be given up before the map of groups is written.
  const Result<void> groups_denied = write_file(folder + "setgroups", "deny");
  if (!groups_denied) return groups_denied;
  const Result<void> users = write_file(folder + "uid_map", fmt::format("0 {} 1", ::geteuid()));
  if (!users) return users;
  return write_file(folder + "gid_map", fmt::format("0 {} 1", ::getegid()));
}

}  // namespace serin::local
