#pragma once

#include <string>
#include <vector>

#include "base/task.h"
#include "http/tls.h"

namespace serin::local {

/// Who the server is and who may speak to it.
struct Credentials {
  std::string ca_pem;         ///< the authority's certificate: what clients trust
  http::CertifiedKey server;  ///< for localhost, 127.0.0.1 and kubernetes.default.svc
  http::CertifiedKey admin;   ///< a client certificate of system:masters
  std::string token;          ///< a bearer token with the same rights
};

/// Reads the credentials kept under `directory`, or makes new ones: the directory gets mode 0700, keys and
/// token 0600. A certificate that ends within a month is issued anew (by the same authority, so that clients'
/// kubeconfigs stay valid where they trust it; the admin's own has to be written again). Errors name the
/// file.
base::Result<Credentials> ensure_credentials(const std::string& directory, base::Clock& clock);

/// The kubeconfig with which the admin reaches the server at `url`, contents embedded, as YAML.
std::string kubeconfig_text(const Credentials& credentials, const std::string& url,
                            const std::string& context_name);
/// Writes text to a file that only the owner can read, all or nothing.
base::Result<void> write_private_file(const std::string& path, const std::string& text);

}  // namespace serin::local
