#pragma once

#include <memory>

#include "base/result.h"
#include "http/client.h"
#include "http/server.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace serin::http {

/// Certificates, trust and protocol rules, shared by every connection made with them.
struct TlsContext {
  std::shared_ptr<ssl_ctx_st> context;
  bool verify = true;  ///< clients: demand a certificate for the name that was asked for
};

/// Errors (invalid) name the PEM that cannot be read.
base::Result<TlsContext> make_client_context(const TlsOptions& options);
base::Result<TlsContext> make_server_context(const ServerTls& options);

}  // namespace serin::http
