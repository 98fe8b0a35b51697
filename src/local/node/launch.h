#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "local/node/fd.h"
#include "local/node/mounts.h"

namespace serin::local {

/// A program to run. Its standard streams and further descriptors (0, 1, 2, 3, ...) travel beside this.
struct Program {
  std::vector<std::string> argv;  ///< argv[0] is looked up in env's PATH
  std::vector<std::string> env;   ///< "NAME=value"; nothing is inherited
  std::string cwd = "/";
  bool terminal = false;          ///< descriptor 0 is to be its controlling terminal
  std::vector<BindMount> mounts;  ///< only seen by this program (needs a mount namespace)
  pid_t beside = 0;  ///< sees what this running process sees mounted; 0: what the supervisor sees

  [[nodiscard]] base::Json to_json() const;
  static Program from_json(const base::Json& json);
};

/// Starts the program as leader of a session of its own; it is killed when the calling process dies. Returns
/// once it runs. Errors say which step failed ("exec ./podinfo: No such file or directory").
base::Result<pid_t> launch(const Program& program, std::vector<Fd> fds);

}  // namespace serin::local
