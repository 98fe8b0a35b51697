#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "base/task.h"
#include "http/tls_context.h"

namespace serin::http {

/// A connected byte stream, plain or TLS, hidden behind one type so that what speaks HTTP over it compiles
/// once. One read and one write may be under way at a time; all calls on the stream's executor.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Appends what arrives (at least one byte) to `into`, which must outlive the call; 0 at the peer's orderly
  /// end. Errors (unavailable) read as Go's: "read tcp A->B: read: connection reset by peer".
  virtual base::Task<base::Result<std::size_t>> read_some(std::string* into) = 0;
  /// Returns when all bytes are handed to the system.
  virtual base::Task<base::Result<void>> write(std::string bytes) = 0;
  /// Says good-bye, then drops what arrives until the peer closes too: closing at once would reset the
  /// connection, and take from the peer what it has not read yet. Limit it with a deadline.
  virtual base::Task<void> linger() = 0;
  /// Ends everything at once; calls under way fail.
  virtual void close() = 0;
  /// Open, and the peer has neither sent anything nor closed: an idle connection that can be used again.
  [[nodiscard]] virtual bool is_quiet() = 0;
  /// RFC 2253 subject of the peer's verified certificate; empty if there is none.
  [[nodiscard]] virtual std::string certificate_subject() const = 0;
};

using Socket = boost::asio::ip::tcp::socket;

std::unique_ptr<Stream> plain_stream(Socket socket);
/// Shakes hands as the client; `server_name` is sent as SNI and checked as the context demands. Errors
/// (unavailable) say what is wrong with the certificate.
base::Task<base::Result<std::unique_ptr<Stream>>> tls_client_stream(Socket socket, TlsContext context,
                                                                    std::string server_name);
/// Shakes hands as the server. A peer that speaks plain HTTP is told so.
base::Task<base::Result<std::unique_ptr<Stream>>> tls_server_stream(Socket socket, TlsContext context);

/// "Connection refused" as Go words it: the system's text in lower case.
std::string system_text(const boost::system::error_code& error);
/// "127.0.0.1:80", "[::1]:80".
std::string endpoint_text(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace serin::http
