#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace serin::base {

/// Base64 with padding (RFC 4648 §4).
std::string base64_encode(std::string_view bytes);
/// The URL-safe alphabet without padding (RFC 4648 §5), as JSON Web Tokens use it.
std::string base64url_encode(std::string_view bytes);
/// Reads either alphabet, padded or not. Errors (invalid): a foreign character or an impossible length.
Result<std::string> base64_decode(std::string_view text);

}  // namespace serin::base
