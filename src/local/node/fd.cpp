#include "local/node/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace serin::local {

using base::Errc;
using base::fail;
using base::Result;

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

base::Error errno_error(std::string_view what, int error_number) {
  const Errc code = error_number == ENOENT                            ? Errc::not_found
                    : error_number == EPERM || error_number == EACCES ? Errc::forbidden
                                                                      : Errc::internal;
  return {code, std::string(what) + ": " + std::generic_category().message(error_number)};
}

std::unexpected<base::Error> fail_errno(std::string_view what) {
  return fail(errno_error(what, errno));
}

Result<FdPair> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("cannot make a pipe");
  return FdPair{Fd(ends[0]), Fd(ends[1])};
}

Result<FdPair> make_socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail_errno("cannot make a pair of sockets");
  }
  return FdPair{Fd(ends[0]), Fd(ends[1])};
}

Result<FdPair> make_terminal() {
  Fd user(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!user || ::grantpt(user.get()) != 0 || ::unlockpt(user.get()) != 0) {
    return fail_errno("cannot make a pseudo terminal");
  }
  // By descriptor rather than by name: the name may belong to another mount of devpts.
  Fd program(::ioctl(user.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!program) return fail_errno("cannot open the program's side of a pseudo terminal");
  return FdPair{std::move(user), std::move(program)};
}

}  // namespace serin::local
