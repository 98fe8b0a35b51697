#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace serin::loadtester {

/// The programs that a shell would run for this command line, one for each simple command: "curl x | grep y"
/// gives curl and grep. nullopt where that can't be told for sure, because the line uses more of the shell
/// than words, quotes, pipes and lists: expansions, redirections, subshells, jobs, escapes, comments.
std::optional<std::vector<std::string>> programs_of(std::string_view command_line);

}  // namespace serin::loadtester
