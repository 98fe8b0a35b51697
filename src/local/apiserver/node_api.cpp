#include "local/apiserver/node_api.h"

#include <fmt/format.h>

#include <utility>

namespace serin::local {

using base::Json;

Json exec_success() {
  return Json::object({{"metadata", Json::object()}, {"status", "Success"}});
}

Json exec_exit_code(int exit_code) {
  const Json cause = Json::object({{"reason", "ExitCode"}, {"message", std::to_string(exit_code)}});
  return Json::object(
      {{"metadata", Json::object()},
       {"status", "Failure"},
       {"message", fmt::format("command terminated with non-zero exit code: exit status {}", exit_code)},
       {"reason", "NonZeroExitCode"},
       {"details", Json::object({{"causes", Json::array({cause})}})}});
}

Json exec_failure(std::string message) {
  return Json::object({{"metadata", Json::object()},
                       {"status", "Failure"},
                       {"message", std::move(message)},
                       {"reason", "InternalError"},
                       {"code", 500}});
}

}  // namespace serin::local
