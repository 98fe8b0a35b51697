#pragma once

#include <string>
#include <vector>

#include "loadtester/payload.h"

namespace serin::loadtester {

/// What a task request asks for (spec 09 §5.2), checked.
struct Job {
  std::string type;             ///< cmd, bash, helm, helmv3, kubectl, concord or ngrinder
  std::string canary;           ///< podinfo.test
  std::string command;          ///< as it is logged; of the remote types a description
  Payload payload;              ///< what was sent
  bool log_output = false;      ///< of commands that no request waits for
  bool return_output = false;   ///< of commands that a request waits for
  bool report_to_next = false;  ///< failOnError: the next request with this key is told of a failure

  /// Errors (invalid) have the reference's texts.
  static base::Result<Job> parse(Payload payload);

  /// Whether another server runs it.
  [[nodiscard]] bool is_remote() const { return type == "concord" || type == "ngrinder"; }
  /// Whether the request is answered at once, and the task runs on.
  [[nodiscard]] bool in_background() const { return type == "cmd" || type == "ngrinder"; }
  /// Whether a shell reads the command.
  [[nodiscard]] bool for_shell() const { return type == "cmd" || type == "bash"; }
  /// What is run: sh, bash, helm, kubectl; of the remote types their own name.
  [[nodiscard]] std::string program() const;
  [[nodiscard]] std::vector<std::string> argv() const;
  /// The text that -allow-command is held against.
  [[nodiscard]] std::string whole_command() const;
  /// The command in log lines: "helmv3 test podinfo".
  [[nodiscard]] std::string log_name() const;
  /// Only one task of a key runs at a time.
  [[nodiscard]] std::string key() const { return canary + '\n' + command; }
};

}  // namespace serin::loadtester
