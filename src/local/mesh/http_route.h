#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "local/mesh/http_head.h"
#include "local/mesh/route_match.h"

namespace serin::local::mesh {

struct Leaf;

/// The answer of a RequestRedirect filter; what is absent stays as it was asked for.
struct Redirect {
  int status = 302;
  std::string scheme, hostname;
  std::uint16_t port = 0;
  std::optional<std::string> full_path, prefix;

  /// The Location for a request whose path matched `matched_prefix`.
  [[nodiscard]] std::string location(const RequestView& request, std::string_view matched_prefix) const;
};

/// Which answers are not passed on while another try is left.
struct Retry {
  int limit = 0;                              ///< tries after the first one
  base::Duration timeout{};                   ///< of every try but the last; 0: none
  std::vector<std::pair<int, int>> statuses;  ///< from, to

  [[nodiscard]] bool covers(int status) const;
};

/// What a route does to a request that goes to one of its backends.
struct RouteEffects {
  std::vector<HeaderEdit> request, response;
  std::optional<Redirect> redirect;
  Retry retry;
  base::Duration timeout{};  ///< from the request to the end of its response; 0: none
};

struct RouteBackend {
  std::string ns;  ///< empty: that of the Service the route is attached to
  std::string service;
  std::uint16_t port = 0;
  std::uint64_t weight = 1;
  std::shared_ptr<const RouteEffects> effects;  ///< the rule's and its own
  std::string problem;                          ///< not empty: its share is answered with 500 and this text
  std::shared_ptr<const Leaf> leaf;             ///< found when the snapshot is taken over
};

struct RouteRule {
  std::vector<RouteMatch> matches;
  std::shared_ptr<const RouteEffects> effects;
  std::vector<RouteBackend> backends;  ///< empty: the Service itself answers
};

/// An HTTPRoute that is attached to a Service's port.
struct HttpRoute {
  std::string client_ns;  ///< for requests from this namespace only; empty: for all
  std::vector<std::string> hostnames;
  std::vector<RouteRule> rules;
};

/// Reads `hostnames` and `rules` of an HTTPRoute's spec, and `retry`, which stands for the annotations
/// retry.linkerd.io/{http,limit,timeout}. Errors (invalid) name the rule and what Linkerd
/// can't do with it: then it ignores the whole route (spec 05 §7).
base::Result<HttpRoute> compile_route(const base::Json& spec);

/// The value of retry.linkerd.io/http: `5xx`, `gateway-error` (502 to 504), a status, a range, or a comma
/// list of them. Parts that are none of these are left out.
std::vector<std::pair<int, int>> parse_retry_statuses(std::string_view text);

/// A duration as Linkerd reads it: one number, one unit of h, m, s, ms. nullopt for anything else, 1m30s too.
std::optional<base::Duration> parse_route_duration(std::string_view text);

/// Where a request goes, and by which of the rule's matches.
struct Matched {
  const RouteRule* rule = nullptr;
  const RouteMatch* match = nullptr;
};

/// Whether any of these routes is for such callers: then a request that no rule matches is refused.
bool concern(std::span<const HttpRoute> routes, const RequestView& request);
/// The rule that fits best, the first of equals; `rule` is null when none does.
Matched best_rule(std::span<const HttpRoute> routes, const RequestView& request);

}  // namespace serin::local::mesh
