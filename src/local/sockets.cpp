#include "local/sockets.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace serin::local {

using base::Errc;
using base::fail;
using base::Result;

Result<LoopbackListener> listen_on_loopback(std::uint16_t port, const std::string& remedy) {
  LoopbackListener listener{Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), port};
  if (!listener.socket) return fail_errno("cannot make a socket");
  const int fd = listener.socket.get(), on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd, any, size) != 0 || ::listen(fd, SOMAXCONN) != 0 || ::getsockname(fd, any, &size) != 0) {
    const int error = errno;
    return fail(Errc::unavailable, error == EADDRINUSE
                                       ? fmt::format("port {} of 127.0.0.1 is in use: {}", port, remedy)
                                       : fmt::format("cannot listen on 127.0.0.1:{}: {}: {}", port,
                                                     std::strerror(error), remedy));
  }
  listener.port = ntohs(address.sin_port);
  return listener;
}

Result<std::uint16_t> free_loopback_port(std::uint16_t wanted, const std::string& remedy) {
  const Result<LoopbackListener> listener = listen_on_loopback(wanted, remedy);
  if (!listener) return fail(listener.error());
  return listener->port;
}

Result<FdPair> make_stream_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    return fail_errno("cannot make sockets");
  return FdPair{Fd(fds[0]), Fd(fds[1])};
}

}  // namespace serin::local
