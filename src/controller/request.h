#pragma once

#include <string>

#include "controller/options.h"

namespace serin::controller {

/// `serin pause | resume | approve | promote | rollback | restart NAME`.
struct RequestOptions {
  std::string verb, name;
  std::string ns = "default";
  std::string by;      ///< who asks; told in the Event
  std::string reason;  ///< and why
  Options connection;  ///< kubeconfig and its environment
};

/// Asks the controller by the Canary's annotations, waits until it has answered, and prints what it said.
/// Returns the process's exit code: 1 if the Canary is not there or nobody answers within 10 s.
int run_request(RequestOptions options);

}  // namespace serin::controller
