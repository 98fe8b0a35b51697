#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "local/node/fd.h"

namespace serin::local {

/// A listening TCP socket on 127.0.0.1 and its port.
struct LoopbackListener {
  Fd socket;
  std::uint16_t port = 0;
};

/// Listens on this port of 127.0.0.1; 0: any free one. Errors name the port and `remedy` ("choose another
/// with
/// --port").
base::Result<LoopbackListener> listen_on_loopback(std::uint16_t port, const std::string& remedy);

/// A free port of 127.0.0.1 for a child that insists on binding it itself: `wanted` if that is free, any if
/// it is 0. Errors as above.
base::Result<std::uint16_t> free_loopback_port(std::uint16_t wanted, const std::string& remedy);

/// A pair of connected stream sockets, close-on-exec.
base::Result<FdPair> make_stream_pair();

}  // namespace serin::local
