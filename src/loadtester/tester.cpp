#include "loadtester/tester.h"

#include <fmt/format.h>

#include <optional>
#include <sstream>

#include "loadtester/policy.h"

namespace serin::loadtester {

using base::Task;
using http::Request;
using http::Responder;
using http::Response;

namespace {

Response text_response(int status, std::string text) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(text)};
}

Response empty_response(int status) {
  return {status, {}, {}};
}

/// The program and its arguments: split at white space, nothing is quoted (spec 09 §5.2).
std::vector<std::string> argv_of(const std::string& program, const std::string& words) {
  std::vector<std::string> argv{program};
  std::istringstream stream(words);
  for (std::string word; stream >> word;) argv.push_back(word);
  return argv;
}

void cancel(base::TaskGroup& group) {
  group.cancel();
}

/// Ends the group's other task when the caller has gone.
Task<void> cancel_when_closed(Responder& responder, base::TaskGroup& group) {
  co_await responder.closed();
  cancel(group);
}

Task<void> store_and_cancel(Task<Finished> task, std::optional<Finished>& into, base::TaskGroup& group) {
  into = co_await std::move(task);
  cancel(group);
}

}  // namespace

/// A command on behalf of a canary.
struct Tester::Job {
  std::string type, canary, command;
  bool log_output = false;
  bool return_output = false;

  [[nodiscard]] std::vector<std::string> argv() const {
    if (type == "cmd") return {"sh", "-c", command};
    if (type == "bash") return {"bash", "-c", command};
    return argv_of(program(), command);
  }
  [[nodiscard]] std::string program() const {
    if (type == "cmd") return "sh";
    return type == "helmv3" ? "helm" : type;
  }
  /// The text that -allow-command is held against.
  [[nodiscard]] std::string whole_command() const {
    return type == "cmd" || type == "bash" ? command : program() + " " + command;
  }
};

Tester::Tester(base::Executor executor, Rules rules, ProcessRunner& runner, base::Logger log)
    : executor_(executor),
      policy_(std::make_unique<const Policy>(rules)),
      timeout_(rules.timeout),
      runner_(runner),
      log_(std::move(log)),
      background_(executor) {}

Tester::~Tester() = default;

base::Task<void> Tester::stop() {
  co_await background_.stop();
}

base::Task<void> Tester::handle(Request request, Responder& responder) {
  struct Count {
    explicit Count(std::size_t& n) : number(n) { ++number; }
    ~Count() { --number; }
    std::size_t& number;
  };
  const Count count(active_);
  Response response = co_await answer(std::move(request), responder);
  co_await responder.send(std::move(response));
}

base::Task<Response> Tester::answer(Request request, Responder& responder) {
  const std::string path = http::Target::parse(request.url.target).path;
  if (shutting_down_) co_return text_response(503, "shutting down");
  if (const std::string clean = clean_path(path); clean != path) {
    const bool safe = request.method == "GET" || request.method == "HEAD";
    Response redirect = empty_response(safe ? 301 : 307);
    redirect.headers.set("Location", clean);
    co_return redirect;
  }
  if (path == "/healthz") co_return text_response(200, "OK");
  if (path == "/metrics") {
    co_return Response{200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, metrics_.text()};
  }
  if (!policy_->admits(request.headers)) {
    Response refusal = text_response(401, "Unauthorized");
    refusal.headers.set("WWW-Authenticate", "Bearer");
    co_return refusal;
  }
  if (path == "/gate/approve") co_return text_response(200, "OK");
  if (path == "/gate/halt") co_return text_response(403, "Forbidden");

  const base::Result<Payload> payload = Payload::parse(request.body);
  if (!payload) {
    log_.error("reading the request body failed: " + payload.error().message);
    co_return empty_response(400);
  }
  if (!policy_->serves_namespace(payload->ns)) co_return text_response(403, "Forbidden");
  for (const std::string_view door : {"/gate/", "/rollback/"}) {
    for (const std::string_view verb : {"check", "open", "close"}) {
      if (path == fmt::format("{}{}", door, verb)) co_return gate(path, *payload);
    }
  }
  Response response = co_await task(*payload, responder);
  co_return response;
}

Response Tester::gate(const std::string& path, const Payload& payload) {
  const bool rollback = path.starts_with("/rollback/");
  const std::string key = (rollback ? "rollback." : "") + payload.key();
  const std::string_view kind = rollback ? "rollback" : "gate";
  const std::string_view verb = std::string_view(path).substr(path.rfind('/') + 1);
  if (verb == "check") {
    const bool approved = open_gates_.contains(key);
    log_.info(fmt::format("{} {} check: approved {}", key, kind, approved));
    return approved ? text_response(200, "Approved") : text_response(403, "Forbidden");
  }
  if (verb == "open") open_gates_.insert(key);
  if (verb == "close") open_gates_.erase(key);
  log_.info(fmt::format("{} {} {}", key, kind, verb == "open" ? "opened" : "closed"));
  return empty_response(202);
}

base::Task<Response> Tester::task(Payload payload, Responder& responder) {
  if (payload.metadata.empty()) co_return text_response(400, "metadata not found in payload");
  Job job{.type = payload.get("type"),
          .canary = payload.key(),
          .command = payload.get("cmd"),
          .log_output = payload.get_bool("logCmdOutput"),
          .return_output = payload.get_bool("returnCmdOutput")};
  if (job.type.empty()) job.type = "cmd";
  if (job.type == "concord" || job.type == "ngrinder") {
    co_return text_response(400,
                            fmt::format("task type {} is not part of this load tester yet; call its server "
                                        "from a task of type bash, for instance with curl",
                                        job.type));
  }
  const bool known = job.type == "cmd" || job.type == "bash" || job.type == "helm" || job.type == "helmv3" ||
                     job.type == "kubectl";
  if (!known) co_return text_response(400, "unknown task type " + job.type);
  if (job.type == "cmd" && !payload.metadata.contains("cmd")) {
    co_return text_response(400, "cmd not found in metadata");
  }
  if (!policy_->allows_command(job.whole_command())) {
    metrics_.count(job.type, "refused");
    log_.with("canary", job.canary).warn("command refused, no -allow-command matches " + job.whole_command());
    co_return text_response(403, "command not allowed: " + job.whole_command());
  }
  if (job.type == "cmd") co_return start_in_background(std::move(job));
  if (job.type == "bash") job.canary = payload.name;
  Response response = co_await run_while_waiting(std::move(job), responder);
  co_return response;
}

Response Tester::start_in_background(Job job) {
  const std::string key = job.canary + job.command;
  const base::Logger log = log_.with("canary", job.canary);
  const std::string command = job.command, type = job.type;
  if (!background_.start(key, run_in_background(std::move(job)))) {
    metrics_.count(type, "skipped");
    log.info(fmt::format("command skipped {} is already running", command));
  }
  return empty_response(202);
}

base::Task<void> Tester::run_in_background(Job job) {
  log_start(job);
  const Finished finished = co_await run_counted(job);
  log_end(job, finished);
}

base::Task<Response> Tester::run_while_waiting(Job job, Responder& responder) {
  log_start(job);
  std::optional<Finished> finished;
  base::TaskGroup group(executor_);
  group.spawn(store_and_cancel(run_counted(job), finished, group));
  group.spawn(cancel_when_closed(responder, group));
  co_await group.join();
  if (!finished) {
    log_.with("canary", job.canary).warn("command ended, its caller has gone: " + job.command);
    co_return text_response(500, "the caller has gone");  // nobody reads it
  }
  log_end(job, *finished);
  if (!finished->failure.empty()) {
    co_return text_response(
        500, fmt::format("command {} failed: {}: {}", job.command, finished->output, finished->failure));
  }
  co_return job.return_output ? text_response(200, finished->output) : empty_response(200);
}

base::Task<Finished> Tester::run_counted(Job job) {
  struct Running {
    ~Running() { metrics.ended(type, success); }
    TaskMetrics& metrics;
    const std::string& type;
    bool success = false;
  };
  metrics_.started();
  Running running{metrics_, job.type};
  Finished finished = co_await runner_.run(job.argv(), timeout_);
  running.success = finished.failure.empty();
  co_return finished;
}

void Tester::log_start(const Job& job) const {
  const base::Logger log = log_.with("canary", job.canary);
  if (job.type == "cmd") log.info("task starting " + job.command);
  if (job.type == "bash") log.info("bash command " + job.command);
  if (job.program() == "helm") log.info("running command helmv3 " + job.command);
  if (job.type == "kubectl") log.info("running command kubectl " + job.command);
}

void Tester::log_end(const Job& job, const Finished& finished) const {
  const base::Logger log = log_.with("canary", job.canary);
  if (finished.dropped > 0) {
    log.warn(fmt::format("{} bytes of the output of {} were dropped", finished.dropped, job.command));
  }
  const std::string name = job.program() == "helm"      ? "helmv3 " + job.command
                           : job.program() == "kubectl" ? "kubectl " + job.command
                                                        : job.command;
  if (!finished.failure.empty()) {
    log.error(fmt::format("command failed {} {} {}", name, finished.failure, finished.output));
    return;
  }
  if (job.type == "bash" || job.log_output) log.info(finished.output);
  log.info("command finished " + name);
}

}  // namespace serin::loadtester
