#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"
#include "http/message.h"

namespace serin::hooks {

/// Whether the same request may fare better a little later (spec 09 §4): after most failures of transport, on
/// 429 and on 5xx but 501. Not after a bad certificate or an answer that is too long or leads elsewhere.
bool worth_repeating(const base::Result<http::Response>& answer);

/// How long to wait after attempt `number` (from 1): 1 s, 2 s, 4 s ... at most 30 s. On 429 and 503 the
/// answer's Retry-After wins (seconds or a date, RFC 9110 §10.2.3), up to a minute: a server that says more
/// must not hold a rollout.
base::Duration pause_after(int number, const base::Result<http::Response>& answer, base::WallTime now);

/// Reads "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 §5.6.7, the form that must be sent); nullopt for others.
std::optional<base::WallTime> parse_http_date(std::string_view text);

}  // namespace serin::hooks
