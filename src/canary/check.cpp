#include "canary/check.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace serin::canary {

namespace {

constexpr std::array<std::string_view, 3> verdict_names{"passed", "failed", "unknown"};

/// JSON has no infinities.
void set_number(Json& into, std::string_view key, const std::optional<double>& number) {
  if (number && std::isfinite(*number)) into.set(key) = Json(*number);
}

void set_text(Json& into, std::string_view key, const std::string& text) {
  if (!text.empty()) into.set(key) = text;
}

Json to_json(const CheckResult& check) {
  Json object = Json::object({{"name", check.name}, {"verdict", name_of(check.verdict)}});
  set_number(object, "value", check.value);
  set_text(object, "limit", check.limit);
  set_text(object, "window", check.window);
  set_number(object, "requests", check.requests);
  set_number(object, "primaryValue", check.primary_value);
  set_text(object, "text", check.text);
  return object;
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  return verdict_names.at(static_cast<std::size_t>(verdict));
}

std::optional<Verdict> parse_verdict(std::string_view name) {
  const auto found = std::ranges::find(verdict_names, name);
  if (found == verdict_names.end()) return std::nullopt;
  return static_cast<Verdict>(found - verdict_names.begin());
}

Json to_json(const std::vector<CheckResult>& checks) {
  Json array = Json::array();
  for (const CheckResult& check : checks) array.push_back(to_json(check));
  return array;
}

std::vector<CheckResult> read_checks(const Json& array) {
  std::vector<CheckResult> checks;
  for (const Json& entry : array.items()) {
    const std::optional<Verdict> verdict = parse_verdict(entry["verdict"].str());
    if (!verdict || entry["name"].str().empty()) continue;
    checks.push_back({.name = entry["name"].str(),
                      .value = entry["value"].as_double(),
                      .limit = entry["limit"].str(),
                      .window = entry["window"].str(),
                      .verdict = *verdict,
                      .text = entry["text"].str(),
                      .requests = entry["requests"].as_double(),
                      .primary_value = entry["primaryValue"].as_double()});
  }
  return checks;
}

}  // namespace serin::canary
