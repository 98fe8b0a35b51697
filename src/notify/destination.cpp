#include "notify/destination.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"

namespace serin::notify {
namespace {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

constexpr Service services[] = {Service::slack,  Service::msteams, Service::discord,
                                Service::rocket, Service::gchat,   Service::webhook};

/// Files end with line breaks, and Secrets are made from files.
std::string trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return std::string(text);
}

/// The text under a Secret's key; empty if there is none. `stringData` is never read back from the API.
std::string secret_text(const Json& secret, std::string_view key) {
  const Result<std::string> decoded = base::base64_decode(secret["data"][key].str());
  return decoded ? trimmed(*decoded) : std::string();
}

/// Discord takes Slack's messages at <webhook>/slack (Discord's "Execute Slack-Compatible Webhook").
void point_at_slack_format(http::Url& url) {
  const std::size_t query = std::min(url.target.find('?'), url.target.size());
  std::string path = url.target.substr(0, query);
  if (path.ends_with("/slack")) return;
  if (path.ends_with('/')) path.pop_back();
  url.target = path + "/slack" + url.target.substr(query);
}

/// Workflows (Power Automate) take Adaptive Cards; the connectors they replace take MessageCards.
bool is_workflow(const http::Url& url) {
  return url.host.ends_with(".logic.azure.com") || url.host.ends_with(".api.powerplatform.com");
}

/// Fills in what follows from the address. The error does not repeat it: most of it is a secret.
Result<void> aim(Destination& destination, const std::string& address) {
  const Result<http::Url> url = http::Url::parse(address);
  const Service service = destination.dialect.service;
  if (!url) {
    const std::string_view noun =
        service == Service::msteams || service == Service::gchat ? "webhook" : "hook";
    return fail(Errc::invalid, fmt::format("invalid {} {} URL: {}", title_of(service), noun,
                                           address.empty() ? "it is empty" : url.error().message));
  }
  destination.url = *url;
  if (service == Service::discord) point_at_slack_format(destination.url);
  if (service == Service::msteams && is_workflow(*url)) destination.dialect.adaptive = true;
  return {};
}

}  // namespace

std::string redacted(std::string text, const http::Url& url) {
  if (url.target.size() <= 1) return text;
  for (auto at = text.find(url.target); at != std::string::npos; at = text.find(url.target, at)) {
    text.replace(at, url.target.size(), "/...");
    at += 4;
  }
  return text;
}

std::string secret_name_of(const Json& provider) {
  return provider["spec"]["secretRef"]["name"].str();
}

Result<Destination> destination_of(const Json& provider, const Json& secret) {
  const Json& spec = provider["spec"];
  const Json& metadata = provider["metadata"];
  const std::string who =
      fmt::format("alert provider {}.{}", metadata["name"].str(), metadata["namespace"].str());
  const auto* const service = std::ranges::find(services, spec["type"].str(), type_of);
  if (service == std::end(services)) {
    return fail(Errc::invalid,
                fmt::format("{} error: provider {} not supported: set spec.type to slack, msteams, discord, "
                            "rocket, gchat or webhook",
                            who, spec["type"].str_or("\"\"")));
  }
  Destination destination;
  destination.dialect = {*service, spec["channel"].str(), spec["username"].str()};
  if (destination.dialect.channel.empty()) destination.dialect.channel = "general";
  if (destination.dialect.username.empty()) destination.dialect.username = "flagger";
  destination.dialect.adaptive = metadata["annotations"]["flagger.app/teams-format"].str() == "adaptive";
  destination.proxy = trimmed(spec["proxy"].str());
  std::string address = trimmed(spec["address"].str());
  std::string field = "spec.address";
  if (const std::string name = secret_name_of(provider); !name.empty()) {
    address = secret_text(secret, "address");
    if (*service == Service::slack) destination.token = secret_text(secret, "token");
    field = fmt::format("the key \"address\" of Secret {}.{}", name, metadata["namespace"].str());
    if (address.empty()) {
      return fail(Errc::invalid,
                  fmt::format("{} secret does not contain an address: set {} to the hook's URL", who, field));
    }
  }
  if (const Result<void> aimed = aim(destination, address); !aimed) {
    return fail(Errc::invalid,
                fmt::format("{} error: {}: set {} to the hook's URL", who, aimed.error().message, field));
  }
  return destination;
}

Result<std::optional<Destination>> destination_of(const NotifierFlags& flags) {
  Destination destination;
  const bool teams = !flags.msteams_url.empty();
  const std::string address = teams ? flags.msteams_url : flags.slack_url;
  if (address.empty()) return std::nullopt;
  destination.dialect = {teams ? Service::msteams : Service::slack, flags.slack_channel, flags.slack_user};
  destination.proxy = teams ? flags.msteams_proxy_url : flags.slack_proxy_url;
  if (!teams) destination.token = flags.slack_token;
  if (const Result<void> aimed = aim(destination, address); !aimed) {
    return fail(Errc::invalid,
                fmt::format("{}: mend {}", aimed.error().message,
                            teams ? "-msteams-url or MSTEAMS_URL" : "-slack-url or SLACK_URL"));
  }
  if (!teams && flags.slack_user.empty()) return fail(Errc::invalid, "empty Slack username: set -slack-user");
  if (!teams && flags.slack_channel.empty()) {
    return fail(Errc::invalid, "empty Slack channel: set -slack-channel");
  }
  return destination;
}

}  // namespace serin::notify
