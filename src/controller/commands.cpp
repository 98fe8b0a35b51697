#include "controller/commands.h"

#include <fmt/format.h>

namespace serin::controller {

std::string said_by(std::string_view who, std::string_view why) {
  std::string text;
  if (!who.empty()) text += fmt::format(" by {}", who);
  if (!why.empty()) text += fmt::format(": {}", why);
  return text;
}

canary::Command read_command(const base::Json& canary) {
  const base::Json& annotations = canary.get("metadata", "annotations");
  canary::Command command;
  command.paused = annotations[pause_annotation].str() == "true";
  command.verb = canary::parse_verb(annotations[command_annotation].str());
  command.by = said_by(annotations[by_annotation].str(), annotations[reason_annotation].str());
  return command;
}

}  // namespace serin::controller
