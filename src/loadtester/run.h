#pragma once

#include <string>
#include <vector>

namespace serin::loadtester {

/// What the load tester is told by where it runs.
struct World {
  /// Where to listen, empty for every interface (the embedded cluster passes SERIN_BIND_ADDRESS where pods
  /// share the host's network).
  std::string bind_address;
  /// "NAME=value" each. LOADTESTER_AUTH_TOKEN is -auth-token out of sight of `ps`, and is kept from commands.
  std::vector<std::string> environment;
};

/// `serin loadtester`: serves until SIGTERM or SIGINT, then waits up to a minute for requests in progress and
/// ends every task. `args` are the words after the subcommand. Returns the exit code: 0, 1 when it could not
/// listen or got a second signal, 2 for wrong flags and files.
int run_loadtester(std::vector<std::string> args, World world);

}  // namespace serin::loadtester
