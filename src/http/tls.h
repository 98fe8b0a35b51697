#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace serin::http {

/// A certificate and its private key (EC P-256), both PEM.
struct CertifiedKey {
  std::string certificate_pem;
  std::string key_pem;
};

/// When a certificate holds.
struct Validity {
  base::WallTime from;
  base::Duration length = std::chrono::hours(24 * 365);
};

/// What a certificate shall say.
struct CertificateSpec {
  std::string common_name;
  std::vector<std::string> organizations;  ///< Kubernetes reads them as the user's groups
  std::vector<std::string> names;          ///< subject alternative names: DNS names and IP addresses
  bool server = false;                     ///< may be shown by servers
  bool client = false;                     ///< may be shown by clients
  Validity validity;
};

/// A new certificate authority, signed by itself. Errors (invalid, internal) carry OpenSSL's reason.
base::Result<CertifiedKey> make_authority(const std::string& common_name, Validity validity);
/// A certificate with a new key, signed by the authority. Errors (invalid) if the authority's PEM is damaged.
base::Result<CertifiedKey> issue(const CertifiedKey& authority, const CertificateSpec& spec);

}  // namespace serin::http
