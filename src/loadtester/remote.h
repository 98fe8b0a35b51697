#pragma once

#include <map>
#include <string>

#include "base/json.h"
#include "base/task.h"
#include "http/client.h"

namespace serin::loadtester {

using Metadata = std::map<std::string, std::string>;

/// Sends a request to a service that runs load tests, and reads its JSON answer. Errors: what the client
/// reports, a status of 400 and above (rejected, with the start of the body), and no JSON (invalid).
base::Task<base::Result<base::Json>> fetch_json(http::Client& client, http::Request request);

/// The server of a webhook's metadata. Errors (invalid): no absolute URL; the text has no passwords.
base::Result<http::Url> parse_server(const Metadata& metadata);

}  // namespace serin::loadtester
