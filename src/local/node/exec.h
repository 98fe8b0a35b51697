#pragma once

#include "base/task.h"
#include "local/apiserver/node_api.h"
#include "local/node/processes.h"

namespace serin::local {

/// Runs a command in a pod with its streams connected to the session, in a terminal if asked for; ends the
/// session with the command's exit code. The command is killed when the user goes. Errors: it could not be
/// started (the session is then untouched).
base::Task<base::Result<void>> run_exec(ProcessHost& pod, Program program, ExecRequest request,
                                        ExecSession& session, base::Clock& clock);

}  // namespace serin::local
