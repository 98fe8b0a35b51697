#include "controller/options.h"

#include <fmt/format.h>

#include <algorithm>

#include "http/client.h"

namespace serin::controller {
namespace {

using base::Errc;
using base::fail;
using base::Result;

/// Like the URLs themselves, an error about one may be secret.
Result<void> check_url(std::string_view flag, const std::string& url) {
  if (url.empty() || http::Url::parse(url)) return {};
  return fail(Errc::invalid, fmt::format("{} is not a URL: give one such as http://host:9090", flag));
}

}  // namespace

Result<void> check(const Options& options) {
  if (const auto routers = routing::routers_for(options.mesh_provider, options.routing); !routers)
    return fail(routers.error().within("-mesh-provider"));
  if (std::ranges::all_of(options.selector_labels, &std::string::empty))
    return fail(Errc::invalid, "-selector-labels: name at least one label, such as app");
  if (options.zap_encoding != "json" && options.zap_encoding != "console") {
    return fail(Errc::invalid,
                fmt::format("-zap-encoding \"{}\": use json or console", options.zap_encoding));
  }
  if (options.port < 0 || options.port > 65535)
    return fail(Errc::invalid, fmt::format("-port {}: use 1 to 65535, or 0 for any free one", options.port));
  if (options.rollouts_max < 0)
    return fail(Errc::invalid, fmt::format("-max-rollouts {}: use 0 for no limit", options.rollouts_max));
  if (options.metrics_server.empty())
    return fail(Errc::invalid, "-metrics-server is empty: give the URL of Prometheus");
  if (Result<void> url = check_url("-metrics-server", options.metrics_server); !url) return url;
  return check_url("-event-webhook", options.event_webhook);
}

}  // namespace serin::controller
