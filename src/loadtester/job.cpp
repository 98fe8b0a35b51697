#include "loadtester/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "loadtester/ngrinder.h"

namespace serin::loadtester {

using base::Errc;
using base::fail;
using base::Result;

namespace {

constexpr std::array<std::string_view, 7> types = {"cmd",     "bash",    "helm",    "helmv3",
                                                   "kubectl", "concord", "ngrinder"};

/// The program and its arguments: split at white space, nothing is quoted (spec 09 §5.2).
std::vector<std::string> split(const std::string& program, const std::string& words) {
  std::vector<std::string> argv{program};
  std::istringstream stream(words);
  for (std::string word; stream >> word;) argv.push_back(word);
  return argv;
}

}  // namespace

Result<Job> Job::parse(Payload payload) {
  if (payload.metadata.empty()) return fail(Errc::invalid, "metadata not found in payload");
  Job job{.type = payload.get("type"),
          .canary = payload.key(),
          .command = payload.get("cmd"),
          .payload = {},
          .log_output = payload.get_bool("logCmdOutput"),
          .return_output = payload.get_bool("returnCmdOutput"),
          .report_to_next = payload.get_bool("failOnError")};
  if (job.type.empty()) job.type = "cmd";
  if (std::ranges::find(types, job.type) == types.end()) {
    return fail(Errc::invalid,
                fmt::format("unknown task type {}; there are {}", job.type, fmt::join(types, ", ")));
  }
  if (job.type == "cmd" && !payload.metadata.contains("cmd")) {
    return fail(Errc::invalid, "cmd not found in metadata");
  }
  // What was checked and what is run would be two things: the system's strings end there.
  if (job.command.contains('\0')) return fail(Errc::invalid, "metadata.cmd holds a NUL character");
  if (job.type == "concord") job.command = "concord " + payload.get("server");
  if (job.type == "ngrinder") {
    const Result<Ngrinder> ngrinder = Ngrinder::parse(payload.metadata);
    if (!ngrinder) return fail(ngrinder.error());
    job.command = fmt::format("ngrinder {} {}", payload.get("server"), ngrinder->clone);
  }
  job.payload = std::move(payload);
  return job;
}

std::string Job::program() const {
  if (type == "cmd") return "sh";
  return type == "helmv3" ? "helm" : type;
}

std::vector<std::string> Job::argv() const {
  if (for_shell()) return {program(), "-c", command};
  return split(program(), command);
}

std::string Job::whole_command() const {
  return for_shell() || is_remote() ? command : program() + " " + command;
}

std::string Job::log_name() const {
  if (program() == "helm") return "helmv3 " + command;
  return type == "kubectl" ? "kubectl " + command : command;
}

}  // namespace serin::loadtester
