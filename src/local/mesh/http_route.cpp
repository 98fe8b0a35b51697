#include "local/mesh/http_route.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace serin::local::mesh {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using namespace std::chrono_literals;

namespace {

std::uint16_t port_of(const Json& port) {
  const std::int64_t number = port.int_or(0);
  return number > 0 && number < 65536 ? static_cast<std::uint16_t>(number) : 0;
}

HeaderEdit read_edit(const Json& filter) {
  HeaderEdit edit;
  for (const Json& each : filter["add"].items())
    edit.add.emplace_back(each["name"].str(), each["value"].str());
  for (const Json& each : filter["set"].items())
    edit.set.emplace_back(each["name"].str(), each["value"].str());
  for (const Json& each : filter["remove"].items()) edit.remove.push_back(each.str());
  return edit;
}

Redirect read_redirect(const Json& filter) {
  Redirect redirect{.status = static_cast<int>(filter["statusCode"].int_or(302)),
                    .scheme = filter["scheme"].str(),
                    .hostname = filter["hostname"].str(),
                    .port = port_of(filter["port"])};
  const std::string& type = filter.get("path", "type").str();
  if (type == "ReplaceFullPath") redirect.full_path = filter.get("path", "replaceFullPath").str_or("/");
  if (type == "ReplacePrefixMatch") redirect.prefix = filter.get("path", "replacePrefixMatch").str();
  return redirect;
}

/// Adds these filters to what is done. The type of the first one that Linkerd can't do is returned.
std::string read_filters(const Json& filters, RouteEffects& effects) {
  for (const Json& filter : filters.items()) {
    const std::string& type = filter["type"].str();
    if (type == "RequestHeaderModifier") {
      effects.request.push_back(read_edit(filter["requestHeaderModifier"]));
    } else if (type == "ResponseHeaderModifier") {
      effects.response.push_back(read_edit(filter["responseHeaderModifier"]));
    } else if (type == "RequestRedirect") {
      if (!effects.redirect) effects.redirect = read_redirect(filter["requestRedirect"]);
    } else {
      return type.empty() ? "without a type" : type;
    }
  }
  return {};
}

RouteBackend read_backend(const Json& json, const RouteEffects& of_rule) {
  RouteBackend backend{
      .ns = json["namespace"].str(),
      .service = json["name"].str(),
      .port = port_of(json["port"]),
      .weight = static_cast<std::uint64_t>(std::max<std::int64_t>(json["weight"].int_or(1), 0))};
  const std::string kind = json["kind"].str_or("Service");
  const std::string& group = json["group"].str();
  if (kind != "Service" || !(group.empty() || same_name(group, "core"))) {
    backend.problem = fmt::format("unsupported backend type {} {}", group, kind);
  } else if (backend.port == 0) {
    backend.problem = "missing port for backend Service " + backend.service;
  }
  RouteEffects effects = of_rule;
  const std::string unsupported = read_filters(json["filters"], effects);
  if (!unsupported.empty()) backend.problem = "unsupported backend filter: " + unsupported;
  backend.effects = std::make_shared<const RouteEffects>(std::move(effects));
  return backend;
}

std::optional<int> parse_status(std::string_view text) {
  int status = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  if (error != std::errc() || end != text.data() + text.size() || status < 100 || status > 599)
    return std::nullopt;
  return status;
}

Retry read_retry(const Json& json) {
  Retry retry{.statuses = parse_retry_statuses(json["http"].str())};
  if (retry.statuses.empty()) return retry;
  const std::string limit = json["limit"].str_or("1");
  const auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), retry.limit);
  constexpr int limit_max = 100;
  if (error != std::errc() || retry.limit < 0 || retry.limit > limit_max) retry.limit = 1;
  retry.timeout = parse_route_duration(json["timeout"].str()).value_or(0s);
  return retry;
}

Result<RouteRule> read_rule(const Json& json, const Retry& retry) {
  RouteRule rule;
  RouteEffects effects{.retry = retry};
  const std::string unsupported = read_filters(json["filters"], effects);
  if (!unsupported.empty()) return fail(Errc::invalid, "unsupported filter: " + unsupported);
  effects.timeout = parse_route_duration(json.get("timeouts", "request").str()).value_or(0s);
  Json matches = json["matches"];
  if (matches.empty()) matches.push_back(Json::object());
  for (const Json& each : matches.items()) {
    Result<RouteMatch> match = RouteMatch::make(each);
    if (!match) return fail(match.error());
    rule.matches.push_back(std::move(*match));
  }
  for (const Json& each : json["backendRefs"].items()) rule.backends.push_back(read_backend(each, effects));
  rule.effects = std::make_shared<const RouteEffects>(std::move(effects));
  return rule;
}

bool is_for(const HttpRoute& route, const RequestView& request) {
  return route.client_ns.empty() || route.client_ns == request.client_ns;
}

/// nullopt: the route is for other hosts.
std::optional<Specificity> best_host(const HttpRoute& route, std::string_view host) {
  if (route.hostnames.empty()) return Specificity{};
  std::optional<Specificity> best;
  for (const std::string& hostname : route.hostnames) best = std::max(best, match_host(hostname, host));
  return best;
}

}  // namespace

std::string Redirect::location(const RequestView& request, std::string_view matched_prefix) const {
  const std::size_t colon = request.host.rfind(':');
  std::string authority = hostname.empty() ? std::string(request.host.substr(0, colon)) : hostname;
  if (port != 0) {
    authority += fmt::format(":{}", port);
  } else if (scheme.empty() && colon != std::string_view::npos) {
    authority += request.host.substr(colon);
  }
  std::string path(request.path());
  if (full_path) path = *full_path;
  if (prefix) {
    std::string_view rest = request.path().substr(std::min(matched_prefix.size(), request.path().size()));
    if (prefix->ends_with('/') && rest.starts_with('/')) rest.remove_prefix(1);
    path = *prefix + std::string(rest);
    if (!path.starts_with('/')) path.insert(0, "/");
  }
  const std::string_view query = request.query();
  return fmt::format("{}://{}{}{}{}", scheme.empty() ? "http" : scheme, authority, path,
                     query.empty() ? "" : "?", query);
}

bool Retry::covers(int status) const {
  return std::ranges::any_of(
      statuses, [status](const auto& range) { return status >= range.first && status <= range.second; });
}

std::vector<std::pair<int, int>> parse_retry_statuses(std::string_view text) {
  std::vector<std::pair<int, int>> ranges;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    text.remove_prefix(comma == text.npos ? text.size() : comma + 1);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    const std::size_t dash = part.find('-');
    const std::optional<int> first = parse_status(part.substr(0, dash));
    const std::optional<int> last = dash == part.npos ? first : parse_status(part.substr(dash + 1));
    if (part == "5xx") {
      ranges.emplace_back(500, 599);
    } else if (part == "gateway-error") {
      ranges.emplace_back(502, 504);
    } else if (first && last) {
      ranges.emplace_back(*first, *last);
    }
  }
  return ranges;
}

std::optional<base::Duration> parse_route_duration(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > 1'000'000'000) return std::nullopt;
  const std::string_view unit(end, text.data() + text.size());
  if (unit == "ms") return std::chrono::milliseconds(number);
  if (unit == "s") return std::chrono::seconds(number);
  if (unit == "m") return std::chrono::minutes(number);
  if (unit == "h") return std::chrono::hours(number > 1'000'000 ? 1'000'000 : number);
  return std::nullopt;
}

Result<HttpRoute> compile_route(const Json& spec) {
  HttpRoute route;
  const Retry retry = read_retry(spec["retry"]);
  for (const Json& each : spec["hostnames"].items()) route.hostnames.push_back(each.str());
  for (const Json& each : spec["rules"].items()) {
    Result<RouteRule> rule = read_rule(each, retry);
    if (!rule) return fail(rule.error().within(fmt::format("spec.rules[{}]", route.rules.size())));
    route.rules.push_back(std::move(*rule));
  }
  return route;
}

bool concern(std::span<const HttpRoute> routes, const RequestView& request) {
  for (const HttpRoute& route : routes) {
    if (is_for(route, request)) return true;
  }
  return false;
}

Matched best_rule(std::span<const HttpRoute> routes, const RequestView& request) {
  Matched best;
  std::optional<Specificity> best_fit;
  for (const HttpRoute& route : routes) {
    if (!is_for(route, request)) continue;
    const std::optional<Specificity> host = best_host(route, request.host);
    if (!host) continue;
    for (const RouteRule& rule : route.rules) {
      for (const RouteMatch& match : rule.matches) {
        std::optional<Specificity> fit = match.match(request);
        if (!fit) continue;
        fit->host_kind = host->host_kind;
        fit->host_length = host->host_length;
        if (best_fit && *fit <= *best_fit) continue;
        best_fit = fit;
        best = {&rule, &match};
      }
    }
  }
  return best;
}

}  // namespace serin::local::mesh
