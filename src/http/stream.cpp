#include "http/stream.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include "http/openssl_handles.h"

namespace serin::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::Errc;
using base::Result;
using boost::system::error_code;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t piece_max = 16384;  // one TLS record
constexpr int lingering_pieces_max = 256;

using TlsLayer = asio::ssl::stream<Socket>;

Socket& socket_of(Socket& socket) {
  return socket;
}
Socket& socket_of(TlsLayer& layer) {
  return layer.next_layer();
}

std::string subject_of(const Socket&) {
  return {};
}

std::string subject_of(const TlsLayer& layer) {
  SSL* const ssl = const_cast<TlsLayer&>(layer).native_handle();
  const Certificate certificate(SSL_get1_peer_certificate(ssl));
  if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK) return {};
  const Bio text(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate.get()), 0, XN_FLAG_RFC2253);
  return text_of(text);
}

template <class Layer>
class LayerStream final : public Stream {
 public:
  explicit LayerStream(Layer layer) : layer_(std::move(layer)) {
    error_code ignored;
    Socket& socket = socket_of(layer_);
    socket.set_option(tcp::no_delay(true), ignored);
    path_ = fmt::format("{}->{}", endpoint_text(socket.local_endpoint(ignored)),
                        endpoint_text(socket.remote_endpoint(ignored)));
  }

  base::Task<Result<std::size_t>> read_some(std::string* into) override {
    piece_.resize(piece_max);
    const auto [error, size] = co_await layer_.async_read_some(asio::buffer(piece_), as_result);
    into->append(piece_, 0, size);
    if (size > 0) co_return size;
    if (error == asio::error::eof) co_return 0;
    co_return failure("read", error);
  }

  base::Task<Result<void>> write(std::string bytes) override {
    const auto [error, size] = co_await asio::async_write(layer_, asio::buffer(bytes), as_result);
    if (error) co_return failure("write", error);
    co_return Result<void>();
  }

  base::Task<void> linger() override {
    if constexpr (std::same_as<Layer, TlsLayer>) {
      const auto [error] = co_await layer_.async_shutdown(as_result);
      if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
    }
    error_code ignored;
    socket_of(layer_).shutdown(Socket::shutdown_send, ignored);
    piece_.resize(piece_max);
    for (int pieces = 0; pieces < lingering_pieces_max; ++pieces) {
      const auto [error, size] = co_await socket_of(layer_).async_read_some(asio::buffer(piece_), as_result);
      if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
      if (error) break;
    }
  }

  void close() override {
    closed_ = true;
    error_code ignored;
    socket_of(layer_).close(ignored);
  }

  bool is_quiet() override {
    if (closed_) return false;
    char byte = 0;
    const auto size =
        ::recv(socket_of(layer_).native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL);
    return size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  std::string certificate_subject() const override { return subject_of(layer_); }

 private:
  /// Cancellation goes on as an exception; an operation that our own close() ended is a failure like others.
  std::unexpected<base::Error> failure(std::string_view operation, error_code error) const {
    if (error == asio::error::operation_aborted && !closed_) throw boost::system::system_error(error);
    const bool cut_off = error == asio::ssl::error::stream_truncated || error == asio::error::eof;
    const std::string cause = closed_   ? "use of closed network connection"
                              : cut_off ? "unexpected EOF"
                                        : fmt::format("{}: {}", operation, system_text(error));
    return base::fail(Errc::unavailable, fmt::format("{} tcp {}: {}", operation, path_, cause));
  }

  Layer layer_;
  std::string path_;   // "local->remote"
  std::string piece_;  // where reads land; kept for the next one
  bool closed_ = false;
};

/// Why a handshake failed, as far as possible in the words Go has for it.
std::string handshake_text(SSL* ssl, error_code error) {
  if (error == asio::error::eof) return "EOF";
  if (error.category() != asio::error::get_ssl_category()) return system_text(error);
  const long verdict = SSL_get_verify_result(ssl);
  switch (verdict) {
    case X509_V_OK:
      break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return fmt::format("tls: failed to verify certificate: x509: certificate is not valid for {}",
                         X509_VERIFY_PARAM_get0_host(SSL_get0_param(ssl), 0)
                             ? X509_VERIFY_PARAM_get0_host(SSL_get0_param(ssl), 0)
                             : "this address");
    default:
      return fmt::format("tls: failed to verify certificate: x509: {}",
                         X509_verify_cert_error_string(verdict));
  }
  const char* const reason = ERR_reason_error_string(static_cast<unsigned long>(error.value()));
  return fmt::format("tls: {}", reason ? reason : error.message().c_str());
}

/// What the server's certificate must say: a DNS name, which is also sent as SNI, or an IP address.
void expect_server(SSL* ssl, const std::string& name, bool verify) {
  error_code not_an_address;
  asio::ip::make_address(name, not_an_address);
  if (not_an_address) SSL_set_tlsext_host_name(ssl, name.c_str());
  if (!verify) return;
  if (not_an_address) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl, name.c_str());
  } else {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
  }
}

}  // namespace

std::unique_ptr<Stream> plain_stream(Socket socket) {
  return std::make_unique<LayerStream<Socket>>(std::move(socket));
}

base::Task<Result<std::unique_ptr<Stream>>> tls_client_stream(Socket socket, TlsContext context,
                                                              std::string server_name) {
  TlsLayer layer(std::move(socket), SSL_new(context.context.get()));
  expect_server(layer.native_handle(), server_name, context.verify);
  const auto [error] = co_await layer.async_handshake(TlsLayer::client, as_result);
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (error) co_return base::fail(Errc::unavailable, handshake_text(layer.native_handle(), error));
  co_return std::make_unique<LayerStream<TlsLayer>>(std::move(layer));
}

base::Task<Result<std::unique_ptr<Stream>>> tls_server_stream(Socket socket, TlsContext context) {
  TlsLayer layer(std::move(socket), SSL_new(context.context.get()));
  const auto [error] = co_await layer.async_handshake(TlsLayer::server, as_result);
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (!error) co_return std::make_unique<LayerStream<TlsLayer>>(std::move(layer));
  if (ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_HTTP_REQUEST) {
    const std::string answer =
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    co_await asio::async_write(layer.next_layer(), asio::buffer(answer), as_result);
  }
  co_return base::fail(Errc::unavailable, handshake_text(layer.native_handle(), error));
}

std::string system_text(const error_code& error) {
  std::string text = error.message();
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

std::string endpoint_text(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return fmt::format(fmt::runtime(endpoint.address().is_v6() ? "[{}]:{}" : "{}:{}"), address,
                     endpoint.port());
}

}  // namespace serin::http
