#pragma once

#include <map>
#include <memory>
#include <string>

#include "local/apiserver/node_api.h"
#include "local/streaming/spdy_connection.h"

namespace serin::local {

/// kubectl port-forward over SPDY: for each connection that the user makes there is a pair of streams (data
/// and error, told apart by `streamtype`, paired by `requestid`) that names the pod's port.
class PortForward {
 public:
  /// The references must outlive it.
  PortForward(base::Executor executor, SpdyConnection& connection, NodeApi& node, std::string ns,
              std::string pod);

  /// Pairs streams and carries their bytes until the connection ends or it is cancelled.
  base::Task<void> run();

 private:
  using Stream = std::shared_ptr<SpdyStream>;
  base::Task<void> accept_streams();
  base::Task<void> forward(Stream data, Stream error);
  base::Task<void> upstream(Stream data, PortStream& port, base::TaskGroup& group);
  base::Task<void> downstream(Stream data, PortStream& port, base::TaskGroup& group);

  base::Executor executor_;
  SpdyConnection& connection_;
  NodeApi& node_;
  std::string ns_, pod_;
  base::TaskGroup forwards_;
  std::map<std::string, Stream, std::less<>> unpaired_;  ///< by request id
};

}  // namespace serin::local
