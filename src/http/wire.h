#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "http/message.h"

namespace serin::http {

/// The start line, the fields and the empty line, as sent.
std::string request_head(std::string_view method, std::string_view target, const Headers& headers);
std::string response_head(int status, const Headers& headers);
/// Errors (invalid) name a header whose name or value would break the message apart.
base::Result<void> check_headers(const Headers& headers);
/// One piece of a chunked body; an empty one is the last.
std::string chunk(std::string_view piece);
/// "Mon, 23 Nov 2026 04:00:06 GMT" (RFC 9110 §5.6.7).
std::string http_date(base::WallTime time);
/// "Basic dXNlcjpwYXNz" (RFC 7617).
std::string basic_authorization(std::string_view userinfo);
/// Whether a comma list like Connection's has this token, compared without case.
bool has_token(std::string_view list, std::string_view token);

}  // namespace serin::http
