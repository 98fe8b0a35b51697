#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/task.h"
#include "http/server.h"
#include "loadtester/background.h"
#include "loadtester/metrics.h"
#include "loadtester/payload.h"
#include "loadtester/process.h"

namespace serin::loadtester {

/// Who may do what (spec 09 §6).
struct Rules {
  std::string namespace_regexp;               ///< empty: every namespace
  std::string token;                          ///< empty: nobody has to prove anything
  std::vector<std::string> allowed_commands;  ///< empty: every command
  base::Duration timeout = std::chrono::hours(1);
};

/// The load tester behind its port: gates, and tasks that run commands (spec 09 §5). Gates live in memory.
/// The regular expressions of the rules must be valid.
class Tester {
 public:
  Tester(base::Executor executor, Rules rules, ProcessRunner& runner, base::Logger log);
  Tester(const Tester&) = delete;
  Tester& operator=(const Tester&) = delete;
  ~Tester();

  /// Answers one request; hand it to http::make_server.
  base::Task<void> handle(http::Request request, http::Responder& responder);
  /// From now on requests get 503: the process is going to end.
  void begin_shutdown() { shutting_down_ = true; }
  /// How many requests are being answered.
  [[nodiscard]] std::size_t active() const { return active_; }
  /// Ends the background tasks with all their processes.
  base::Task<void> stop();

 private:
  struct Job;
  struct Policy;

  base::Task<http::Response> answer(http::Request request, http::Responder& responder);
  http::Response gate(const std::string& path, const Payload& payload);
  base::Task<http::Response> task(Payload payload, http::Responder& responder);
  http::Response start_in_background(Job job);
  base::Task<void> run_in_background(Job job);
  base::Task<http::Response> run_while_waiting(Job job, http::Responder& responder);
  base::Task<Finished> run_counted(Job job);
  void log_start(const Job& job) const;
  void log_end(const Job& job, const Finished& finished) const;

  base::Executor executor_;
  std::unique_ptr<const Policy> policy_;
  base::Duration timeout_;
  ProcessRunner& runner_;
  base::Logger log_;
  std::set<std::string> open_gates_;
  TaskMetrics metrics_;
  Background background_;
  std::size_t active_ = 0;
  bool shutting_down_ = false;
};

}  // namespace serin::loadtester
