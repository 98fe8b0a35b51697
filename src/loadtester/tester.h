#pragma once

#include <string>

#include "base/log.h"
#include "base/task.h"
#include "http/server.h"
#include "loadtester/gates.h"
#include "loadtester/payload.h"
#include "loadtester/policy.h"
#include "loadtester/tasks.h"

namespace serin::loadtester {

/// The load tester behind its port: gates, and tasks that run commands (spec 09 §5). What it refers to must
/// outlive it.
class Tester {
 public:
  Tester(base::Executor executor, const Rules& rules, Gates gates, Tools tools, base::Logger log);
  Tester(const Tester&) = delete;
  Tester& operator=(const Tester&) = delete;

  /// Answers one request; hand it to http::make_server.
  base::Task<void> handle(http::Request request, http::Responder& responder);
  /// From now on requests get 503: the process is going to end.
  void begin_shutdown() { shutting_down_ = true; }
  /// How many requests are being answered.
  [[nodiscard]] std::size_t active() const { return active_; }
  /// Ends the background tasks with all their processes.
  base::Task<void> stop();

 private:
  base::Task<http::Response> answer(http::Request request, http::Responder& responder);
  http::Response gate(const std::string& path, const Payload& payload, const base::Logger& log);

  Policy policy_;
  base::Logger log_;
  Gates gates_;
  Tasks tasks_;
  std::size_t active_ = 0;
  bool shutting_down_ = false;
};

}  // namespace serin::loadtester
