#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace serin::loadtester {

/// How the load tester was started (spec 09 §5). Every flag takes one dash or two.
struct Options {
  std::uint16_t port = 9090;                       ///< -port
  std::string log_level = "debug";                 ///< -log-level
  base::Duration timeout = std::chrono::hours(1);  ///< -timeout: how long a task may run
  std::string namespace_regexp;                    ///< -namespace-regexp: empty serves every namespace
  std::string log_encoding = "json";               ///< -zap-encoding: json or console
  std::string auth_token;                          ///< -auth-token: callers must prove that they know it
  std::string token_file;                          ///< -token-file: the same, as the content of a file
  std::vector<std::string> allowed_commands;  ///< -allow-command: regular expressions, one must match whole
  std::vector<std::string> allowed_programs;  ///< -allow-commands: names of programs
  std::string gate_store;                     ///< -gate-store: file that keeps gates open over a restart
  std::size_t tasks_max = 1000;               ///< -max-tasks: how many may run at a time
  bool help = false;
};

/// Reads the arguments after the program's name, as Go's flag package does. Errors (invalid) name the flag.
base::Result<Options> parse_options(const std::vector<std::string>& args);

/// What -help prints.
std::string usage();

}  // namespace serin::loadtester
