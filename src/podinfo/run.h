#pragma once

#include <string>
#include <vector>

namespace serin::podinfo {

/// What a podinfo process finds around it; only the command line tool reads it from the real world.
struct World {
  std::string version = "6.0.0";         ///< the version to report: the image's tag
  std::string bind_address;              ///< where to listen; empty: --host, else every interface
  std::vector<std::string> environment;  ///< "NAME=value" each
};

/// `podinfo`: serves until SIGTERM or SIGINT, then shuts down as spec 11 §11 says. `args` are the words after
/// the program's name. Returns the exit code: 0, 1 (could not listen), 2 (wrong flags).
int run_podinfo(std::vector<std::string> args, World world);

/// `podcli check http|tcp ADDRESS`, `podcli version`: the probe command in podinfo's image. Returns 0 when
/// the check succeeds, else 1.
int run_podcli(std::vector<std::string> args, World world);

}  // namespace serin::podinfo
