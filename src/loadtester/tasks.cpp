#include "loadtester/tasks.h"

#include <fmt/format.h>

#include <optional>

#include "loadtester/concord.h"
#include "loadtester/ngrinder.h"
#include "loadtester/responses.h"

namespace serin::loadtester {

using base::Result;
using base::Task;
using http::Responder;
using http::Response;

namespace {

/// How many failures wait for the next request of their hook.
constexpr std::size_t failures_max = 1000;

/// Ends the group's other task when the caller has gone.
Task<void> cancel_when_closed(Responder& responder, base::TaskGroup& group) {
  co_await responder.closed();
  group.cancel();
}

Task<void> store_and_cancel(Task<Finished> task, std::optional<Finished>& into, base::TaskGroup& group) {
  into = co_await std::move(task);
  group.cancel();
}

std::string failure_text(const Job& job, const Finished& finished) {
  if (job.is_remote()) return finished.failure;
  return fmt::format("command {} failed: {}: {}", job.command, finished.output, finished.failure);
}

void log_start(const Job& job, const base::Logger& log) {
  if (job.in_background())
    log.info("task starting " + job.command);
  else if (job.type == "bash")
    log.info("bash command " + job.command);
  else
    log.info("running command " + job.log_name());
}

void log_end(const Job& job, const Finished& finished, const base::Logger& log) {
  if (finished.dropped > 0) {
    log.warn(fmt::format("{} bytes of the output of {} were dropped", finished.dropped, job.command));
  }
  if (!finished.failure.empty()) {
    log.error(fmt::format("command failed {} {} {}", job.log_name(), finished.failure, finished.output));
    return;
  }
  if (job.type == "bash" || job.log_output) log.info(finished.output);
  log.info("command finished " + job.log_name());
}

}  // namespace

Tasks::Tasks(base::Executor executor, const Rules& rules, const Policy& policy, Tools tools)
    : executor_(executor),
      timeout_(rules.timeout),
      tasks_max_(rules.tasks_max),
      policy_(policy),
      tools_(tools),
      background_(executor) {}

Task<void> Tasks::stop() {
  co_await background_.stop();
}

Task<Response> Tasks::request(Payload payload, Responder& responder, base::Logger log) {
  Result<Job> job = Job::parse(std::move(payload));
  if (!job) {
    log.warn("task refused: " + job.error().message);
    co_return text_response(400, job.error().message);
  }
  log = log.with("canary", job->type == "bash" ? job->payload.name : job->canary);
  if (!policy_.allows(*job)) {
    metrics_.count(job->type, "refused");
    log.warn("command refused, it is not in the allow-list: " + job->whole_command());
    co_return text_response(403, "command not allowed: " + job->whole_command());
  }
  if (job->in_background()) co_return start_in_background(std::move(*job), std::move(log));
  if (metrics_.running() >= static_cast<std::int64_t>(tasks_max_)) {
    metrics_.count(job->type, "refused");
    co_return text_response(503, fmt::format("{} tasks are running, no more are allowed", tasks_max_));
  }
  Response response = co_await run_while_waiting(std::move(*job), responder, std::move(log));
  co_return response;
}

Response Tasks::start_in_background(Job job, base::Logger log) {
  const std::string key = job.key(), command = job.command, type = job.type;
  std::string failure;
  if (const auto found = failures_.find(key); found != failures_.end()) {
    failure = std::move(found->second);
    failures_.erase(found);
  }
  if (background_.is_running(key)) {
    metrics_.count(type, "skipped");
    log.info(fmt::format("command skipped {} is already running", command));
  } else if (metrics_.running() >= static_cast<std::int64_t>(tasks_max_)) {
    metrics_.count(type, "refused");
    return text_response(503, fmt::format("{} tasks are running, no more are allowed", tasks_max_));
  } else {
    background_.start(key, run_in_background(std::move(job), std::move(log)));
  }
  return failure.empty() ? empty_response(202) : text_response(500, "the last run failed: " + failure);
}

Task<void> Tasks::run_in_background(Job job, base::Logger log) {
  log_start(job, log);
  const Finished finished = co_await run_counted(job);
  log_end(job, finished, log);
  const bool wanted = job.report_to_next && !finished.failure.empty();
  if (wanted && failures_.size() < failures_max) failures_[job.key()] = failure_text(job, finished);
}

Task<Response> Tasks::run_while_waiting(Job job, Responder& responder, base::Logger log) {
  log_start(job, log);
  std::optional<Finished> finished;
  base::TaskGroup group(executor_);
  group.spawn(store_and_cancel(run_counted(job), finished, group));
  group.spawn(cancel_when_closed(responder, group));
  co_await group.join();
  if (!finished) {
    log.warn("command ended, its caller has gone: " + job.command);
    co_return text_response(500, "the caller has gone");  // nobody reads it
  }
  log_end(job, *finished, log);
  if (!finished->failure.empty()) co_return text_response(500, failure_text(job, *finished));
  co_return job.return_output ? text_response(200, finished->output) : empty_response(200);
}

Task<Finished> Tasks::run_counted(Job job) {
  struct Running {
    ~Running() {
      const std::chrono::duration<double> lasted = clock.now() - begun;
      metrics.ended(type, success, lasted.count());
    }
    TaskMetrics& metrics;
    base::Clock& clock;
    const std::string& type;
    base::MonoTime begun;
    bool success = false;
  };
  metrics_.started();
  Running running{metrics_, tools_.clock, job.type, tools_.clock.now()};
  Finished finished = co_await run(job);
  running.success = finished.failure.empty();
  metrics_.dropped(finished.dropped);
  co_return finished;
}

Task<Finished> Tasks::run(Job job) {
  Task<Finished> task =
      job.type == "concord"    ? run_concord(tools_.client, tools_.clock, job.payload.metadata, timeout_)
      : job.type == "ngrinder" ? run_ngrinder(tools_.client, tools_.clock, job.payload.metadata, timeout_)
                               : tools_.runner.run(job.argv(), timeout_);
  Finished finished = co_await std::move(task);
  co_return finished;
}

}  // namespace serin::loadtester
