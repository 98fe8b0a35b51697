#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "http/server.h"
#include "local/apiserver/documents.h"
#include "local/apiserver/node_api.h"
#include "local/apiserver/rest.h"

namespace serin::local {

/// What exec, attach and port-forward requests ask for, checked against the pod.
struct StreamRequest {
  enum class Kind { exec, attach, portforward } kind = Kind::exec;
  ExecRequest exec;                  ///< ns and pod also for port-forward
  std::vector<std::uint16_t> ports;  ///< port-forward over WebSocket names them in the query
};

/// Speaks the wire protocol (SPDY or WebSocket) of a StreamRequest and drives the node; answers the request.
using StreamHandler =
    std::function<base::Task<void>(http::Request request, http::Responder& responder, StreamRequest stream)>;

struct FrontOptions {
  std::vector<std::string> tokens;  ///< bearer tokens that are let in
  NodeApi* node = nullptr;          ///< null: logs are answered with 503
  StreamHandler streams;            ///< empty: exec, attach and port-forward are answered with 501
};

/// How often something was asked: for benchmarks and curiosity.
struct RequestCount {
  std::string agent;     ///< User-Agent up to the first blank
  std::string verb;      ///< get, list, watch, ...
  std::string resource;  ///< "deployments.apps", "deployments.apps/status", or a path
  std::uint64_t count = 0;
};

/// The HTTP face of a Registry. Single-threaded; hand `handler()` to http::make_server.
class Front {
 public:
  /// The references must outlive it.
  Front(base::Executor executor, Registry& registry, base::Clock& clock, base::Random& random,
        FrontOptions options);

  base::Task<void> handle(http::Request request, http::Responder& responder);
  http::Handler handler();

  [[nodiscard]] std::vector<RequestCount> request_counts() const;
  /// Removes Events older than an hour, every minute, until cancelled.
  base::Task<void> tend();

 private:
  /// The user's name; nullopt: unknown (401).
  std::optional<std::string> authenticate(const http::Request& request, const http::Peer& peer) const;
  void count(const http::Request& request, const RequestInfo& info);
  base::Task<void> watch(http::Request request, RequestInfo info, http::Responder& responder);
  base::Task<void> logs(RequestInfo info, http::Responder& responder);
  base::Task<void> stream(http::Request request, RequestInfo info, http::Responder& responder);

  base::Executor executor_;
  Registry& registry_;
  base::Clock& clock_;
  base::Random& random_;
  FrontOptions options_;
  Rest rest_;
  Documents documents_;
  std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t> counts_;
};

}  // namespace serin::local
