#pragma once

#include <string_view>
#include <utility>

#include "base/result.h"

namespace serin::local {

/// An open file descriptor with an owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// Gives the descriptor up without closing it.
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

struct FdPair {
  Fd first, second;
};

/// "<what>: <text of errno>". ENOENT is not_found, EPERM and EACCES are forbidden, the rest is internal.
base::Error errno_error(std::string_view what, int error_number);
/// The same as a failure, of the present errno.
std::unexpected<base::Error> fail_errno(std::string_view what);

/// A pipe (first: read, second: write), both ends close-on-exec.
base::Result<FdPair> make_pipe();
/// A pair of connected SOCK_SEQPACKET sockets, close-on-exec.
base::Result<FdPair> make_socket_pair();
/// A pseudo terminal (first: the user's side, second: the program's), close-on-exec.
base::Result<FdPair> make_terminal();

}  // namespace serin::local
