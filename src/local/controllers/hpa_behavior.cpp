#include "local/controllers/hpa_behavior.h"

#include <algorithm>
#include <cmath>

namespace serin::local {

using base::Json;
using base::WallTime;
using namespace std::chrono_literals;

namespace {

/// behavior.scaleUp or scaleDown, its absent members filled in.
struct Rules {
  std::chrono::seconds window{};
  std::string select = "Max";
  Json policies;
};

Json policy(const char* type, int value) {
  return Json::object({{"type", type}, {"value", value}, {"periodSeconds", 15}});
}

Rules rules_of(const Json& given, bool up) {
  Rules rules;
  rules.window = std::chrono::seconds(given["stabilizationWindowSeconds"].int_or(up ? 0 : 300));
  rules.select = given["selectPolicy"].str_or("Max");
  rules.policies = given["policies"];
  if (rules.policies.empty()) {
    rules.policies =
        up ? Json::array({policy("Pods", 4), policy("Percent", 100)}) : Json::array({policy("Percent", 100)});
  }
  return rules;
}

/// How far one policy lets the target go from where it stood at the start of the policy's period.
int reach(const Json& policy, int current, bool up, WallTime now, const HpaHistory& history) {
  const WallTime start = now - std::chrono::seconds(policy["periodSeconds"].int_or(15));
  int before = current;
  for (const auto& [at, change] : history.changes) {
    if (at > start) before -= change;
  }
  const int value = static_cast<int>(policy["value"].int_or(0));
  const int sign = up ? 1 : -1;
  if (policy["type"].str() == "Pods") return before + sign * value;
  const double scaled = before * (1 + sign * value / 100.0);
  return static_cast<int>(up ? std::ceil(scaled - 1e-9) : std::floor(scaled + 1e-9));
}

int rate_limit(const Rules& rules, int current, bool up, WallTime now, const HpaHistory& history) {
  if (rules.select == "Disabled") return current;
  std::vector<int> reaches;
  for (const Json& p : rules.policies.items()) reaches.push_back(reach(p, current, up, now, history));
  // "Max" is the largest change: the highest reach going up, the lowest going down.
  const bool highest = (rules.select == "Max") == up;
  const int furthest = highest ? std::ranges::max(reaches) : std::ranges::min(reaches);
  return up ? std::max(furthest, current) : std::clamp(furthest, 0, current);
}

int stabilize(const Rules& up, const Rules& down, int current, int wanted, WallTime now,
              HpaHistory& history) {
  int lowest = wanted, highest = wanted;
  for (const auto& [at, value] : history.recommendations) {
    if (at > now - up.window) lowest = std::min(lowest, value);
    if (at > now - down.window) highest = std::max(highest, value);
  }
  const auto longest = std::max(up.window, down.window);
  std::erase_if(history.recommendations, [&](const auto& entry) { return entry.at <= now - longest; });
  history.recommendations.push_back({now, wanted});
  return std::clamp(current, lowest, highest);
}

}  // namespace

Limited limit(const Json& behavior, int current, int wanted, int lowest, int highest, WallTime now,
              HpaHistory& history) {
  const Rules up = rules_of(behavior["scaleUp"], true);
  const Rules down = rules_of(behavior["scaleDown"], false);
  std::erase_if(history.changes, [&](const auto& entry) { return entry.at <= now - 30min; });

  // The size it was found at counts as wanted, so that a restart doesn't shrink the target at once.
  if (history.recommendations.empty()) history.recommendations.push_back({now, current});

  Limited result;
  const int stable = stabilize(up, down, current, wanted, now, history);
  if (stable == wanted) {
    result.able_reason = "ReadyForNewScale";
    result.able_message = "recommended size matches current size";
  } else if (wanted > stable) {
    result.able_reason = "ScaleUpStabilized";
    result.able_message =
        "recent recommendations were lower than current one, applying the lowest recent recommendation";
  } else {
    result.able_reason = "ScaleDownStabilized";
    result.able_message =
        "recent recommendations were higher than current one, applying the highest recent recommendation";
  }

  int most = highest, fewest = lowest;
  bool by_rate = false;
  if (stable > current) {
    const int rate = rate_limit(up, current, true, now, history);
    by_rate = rate < highest;
    most = std::min(rate, highest);
  } else if (stable < current) {
    const int rate = rate_limit(down, current, false, now, history);
    by_rate = rate > lowest;
    fewest = std::max(rate, lowest);
  }
  result.is_limited = stable > most || stable < fewest;
  result.replicas = std::clamp(stable, std::min(fewest, most), most);
  if (!result.is_limited) {
    result.limit_reason = "DesiredWithinRange";
    result.limit_message = "the desired count is within the acceptable range";
  } else if (stable > most) {
    result.limit_reason = by_rate ? "ScaleUpLimit" : "TooManyReplicas";
    result.limit_message = by_rate
                               ? "the desired replica count is increasing faster than the maximum scale rate"
                               : "the desired replica count is more than the maximum replica count";
  } else {
    result.limit_reason = by_rate ? "ScaleDownLimit" : "TooFewReplicas";
    result.limit_message = by_rate
                               ? "the desired replica count is decreasing faster than the maximum scale rate"
                               : "the desired replica count is less than the minimum replica count";
  }
  return result;
}

}  // namespace serin::local
