#include "routing/nginx_match.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "routing/match.h"

namespace serin::routing {
namespace {

/// What ingress-nginx lets into names and values; anything else makes it ignore the annotation (spec 07
/// §7.1).
constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_~/:";
constexpr std::string_view pattern = "^$[](){}*+?|&=\\";

bool is_cookie(const Condition& condition) {
  constexpr std::string_view cookie = "cookie";
  return std::ranges::equal(condition.name, cookie,
                            [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

class Reader {
 public:
  explicit Reader(NginxMatch& result) : result_(result) {}

  void read(const MatchItem& item) {
    if (item.conditions.empty()) {
      complain(item.path, "is empty and would send everybody to the canary, remove it");
    } else if (item.conditions.size() > 1) {
      complain(item.path,
               "NGINX cannot ask for several conditions at once, make each an item of its own (either "
               "of them will do then)");
    }
    for (const Condition& condition : item.conditions) {
      if (condition.subject != Subject::header) continue;  // complained about already
      is_cookie(condition) ? cookie(condition) : header(condition);
    }
  }

 private:
  void cookie(const Condition& condition) {
    if (condition.kind == "regex")
      complain(condition.path, "NGINX cannot match cookies by regex, use exact with the cookie's name");
    set("canary-by-cookie", condition.value, condition.path, "");
  }

  void header(const Condition& condition) {
    if (!allowed(condition.name, ""))
      complain(condition.path, fmt::format("NGINX refuses \"{}\"", condition.name));
    set("canary-by-header", condition.name, condition.path, "");
    const bool regex = condition.kind == "regex";
    if (result_.annotations.contains(regex ? "canary-by-header-value" : "canary-by-header-pattern")) {
      complain(condition.path, "NGINX matches a header by value or by pattern, remove one");
      return;
    }
    set(regex ? "canary-by-header-pattern" : "canary-by-header-value", condition.value, condition.path,
        regex ? pattern : "");
  }

  void set(const std::string& key, const std::string& value, const std::string& path, std::string_view also) {
    if (!allowed(value, also)) {
      complain(path, fmt::format("NGINX refuses \"{}\", use letters, digits and any of {}{}", value,
                                 plain.substr(plain.find('.')), also));
    }
    const auto [present, added] = result_.annotations.emplace(key, value);
    if (!added && present->second != value) {
      complain(path,
               fmt::format("NGINX takes one header and one cookie only, and there is \"{}\" already: remove "
                           "one, or use a regex",
                           present->second));
    }
  }

  static bool allowed(std::string_view text, std::string_view also) {
    return std::ranges::all_of(text, [&](char c) { return plain.contains(c) || also.contains(c); });
  }

  void complain(const std::string& path, std::string_view text) {
    result_.problems.push_back(fmt::format("{}: {}", path, text));
  }

  NginxMatch& result_;
};

}  // namespace

NginxMatch nginx_match(const canary::Spec& spec) {
  NginxMatch result;
  const Matches matches = read_matches(spec.match, "spec.analysis.match");
  result.problems = problems_of(matches, "NGINX", {{Subject::header, {"exact", "regex"}}});
  if (!result.problems.empty()) return result;
  Reader reader(result);
  for (const MatchItem& item : matches.items) reader.read(item);
  return result;
}

}  // namespace serin::routing
