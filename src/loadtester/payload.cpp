#include "loadtester/payload.h"

#include <algorithm>
#include <array>

#include "base/json.h"

namespace serin::loadtester {

using base::Errc;
using base::Json;

base::Result<Payload> Payload::parse(std::string_view body) {
  const base::Result<Json> json = Json::parse(body);
  if (!json) return base::fail(json.error());
  if (!json->is_object() && !json->is_null()) return base::fail(Errc::invalid, "the payload is no object");
  Payload payload;
  const std::pair<const char*, std::string*> fields[] = {
      {"name", &payload.name}, {"namespace", &payload.ns}, {"phase", &payload.phase}};
  for (const auto& [name, into] : fields) {
    const Json& value = (*json)[name];
    if (!value.is_string() && !value.is_null())
      return base::fail(Errc::invalid, std::string(name) + " is no string");
    *into = value.str();
  }
  const Json& metadata = (*json)["metadata"];
  if (!metadata.is_object() && !metadata.is_null()) return base::fail(Errc::invalid, "metadata is no object");
  for (const auto& [key, value] : metadata.members()) {
    if (!value.is_string() && !value.is_null())
      return base::fail(Errc::invalid, "metadata." + key + " is no string");
    payload.metadata[key] = value.str();
  }
  return payload;
}

std::string Payload::get(const std::string& field) const {
  const auto found = metadata.find(field);
  return found == metadata.end() ? std::string() : found->second;
}

bool Payload::get_bool(const std::string& field) const {
  constexpr std::array<std::string_view, 6> truths = {"1", "t", "T", "TRUE", "true", "True"};
  const std::string value = get(field);
  return std::ranges::find(truths, value) != truths.end();
}

}  // namespace serin::loadtester
