#include "canary/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace serin::canary {
namespace {

constexpr std::pair<Phase, std::string_view> phase_names[] = {
    {Phase::none, ""},
    {Phase::initializing, "Initializing"},
    {Phase::initialized, "Initialized"},
    {Phase::waiting, "Waiting"},
    {Phase::progressing, "Progressing"},
    {Phase::waiting_promotion, "WaitingPromotion"},
    {Phase::promoting, "Promoting"},
    {Phase::finalising, "Finalising"},
    {Phase::succeeded, "Succeeded"},
    {Phase::failed, "Failed"},
    {Phase::terminating, "Terminating"},
    {Phase::terminated, "Terminated"},
};

std::string_view promoted_status(Phase phase) {
  switch (phase) {
    case Phase::initialized:
    case Phase::succeeded:
      return "True";
    case Phase::failed:
      return "False";
    default:
      return "Unknown";
  }
}

std::string promoted_message(Phase phase, std::string_view kind) {
  switch (phase) {
    case Phase::initialized:
      return fmt::format("{} initialization completed.", kind);
    case Phase::waiting:
    case Phase::waiting_promotion:
      return "Waiting for approval.";
    case Phase::progressing:
      return "New revision detected, progressing canary analysis.";
    case Phase::promoting:
      return "Canary analysis completed, starting primary rolling update.";
    case Phase::finalising:
      return "Canary analysis completed, routing all traffic to primary.";
    case Phase::succeeded:
      return "Canary analysis completed successfully, promotion finished.";
    case Phase::failed:
      return fmt::format("Canary analysis failed, {} scaled to zero.", kind);
    default:
      return fmt::format("New {} detected, starting initialization.", kind);
  }
}

/// The Promoted condition; the stored one where neither status nor reason has changed.
Json promoted_condition(const Json& stored, Phase phase, std::string_view kind, const std::string& now) {
  const std::string_view status = promoted_status(phase);
  if (stored["status"].str() == status && stored["reason"].str() == name_of(phase)) return stored;
  const bool flipped = stored["status"].str() != status;
  return Json::object({{"lastTransitionTime", flipped ? Json(now) : stored["lastTransitionTime"]},
                       {"lastUpdateTime", now},
                       {"message", promoted_message(phase, kind)},
                       {"reason", name_of(phase)},
                       {"status", status},
                       {"type", "Promoted"}});
}

}  // namespace

bool is_run(Phase phase) {
  return phase == Phase::progressing || phase == Phase::waiting_promotion || phase == Phase::promoting ||
         phase == Phase::finalising;
}

std::string_view name_of(Phase phase) {
  return std::ranges::find(phase_names, phase, &std::pair<Phase, std::string_view>::first)->second;
}

std::optional<Phase> parse_phase(std::string_view name) {
  const auto it = std::ranges::find(phase_names, name, &std::pair<Phase, std::string_view>::second);
  if (it == std::end(phase_names)) return std::nullopt;
  return it->first;
}

base::Result<Status> read_status(const Json& canary) {
  const Json& json = canary["status"];
  const std::optional<Phase> phase = parse_phase(json["phase"].str());
  if (!phase) {
    return base::fail(base::Errc::invalid,
                      fmt::format("status.phase: \"{}\" is not a phase", json["phase"].str()));
  }
  Status status;
  status.phase = *phase;
  status.failed_checks = static_cast<int>(json["failedChecks"].int_or(0));
  status.canary_weight = static_cast<int>(json["canaryWeight"].int_or(0));
  status.iterations = static_cast<int>(json["iterations"].int_or(0));
  status.last_applied = json["lastAppliedSpec"].str();
  status.last_promoted = json["lastPromotedSpec"].str();
  status.affinity = {json["sessionAffinityCookie"].str(), json["previousSessionAffinityCookie"].str(),
                     json["primarySessionAffinityCookie"].str()};
  status.checks = read_checks(json["checks"]);
  status.rolling_back = json["rollingBack"].str();
  status.outcome_pending = json["outcomePending"].bool_or(false);
  if (json["trackedConfigs"].is_object()) {
    auto& tracked = status.tracked_configs.emplace();
    for (const Json::Member& member : json["trackedConfigs"].members())
      tracked[member.key] = member.value.str();
  }
  return status;
}

Json write_status(const Json& canary, const Status& status, std::string_view kind, base::WallTime now) {
  Json json = canary["status"];
  const std::string time = base::format_rfc3339(now);
  const Json& conditions = json["conditions"];
  Json stored;
  for (const Json& condition : conditions.items()) {
    if (condition["type"].str() == "Promoted") stored = condition;
  }
  json.set("canaryWeight") = status.canary_weight;
  json.set("conditions") = Json::array({promoted_condition(stored, status.phase, kind, time)});
  json.set("failedChecks") = status.failed_checks;
  json.set("iterations") = status.iterations;
  const auto put = [&](std::string_view key, const std::string& value) {
    if (value.empty()) {
      json.erase(key);
    } else {
      json.set(key) = value;
    }
  };
  put("lastAppliedSpec", status.last_applied);
  put("lastPromotedSpec", status.last_promoted);
  put("sessionAffinityCookie", status.affinity.canary);
  put("previousSessionAffinityCookie", status.affinity.previous);
  put("primarySessionAffinityCookie", status.affinity.primary);
  put("rollingBack", status.rolling_back);
  json.erase("outcomePending");
  if (status.outcome_pending) json.set("outcomePending") = true;
  json.erase("checks");
  if (!status.checks.empty()) json.set("checks") = to_json(status.checks);
  json.set("lastTransitionTime") = time;
  json.set("phase") = name_of(status.phase);
  json.erase("trackedConfigs");
  if (status.tracked_configs) {
    Json tracked = Json::object();
    for (const auto& [name, checksum] : *status.tracked_configs) tracked.set(name) = checksum;
    json.set("trackedConfigs") = std::move(tracked);
  }
  return json;
}

}  // namespace serin::canary
