#include "hooks/payload.h"

#include <fmt/format.h>

#include <cstdint>

namespace serin::hooks {

std::string checksum(const canary::Status& status) {
  std::string configs = "<nil>";
  if (status.tracked_configs) {
    configs = "map[";
    for (const auto& [name, value] : *status.tracked_configs) {
      configs += fmt::format("{}{}:{}", configs.size() > 4 ? " " : "", name, value);
    }
    configs += "]";
  }
  const std::string text = fmt::format(
      "(struct {{ TrackedConfigs *map[string]string; LastAppliedSpec string "
      "}}){{TrackedConfigs:(*map[string]string){} "
      "LastAppliedSpec:(string){}}}",
      configs, status.last_applied);
  std::uint32_t hash = 2166136261U;  // FNV-1a, 32 bit
  for (const unsigned char c : text) hash = (hash ^ c) * 16777619U;
  constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string encoded = fmt::format("{}", hash);
  for (char& c : encoded) c = alphabet[static_cast<unsigned char>(c) % alphabet.size()];
  return encoded;
}

base::Json payload(const canary::Spec& spec, const canary::Webhook& hook, canary::Phase phase,
                   const canary::Status& status) {
  base::Json body = base::Json::object({{"name", spec.name},
                                        {"namespace", spec.ns},
                                        {"phase", canary::name_of(phase)},
                                        {"checksum", checksum(status)}});
  for (const auto& [key, value] : hook.metadata) body.set("metadata", key) = value;
  return body;
}

}  // namespace serin::hooks
