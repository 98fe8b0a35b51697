#pragma once

#include "base/task.h"
#include "http/server.h"
#include "local/apiserver/front.h"
#include "local/apiserver/node_api.h"

namespace serin::local {

/// The wire protocols of kubectl exec, attach and port-forward. Understood are SPDY/3.1 (kubectl up to 1.30)
/// with v4.channel.k8s.io or portforward.k8s.io, and WebSocket (RFC 6455) with v5 or v4.channel.k8s.io, or
/// with SPDY/3.1+portforward.k8s.io, which is SPDY inside WebSocket messages. Anything else gets 400.
class StreamServer {
 public:
  /// The references must outlive it and every request.
  StreamServer(base::Executor executor, base::Clock& clock, NodeApi& node)
      : executor_(std::move(executor)), clock_(clock), node_(node) {}

  /// Answers a request and returns when the stream has ended. When the user goes away, the node's exec or
  /// attach is cancelled.
  base::Task<void> handle(http::Request request, http::Responder& responder, StreamRequest stream);
  /// For FrontOptions::streams.
  StreamHandler handler();

 private:
  struct Agreement;
  static base::Result<Agreement> agree(const http::Request& request, StreamRequest::Kind kind);

  base::Task<void> spdy(http::Duplex& duplex, StreamRequest stream);
  base::Task<void> websocket_exec(http::Duplex& duplex, StreamRequest stream);
  base::Task<void> drive_spdy_exec(class SpdyConnection& connection, StreamRequest stream);
  base::Task<void> drive_exec(class InboxSession& session, StreamRequest stream);

  base::Executor executor_;
  base::Clock& clock_;
  NodeApi& node_;
};

}  // namespace serin::local
