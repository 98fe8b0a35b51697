#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "http/message.h"
#include "notify/message.h"

namespace serin::notify {

/// Where messages go. The URL's path and the token are secrets: nothing but the host is ever shown.
struct Destination {
  Dialect dialect;
  http::Url url;
  std::string token;  ///< of Slack's Web API; empty: none
  std::string proxy;  ///< URL of the HTTP proxy to this receiver; empty: the controller's
};

/// The text without the URL's path and query, which let anybody post.
std::string redacted(std::string text, const http::Url& url);

/// The name of the Secret, in the provider's namespace, that the provider's address is in; empty: none.
std::string secret_name_of(const base::Json& provider);

/// Reads an AlertProvider and, if it names one, its Secret (null otherwise). Errors are log lines that name
/// provider, field and remedy.
base::Result<Destination> destination_of(const base::Json& provider, const base::Json& secret);

/// The controller's own notifier, by flags of these names (spec 10 §2.1).
struct NotifierFlags {
  std::string slack_url, slack_token, slack_proxy_url, slack_user = "flagger", slack_channel;
  std::string msteams_url, msteams_proxy_url;  ///< win over Slack
};

/// nullopt: none is wanted. Errors name the flag and the remedy.
base::Result<std::optional<Destination>> destination_of(const NotifierFlags& flags);

}  // namespace serin::notify
