#pragma once

#include <map>
#include <string>

#include "base/log.h"
#include "base/task.h"
#include "http/client.h"
#include "http/server.h"
#include "loadtester/background.h"
#include "loadtester/job.h"
#include "loadtester/metrics.h"
#include "loadtester/policy.h"
#include "loadtester/process.h"

namespace serin::loadtester {

/// What tasks are carried out with.
struct Tools {
  ProcessRunner& runner;
  http::Client& client;
  base::Clock& clock;
};

/// Carries out task requests (spec 09 §5.2 to §5.5): checks them, runs them while the caller waits or in the
/// background, answers, logs and counts. What it refers to must outlive it.
class Tasks {
 public:
  Tasks(base::Executor executor, const Rules& rules, const Policy& policy, Tools tools);

  /// Answers one request. A task that its caller waits for ends when he goes.
  base::Task<http::Response> request(Payload payload, http::Responder& responder, base::Logger log);
  /// Ends the background tasks with all their processes; no request may follow.
  base::Task<void> stop();
  [[nodiscard]] const TaskMetrics& metrics() const { return metrics_; }

 private:
  http::Response start_in_background(Job job, base::Logger log);
  base::Task<void> run_in_background(Job job, base::Logger log);
  base::Task<http::Response> run_while_waiting(Job job, http::Responder& responder, base::Logger log);
  base::Task<Finished> run_counted(Job job);
  base::Task<Finished> run(Job job);

  base::Executor executor_;
  base::Duration timeout_;
  std::size_t tasks_max_;
  const Policy& policy_;
  Tools tools_;
  TaskMetrics metrics_;
  std::map<std::string, std::string> failures_;  ///< by key, for the next request with failOnError
  Background background_;
};

}  // namespace serin::loadtester
