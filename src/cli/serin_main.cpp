#include <unistd.h>

#include <filesystem>

#include "cli/commands.h"

/// The one place that looks at the process's own arguments, environment and path.
int main(int argc, char** argv) {
  using serin::cli::Words;
  Words variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return serin::cli::run(Words(argv, argv + argc), serin::cli::Environment(std::move(variables)),
                         error ? "serin" : program.string());
}
