// deny_namespaces PROGRAM ARGUMENT...: runs a program where namespaces and mounts are forbidden, as the
// seccomp filters of container runtimes forbid them. Everything that the program starts is under the filter,
// too.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <iterator>
#include <vector>

namespace {

constexpr unsigned namespace_flags =
    CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;

/// Answers this system call with an error, whatever its arguments.
void refuse(std::vector<sock_filter>& filter, unsigned call, unsigned error_number) {
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error_number));
}

std::vector<sock_filter> denying_filter() {
  std::vector<sock_filter> filter = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const unsigned call : {SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root}) {
    refuse(filter, call, EPERM);
  }
  // A filter can't see clone3's flags, which lie in memory. As if it didn't exist, libc falls back to clone.
  refuse(filter, SYS_clone3, ENOSYS);
  const sock_filter clone_without_new_namespaces[] = {
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, namespace_flags, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  filter.insert(filter.end(), std::begin(clone_without_new_namespaces),
                std::end(clone_without_new_namespaces));
  return filter;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: deny_namespaces PROGRAM ARGUMENT...\n");
    return 2;
  }
  std::vector<sock_filter> filter = denying_filter();
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("deny_namespaces: seccomp");
    return 125;
  }
  ::execvp(arguments[1], arguments + 1);
  std::perror(arguments[1]);
  return 127;
}
