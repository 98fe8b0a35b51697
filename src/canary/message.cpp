#include "canary/message.h"

#include <string_view>
#include <utility>

namespace serin::canary {
namespace {

std::string_view name_of(Announce::Kind kind) {
  switch (kind) {
    case Announce::Kind::normal:
      return "Normal";
    case Announce::Kind::warning:
      return "Warning";
    case Announce::Kind::error:
      return "Error";
  }
  std::unreachable();
}

}  // namespace

Json to_json(const Message& message) {
  if (const auto* event = std::get_if<Announce>(&message)) {
    return Json::object(
        {{"event", name_of(event->kind)}, {"phase", canary::name_of(event->phase)}, {"text", event->text}});
  }
  const auto& alert = std::get<Alert>(message);
  Json entry = Json::object({{"alert", canary::name_of(alert.severity)}, {"text", alert.text}});
  if (alert.with_metadata) entry.set("metadata") = true;
  return entry;
}

std::optional<Message> read_message(const Json& entry) {
  const std::string& text = entry["text"].str();
  for (const Announce::Kind kind : {Announce::Kind::normal, Announce::Kind::warning, Announce::Kind::error}) {
    const std::optional<Phase> phase = parse_phase(entry["phase"].str());
    if (phase && entry["event"].str() == name_of(kind)) return Announce{kind, text, *phase};
  }
  for (const Severity severity : {Severity::info, Severity::warn, Severity::error}) {
    if (entry["alert"].str() == canary::name_of(severity))
      return Alert{severity, text, entry["metadata"].bool_or(false)};
  }
  return std::nullopt;
}

}  // namespace serin::canary
