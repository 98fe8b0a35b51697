#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "local/node/fd.h"

namespace serin::local {

/// An IPv4 network or an address in it: "10.244.0.1" and 16.
struct Ipv4Prefix {
  std::string address;
  int length = 32;
};

/// Interfaces, addresses and routes of the calling process's network namespace (rtnetlink(7), IPv4 only).
/// Each call waits for the kernel's answer.
class Netlink {
 public:
  static base::Result<Netlink> open();

  base::Result<void> add_bridge(std::string_view name);
  /// A pair of connected interfaces: `name` here, on `bridge` and up; `peer` in the namespace of process
  /// `pid`.
  base::Result<void> add_veth(std::string_view name, std::string_view bridge, std::string_view peer,
                              pid_t pid);
  base::Result<void> set_up(std::string_view name);
  base::Result<void> add_address(std::string_view name, const Ipv4Prefix& address);
  /// Everything goes to this neighbour.
  base::Result<void> add_default_route(std::string_view gateway);
  /// Every address of the network is this host's own.
  base::Result<void> add_local_route(const Ipv4Prefix& network);

 private:
  explicit Netlink(Fd socket) : socket_(std::move(socket)) {}
  class Request;
  base::Result<void> send(Request& request, std::string_view what);

  Fd socket_;
};

}  // namespace serin::local
