#include "controller/commands.h"

#include <fmt/format.h>

namespace serin::controller {

canary::Command read_command(const base::Json& canary) {
  const base::Json& annotations = canary.get("metadata", "annotations");
  canary::Command command;
  command.paused = annotations[pause_annotation].str() == "true";
  command.verb = canary::parse_verb(annotations[command_annotation].str());
  if (const std::string& who = annotations[by_annotation].str(); !who.empty()) command.by = " by " + who;
  if (const std::string& why = annotations[reason_annotation].str(); !why.empty())
    command.by += fmt::format(": {}", why);
  return command;
}

}  // namespace serin::controller
