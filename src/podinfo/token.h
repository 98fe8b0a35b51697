#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace serin::podinfo {

struct Claims {
  std::string name;
  base::WallTime expires;
};

/// A JSON Web Token (RFC 7519) signed with HMAC-SHA256, issuer "podinfo".
std::string sign_token(const Claims& claims, std::string_view secret);
/// Checks form, signature, time and issuer. Errors (forbidden) have podinfo's texts.
base::Result<Claims> verify_token(std::string_view token, std::string_view secret, base::WallTime now);

/// The lower-case hexadecimal SHA-1 of these bytes: the names of /store.
std::string sha1_hex(std::string_view bytes);

}  // namespace serin::podinfo
