#include "http/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <functional>

#include "http/openssl_handles.h"

namespace serin::http {

using base::Errc;
using base::Result;

namespace {

std::shared_ptr<SSL_CTX> new_context(const SSL_METHOD* method) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(method), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  return context;
}

/// Calls `take` with every certificate of a PEM text; false when there is none or one is damaged.
bool each_certificate(const std::string& pem, const std::function<bool(X509*)>& take) {
  const Bio bio = read_only_bio(pem);
  int count = 0;
  while (const Certificate certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (!take(certificate.get())) return false;
    ++count;
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return count > 0 && ended;
}

/// Loads a certificate with its chain, and its key.
Result<void> use_identity(SSL_CTX* context, const std::string& certificate, const std::string& key) {
  bool leaf = true;
  const bool loaded = each_certificate(certificate, [&](X509* x509) {
    if (std::exchange(leaf, false)) return SSL_CTX_use_certificate(context, x509) == 1;
    return SSL_CTX_add1_chain_cert(context, x509) == 1;
  });
  if (!loaded) return base::fail(Errc::invalid, "TLS certificate: not a PEM certificate");
  const Key private_key = read_key(key);
  if (!private_key) return base::fail(Errc::invalid, "TLS key: not a PEM private key");
  if (SSL_CTX_use_PrivateKey(context, private_key.get()) != 1) {
    ERR_clear_error();
    return base::fail(Errc::invalid, "TLS key: does not belong to the certificate");
  }
  return {};
}

Result<void> trust(SSL_CTX* context, const std::string& roots, std::string_view what) {
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  const bool loaded =
      each_certificate(roots, [&](X509* x509) { return X509_STORE_add_cert(store, x509) == 1; });
  if (!loaded) return base::fail(Errc::invalid, std::string(what) + ": not a PEM certificate");
  return {};
}

}  // namespace

Result<TlsContext> make_client_context(const TlsOptions& options) {
  TlsContext tls{.context = new_context(TLS_client_method()), .verify = options.verify};
  SSL_CTX* const context = tls.context.get();
  SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (options.ca_pem.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (const auto trusted = trust(context, options.ca_pem, "TLS root certificates"); !trusted) {
    return base::fail(trusted.error());
  }
  if (options.certificate_pem.empty() && options.key_pem.empty()) return tls;
  const auto identity = use_identity(context, options.certificate_pem, options.key_pem);
  if (!identity) return base::fail(identity.error().within("client"));
  return tls;
}

Result<TlsContext> make_server_context(const ServerTls& options) {
  TlsContext tls{.context = new_context(TLS_server_method()), .verify = false};
  SSL_CTX* const context = tls.context.get();
  // Resumed sessions would have to remember who the client was; whole handshakes are cheap enough.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  const auto identity = use_identity(context, options.certificate_pem, options.key_pem);
  if (!identity) return base::fail(identity.error().within("server"));
  if (options.client_ca_pem.empty()) return tls;

  const auto trusted = trust(context, options.client_ca_pem, "client CA certificates");
  if (!trusted) return base::fail(trusted.error());
  // Names the CA in the handshake, so that clients with several certificates choose the right one.
  each_certificate(options.client_ca_pem,
                   [&](X509* x509) { return SSL_CTX_add_client_CA(context, x509) == 1; });
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);  // asked for, not demanded
  return tls;
}

}  // namespace serin::http
