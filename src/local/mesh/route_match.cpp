#include "local/mesh/route_match.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

namespace serin::local::mesh {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Text as HTML forms encode it (`+` is a blank, %41 an A); what is no proper escape stays as it is.
std::string form_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      decoded.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      decoded.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return decoded;
}

std::string_view without_slash(std::string_view path) {
  if (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

std::string_view without_dot(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

}  // namespace

// --- The request

std::string_view RequestView::path() const {
  std::string_view rest = target;
  if (const std::size_t scheme = rest.find("://"); !rest.starts_with('/') && scheme != rest.npos) {
    rest.remove_prefix(scheme + 3);
    const std::size_t slash = rest.find_first_of("/?");
    rest = slash == rest.npos || rest[slash] == '?' ? std::string_view("/") : rest.substr(slash);
  }
  return rest.substr(0, rest.find('?'));
}

std::string_view RequestView::query() const {
  const std::size_t mark = target.find('?');
  return mark == target.npos ? std::string_view() : target.substr(mark + 1);
}

// --- Values

Result<ValueMatch> ValueMatch::make(std::string_view type, std::string value) {
  ValueMatch made;
  made.exact_ = std::move(value);
  if (type == "Exact") return made;
  if (type != "RegularExpression") {
    return fail(Errc::invalid, fmt::format("type \"{}\" is none of Exact, RegularExpression", type));
  }
  RE2::Options options;
  options.set_log_errors(false);
  const auto expression = std::make_shared<const RE2>(made.exact_, options);
  if (!expression->ok()) {
    return fail(Errc::invalid,
                fmt::format("\"{}\" is no regular expression: {}", made.exact_, expression->error()));
  }
  made.expression_ = expression;
  return made;
}

bool ValueMatch::matches(std::string_view text) const {
  if (!expression_) return text == exact_;
  re2::StringPiece found;
  const re2::StringPiece whole(text.data(), text.size());
  return expression_->Match(whole, 0, whole.size(), RE2::UNANCHORED, &found, 1) &&
         found.size() == text.size();
}

// --- One match

Result<std::vector<RouteMatch::Named>> RouteMatch::read_named(const Json& list, std::string_view field) {
  std::vector<Named> named;
  for (const Json& each : list.items()) {
    Result<ValueMatch> value = ValueMatch::make(each["type"].str_or("Exact"), each["value"].str());
    if (!value) return fail(value.error().within(fmt::format("{} {}", field, each["name"].str())));
    // Only the first condition on a name counts (Gateway API).
    const bool known = std::ranges::any_of(
        named, [&each](const Named& other) { return same_name(other.name, each["name"].str()); });
    if (!known) named.push_back({each["name"].str(), std::move(*value)});
  }
  return named;
}

Result<RouteMatch> RouteMatch::make(const Json& match) {
  RouteMatch made;
  const std::string type = match.get("path", "type").str_or("PathPrefix");
  const std::string value = match.get("path", "value").str_or("/");
  if (type == "PathPrefix") {
    made.prefix_ = without_slash(value);
  } else {
    Result<ValueMatch> path = ValueMatch::make(type, value);
    if (!path) return fail(path.error().within("path"));
    made.path_ = std::move(*path);
  }
  Result<std::vector<Named>> headers = read_named(match["headers"], "header");
  if (!headers) return fail(headers.error());
  Result<std::vector<Named>> queries = read_named(match["queryParams"], "query parameter");
  if (!queries) return fail(queries.error());
  made.headers_ = std::move(*headers);
  made.queries_ = std::move(*queries);
  made.method_ = match["method"].str();
  return made;
}

std::optional<std::size_t> RouteMatch::match_path(std::string_view path) const {
  if (path_) return path_->matches(path) ? std::optional(path.size()) : std::nullopt;
  if (prefix_.empty()) return path.starts_with('/') ? std::optional<std::size_t>(1) : std::nullopt;
  const bool below =
      path.starts_with(prefix_) && (path.size() == prefix_.size() || path[prefix_.size()] == '/');
  return below ? std::optional(prefix_.size()) : std::nullopt;
}

bool RouteMatch::match_query(std::string_view query) const {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    const std::string_view value = equals == pair.npos ? std::string_view() : pair.substr(equals + 1);
    pairs.emplace_back(form_decoded(pair.substr(0, equals)), form_decoded(value));
    query.remove_prefix(end == query.npos ? query.size() : end + 1);
  }
  return std::ranges::all_of(queries_, [&pairs](const Named& wanted) {
    return std::ranges::any_of(pairs, [&wanted](const auto& pair) {
      return pair.first == wanted.name && wanted.value.matches(pair.second);
    });
  });
}

std::optional<Specificity> RouteMatch::match(const RequestView& request) const {
  if (!method_.empty() && method_ != request.method) return std::nullopt;
  const std::optional<std::size_t> length = match_path(request.path());
  if (!length) return std::nullopt;
  for (const Named& wanted : headers_) {
    const bool found = std::ranges::any_of(request.fields, [&wanted](const auto& field) {
      return same_name(field.first, wanted.name) && wanted.value.matches(field.second);
    });
    if (!found) return std::nullopt;
  }
  if (!queries_.empty() && !match_query(request.query())) return std::nullopt;
  return Specificity{.path_length = *length,
                     .headers = headers_.size(),
                     .queries = queries_.size(),
                     .method = !method_.empty()};
}

std::optional<Specificity> match_host(std::string_view hostname, std::string_view host) {
  hostname = without_dot(hostname);
  host = without_dot(host.substr(0, host.rfind(':')));
  if (!hostname.starts_with("*.")) {
    if (!same_name(hostname, host)) return std::nullopt;
    return Specificity{.host_kind = 2, .host_length = host.size()};
  }
  const std::string_view suffix = hostname.substr(1);
  const bool below =
      host.size() > suffix.size() && same_name(host.substr(host.size() - suffix.size()), suffix);
  if (!below) return std::nullopt;
  return Specificity{.host_kind = 1, .host_length = suffix.size()};
}

}  // namespace serin::local::mesh
