#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace serin::local {

/// What every annotation that ingress-nginx reads begins with.
inline constexpr std::string_view nginx_prefix = "nginx.ingress.kubernetes.io/";

/// When a request goes to the canary (spec 07 §7.2). Empty texts: that rule is not set.
struct CanaryRules {
  std::string header, header_value, header_pattern, cookie;
  int weight = 0;
  int total = 100;
  bool pattern_broken = false;  ///< PCRE refuses the pattern: requests with that header stay on main

  bool operator==(const CanaryRules&) const = default;
};

/// The annotation under nginx_prefix; empty where absent.
const std::string& nginx_annotation(const base::Json& ingress, std::string_view name);

/// Whether the Ingress is a canary of another one: annotation `canary` is true, in any of Go's spellings.
bool is_canary(const base::Json& ingress);
/// Whether any rule for canaries is written on it.
bool has_canary_rules(const base::Json& ingress);
/// Its rules. What ingress-nginx would refuse counts as not set.
CanaryRules canary_rules(const base::Json& ingress);

/// A time of NGINX's ("60", "90s", "5m"), or nothing if it is none.
std::optional<std::string> nginx_time(std::string_view text);
/// A size of NGINX's ("8m", "0"), or nothing if it is none.
std::optional<std::string> nginx_size(std::string_view text);

/// What a configuration snippet asks of Linkerd, and the snippet without it.
struct Override {
  std::string authority;  ///< value of l5d-dst-override, variables not yet replaced; empty: none
  std::string snippet;
};
Override split_override(const std::string& snippet);

}  // namespace serin::local
