#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace serin::cli {

/// Command-line flags as Go's flag package reads them, since users of the reference have them in their
/// manifests: `-flag v`, `-flag=v`, `--flag v`, `--flag=v`; switches only `-flag` or `-flag=false`.
/// What a flag fills in must outlive parse(); what is in there when the flag is declared is its default.
class Flags {
 public:
  /// `program` is what the usage text calls it: "serin controller".
  explicit Flags(std::string program) : program_(std::move(program)) {}

  Flags& text(std::string_view name, std::string& into, std::string_view meaning);
  Flags& toggle(std::string_view name, bool& into, std::string_view meaning);
  Flags& integer(std::string_view name, int& into, std::string_view meaning);
  Flags& number(std::string_view name, double& into, std::string_view meaning);
  Flags& port(std::string_view name, std::uint16_t& into, std::string_view meaning);
  Flags& duration(std::string_view name, base::Duration& into, std::string_view meaning);
  /// A comma list, not trimmed (spec 04 §1).
  Flags& list(std::string_view name, std::vector<std::string>& into, std::string_view meaning);
  /// A flag that is known and has no effect, and why. Those that were given are in ignored().
  Flags& without_effect(std::string_view name, std::string_view why, bool is_switch = false);

  /// Reads the words after the program's name. Errors (invalid) have Go's texts and name the flag.
  base::Result<void> parse(const std::vector<std::string>& args);
  /// Whether -h or -help was given.
  [[nodiscard]] bool help() const { return help_; }
  /// A line each, "-threadiness has no effect: ...".
  [[nodiscard]] const std::vector<std::string>& ignored() const { return ignored_; }
  /// "Usage of serin controller:" and every flag with its default.
  [[nodiscard]] std::string usage() const;

 private:
  struct Flag {
    std::string name, kind, meaning, otherwise;
    bool is_switch = false;
    std::function<base::Result<void>(std::string value)> set;
  };
  Flags& add(Flag flag);
  [[nodiscard]] const Flag* find(std::string_view name) const;

  std::string program_;
  std::vector<Flag> flags_;
  std::vector<std::string> ignored_;
  bool help_ = false;
};

/// For a command whose arguments are just these flags: an exit code if the process is to end now (0 after
/// -help, 2 after a mistake, with the usage on stderr), else -1.
int exit_code_after_parsing(Flags& flags, const std::vector<std::string>& args);

}  // namespace serin::cli
