#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/task.h"
#include "http/message.h"

namespace serin::http {

/// How one exchange may run. All limits are for the exchange as a whole.
struct ExchangeOptions {
  base::Duration timeout = std::chrono::seconds(
      30);  ///< connect, TLS, sending and the whole answer; open() stops counting at the headers
  std::size_t body_max = 64u << 20;  ///< a longer answer is Errc::rejected (send() only)
  int redirects_max = 0;             ///< how many redirects are followed (RFC 9110 §15.4)
  bool redirects_stay = false;       ///< a redirect to another host, or from https to http, is Errc::rejected
};

/// The body of an answer that is still arriving.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  /// The next piece as it arrives (never empty); nullopt at the end. A cut-off body is an error.
  virtual base::Task<base::Result<std::optional<std::string>>> read() = 0;
};

struct StreamingResponse {
  Response head;  ///< status and headers, body empty
  std::unique_ptr<BodyStream> body;
};

/// The port through which everything speaks HTTP; the simulation has a twin. Transport failures are
/// Errc::unavailable (refused, reset, no such host, bad certificate) or Errc::timeout; any status that was
/// received is a success here.
class Client {
 public:
  virtual ~Client() = default;
  virtual base::Task<base::Result<Response>> send(Request request, ExchangeOptions options) = 0;
  /// For bodies without end (watches, logs): returns when the headers are in.
  virtual base::Task<base::Result<StreamingResponse>> open(Request request, ExchangeOptions options) = 0;
};

/// What a client proves and demands on https.
struct TlsOptions {
  std::string ca_pem;           ///< trusted roots; empty: the system's
  std::string certificate_pem;  ///< client certificate and key; empty: none
  std::string key_pem;
  std::string server_name;  ///< checked and sent as SNI instead of the URL's host; empty: the host
  bool verify = true;
};

/// HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go's net/http understands them; or one proxy for everything.
struct ProxyOptions {
  std::string http_proxy;   ///< URL of the proxy for http requests; empty: direct
  std::string https_proxy;  ///< URL of the proxy for https requests (CONNECT); empty: direct
  std::string no_proxy;     ///< comma list of hosts, .suffixes, CIDRs, "*"; loopback is always direct
  std::string every = {};   ///< URL of the proxy for every request, loopback too; the others then don't count
};

struct ClientOptions {
  TlsOptions tls;
  ProxyOptions proxy;
  std::string user_agent = "serin";
  std::size_t idle_per_host_max = 8;  ///< kept-alive connections
  /// So long a kept-alive connection may have been idle for a request that cannot be sent twice (POST): its
  /// server may be closing it at this very moment.
  base::Duration idle_for_post_max = std::chrono::seconds(2);
};

/// The client of the real world: HTTP/1.1 with TLS, kept-alive connections, resolved names cached for a few
/// seconds. Errors (invalid) name the PEM that cannot be read. The executor must be single-threaded.
base::Result<std::unique_ptr<Client>> make_client(base::Executor executor, ClientOptions options);

}  // namespace serin::http
