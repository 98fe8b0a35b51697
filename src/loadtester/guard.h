#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace serin::loadtester {

/// A command as it was started: a guard process of ours, and below it the command and whatever that starts.
/// The guard adopts what the command leaves behind, lives as long as any of it, and ends all of it, politely
/// first (SIGTERM) and after the grace surely (SIGKILL), when it gets SIGTERM or its parent dies.
struct GuardedCommand {
  pid_t guard = 0;  ///< a child of ours, to be signalled and reaped
  int end = -1;     ///< its pidfd, readable once it has ended
  int output = -1;  ///< the read end of the command's stdout and stderr
  int report = -1;  ///< the read end of one GuardReport
};

/// What the guard tells once.
struct GuardReport {
  enum Kind : int { not_started, ended };
  int kind = ended;
  int value = 0;  ///< not_started: the error number; ended: the wait status of the command
};

/// Starts argv[0], looked up in the PATH of `environment` ("NAME=value" each), in a session of its own, with
/// an empty stdin. A command that can't be started is told of in the report. Errors (unavailable): no more
/// processes or descriptors. Call it from the process's first thread: guards end when the calling one does.
base::Result<GuardedCommand> start_guarded(const std::vector<std::string>& argv,
                                           const std::vector<std::string>& environment,
                                           std::chrono::milliseconds grace);

}  // namespace serin::loadtester
