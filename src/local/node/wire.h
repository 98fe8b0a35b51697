#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "local/node/fd.h"

namespace serin::local {

/// One message between `serin local` and the node agent, or a pod's supervisor: a JSON object and
/// descriptors. Requests have `id` and `op`; answers repeat the `id` with either `ok` or `error`; events have
/// `event`.
struct Message {
  base::Json body;
  std::vector<Fd> fds;
};

/// At most this many descriptors travel with one message.
inline constexpr std::size_t message_fds_max = 32;

/// Sends one message; blocks while the socket's buffer is full. Errc::unavailable: the other side has gone.
base::Result<void> send_message(int socket, const base::Json& body, std::span<const int> fds = {});
/// Receives one message; blocks until there is one, or from a non-blocking socket fails with Errc::timeout.
/// nullopt: the other side has closed.
base::Result<std::optional<Message>> receive_message(int socket);

}  // namespace serin::local
