#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/json.h"
#include "canary/machine.h"

namespace serin::controller {

/// The annotations by which people command a canary (docs/commands.md).
inline constexpr std::string_view pause_annotation = "serin.dev/pause";  ///< "true": no step is made
inline constexpr std::string_view command_annotation =
    "serin.dev/command";                                                   ///< carried out once, then removed
inline constexpr std::string_view by_annotation = "serin.dev/by";          ///< who asks
inline constexpr std::string_view reason_annotation = "serin.dev/reason";  ///< and why

/// What goes with a command that has been carried out.
inline constexpr std::array command_annotations = {command_annotation, by_annotation, reason_annotation};

/// " by ann: too many complaints", as Events end with it; empty parts are left out.
std::string said_by(std::string_view who, std::string_view why);

/// What a Canary's annotations ask for. An unknown verb asks for nothing.
canary::Command read_command(const base::Json& canary);

}  // namespace serin::controller
