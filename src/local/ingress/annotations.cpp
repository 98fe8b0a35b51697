#include "local/ingress/annotations.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>

namespace serin::local {

using base::Json;

namespace {

bool only_of(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [others](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || others.contains(c);
  });
}

std::optional<int> whole_number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The annotation, unless it holds a character that ingress-nginx does not let through.
std::string text_of(const Json& ingress, std::string_view name, std::string_view others) {
  const std::string& text = nginx_annotation(ingress, name);
  return only_of(text, others) ? text : std::string();
}

constexpr std::string_view in_names = ".-_~/:";
constexpr std::string_view in_patterns = ".-_~/:^$[](){}*+?|&=\\";

/// Digits and one of these units, or none.
bool is_quantity(std::string_view text, std::string_view units) {
  const auto digits = static_cast<std::size_t>(
      std::ranges::find_if(text, [](char c) { return c < '0' || c > '9'; }) - text.begin());
  if (digits == 0 || digits > 9) return false;
  const std::string_view unit = text.substr(digits);
  return unit.empty() || (unit.size() == 1 && units.contains(unit[0]));
}

}  // namespace

const std::string& nginx_annotation(const Json& ingress, std::string_view name) {
  return ingress.get("metadata", "annotations", std::string(nginx_prefix) + std::string(name)).str();
}

bool is_canary(const Json& ingress) {
  const std::string& text = nginx_annotation(ingress, "canary");
  constexpr std::string_view truths[] = {"1", "t", "T", "true", "TRUE", "True"};
  return std::ranges::find(truths, text) != std::end(truths);
}

bool has_canary_rules(const Json& ingress) {
  const std::string rules = std::string(nginx_prefix) + "canary-";
  return std::ranges::any_of(ingress.get("metadata", "annotations").members(),
                             [&rules](const Json::Member& each) { return each.key.starts_with(rules); });
}

CanaryRules canary_rules(const Json& ingress) {
  CanaryRules rules{.header = text_of(ingress, "canary-by-header", in_names),
                    .header_value = text_of(ingress, "canary-by-header-value", in_names),
                    .header_pattern = text_of(ingress, "canary-by-header-pattern", in_patterns),
                    .cookie = text_of(ingress, "canary-by-cookie", in_names)};
  rules.weight = std::max(0, whole_number(nginx_annotation(ingress, "canary-weight")).value_or(0));
  // A total of 100 or less is not taken for one.
  rules.total = std::max(100, whole_number(nginx_annotation(ingress, "canary-weight-total")).value_or(100));
  return rules;
}

std::optional<std::string> nginx_time(std::string_view text) {
  if (!is_quantity(text, "smh")) return std::nullopt;
  return std::string(text);
}

std::optional<std::string> nginx_size(std::string_view text) {
  if (!is_quantity(text, "kKmMgG")) return std::nullopt;
  return std::string(text);
}

Override split_override(const std::string& snippet) {
  static const RE2 directive(R"((?i)\bproxy_set_header\s+l5d-dst-override\s+("[^"]*"|'[^']*'|[^\s;]+)\s*;)");
  Override found{.snippet = snippet};
  RE2::PartialMatch(snippet, directive, &found.authority);
  RE2::GlobalReplace(&found.snippet, directive, "");
  if (found.authority.starts_with('"') || found.authority.starts_with('\'')) {
    found.authority = found.authority.substr(1, found.authority.size() - 2);
  }
  return found;
}

}  // namespace serin::local
