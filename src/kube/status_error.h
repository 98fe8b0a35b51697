#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "http/message.h"

namespace serin::kube {

/// The failure that a metav1.Status object describes, coded as kube::Api's docstring says. The text is the
/// status' own message.
base::Error status_error(const base::Json& status);

/// The failure that an answer of 400 or above describes. An answer that is no Status (a proxy's page, "404
/// page not found") becomes "GET /apis/...: 502 Bad Gateway: <start of the body>".
base::Error response_error(std::string_view method, std::string_view path, const http::Response& response);

}  // namespace serin::kube
