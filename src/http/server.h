#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/task.h"
#include "http/message.h"

namespace serin::http {

/// Bytes both ways, after an upgrade (SPDY, WebSocket) took the connection over from HTTP.
class Duplex {
 public:
  virtual ~Duplex() = default;
  /// What has arrived (never empty); nullopt when the peer closed its side.
  virtual base::Task<base::Result<std::optional<std::string>>> read() = 0;
  /// Returns when the bytes are handed to the network. One write at a time.
  virtual base::Task<base::Result<void>> write(std::string bytes) = 0;
  virtual void close() = 0;
};

/// Who is asking.
struct Peer {
  std::string address;  ///< IP address
  std::uint16_t port = 0;
  std::string certificate_subject;  ///< RFC 2253 subject of a verified client certificate; empty if none
};

/// The answer to one request: exactly one of send(), start() and upgrade() is called. Writes to a peer that
/// has gone are Errc::unavailable; the handler then returns.
class Responder {
 public:
  virtual ~Responder() = default;
  /// The whole answer. Content-Length and Date are added; a HEAD request gets no body.
  virtual base::Task<base::Result<void>> send(Response response) = 0;
  /// Status and headers of an answer whose body follows in pieces (chunked).
  virtual base::Task<base::Result<void>> start(Response head) = 0;
  virtual base::Task<base::Result<void>> write(std::string piece) = 0;
  virtual base::Task<base::Result<void>> finish() = 0;
  /// Answers with this head (101 Switching Protocols) and hands the connection over.
  virtual base::Task<base::Result<std::unique_ptr<Duplex>>> upgrade(Response head) = 0;
  /// Drops the connection without an answer.
  virtual void abandon() = 0;
  /// Completes when the peer has closed or reset the connection: race it against a stream without end.
  virtual base::Task<void> closed() = 0;
  [[nodiscard]] virtual const Peer& peer() const = 0;
};

/// Runs once a request, each in a task of its own. When it returns without an answer, or throws, the peer
/// gets 500.
using Handler = std::function<base::Task<void>(Request request, Responder& responder)>;

struct ServerTls {
  std::string certificate_pem, key_pem;
  std::string
      client_ca_pem;  ///< client certificates are asked for and verified against it; empty: not asked for
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: the system picks one, see Server::port()
  std::optional<ServerTls> tls;
  std::size_t body_max = 3u << 20;                          ///< longer requests get 413
  std::size_t header_max = 64u << 10;                       ///< longer headers get 431
  base::Duration read_timeout = std::chrono::seconds(30);   ///< from the first byte of a request to its last
  base::Duration write_timeout = std::chrono::seconds(60);  ///< for each write of an answer's bytes
  base::Duration idle_timeout = std::chrono::seconds(90);   ///< between two requests
  std::size_t connections_max = 4096;                       ///< further ones wait in the backlog
};

/// An HTTP/1.1 server. Malformed, oversized and slow requests get 400, 413, 431 or are dropped; they never
/// reach the handler. Bodies are received whole before the handler runs ("Expect: 100-continue" is honoured).
class Server {
 public:
  virtual ~Server() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  /// Accepts and serves until cancelled; then stops accepting and cancels the handlers.
  virtual base::Task<void> run() = 0;
};

/// Binds and listens at once. Errors name the address and port, and what to do (another port, another
/// address).
base::Result<std::unique_ptr<Server>> make_server(base::Executor executor, ServerOptions options,
                                                  Handler handler, base::Logger log);

}  // namespace serin::http
