#pragma once

#include <string>
#include <vector>

namespace serin::loadtester {

/// `serin loadtester`: serves until SIGTERM or SIGINT, then waits up to a minute for requests in progress and
/// ends every task. `args` are the words after the subcommand; `bind_address` is where to listen, empty for
/// every interface (the embedded cluster passes SERIN_BIND_ADDRESS where pods share the host's network).
/// Returns the exit code: 0, 1 when it could not listen or got a second signal, 2 for wrong flags.
int run_loadtester(std::vector<std::string> args, std::string bind_address);

}  // namespace serin::loadtester
