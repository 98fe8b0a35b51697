#include "loadtester/tester.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include "loadtester/options.h"
#include "loadtester/policy.h"

namespace serin::loadtester {
namespace {

namespace asio = boost::asio;
using base::Result;
using base::Task;
using testing::ElementsAre;
using testing::HasSubstr;

/// Commands end at once with what the test has set, or never.
class FakeRunner final : public ProcessRunner {
 public:
  explicit FakeRunner(base::Executor executor) : executor_(std::move(executor)) {}

  Task<Finished> run(std::vector<std::string> argv, base::Duration) override {
    started.push_back(std::move(argv));
    base::Wakeup never(executor_);
    if (hangs) co_await never.wait();
    co_return result;
  }
  Task<void> stop() override { co_return; }

  std::vector<std::vector<std::string>> started;
  Finished result;
  bool hangs = false;

 private:
  base::Executor executor_;
};

/// Keeps the answer; the caller goes away when the test says so.
class FakeResponder final : public http::Responder {
 public:
  explicit FakeResponder(base::Executor executor) : gone_(std::move(executor)) {}

  Task<Result<void>> send(http::Response response) override {
    sent = std::move(response);
    co_return Result<void>{};
  }
  Task<Result<void>> start(http::Response) override { return refuse(); }
  Task<Result<void>> write(std::string) override { return refuse(); }
  Task<Result<void>> finish() override { return refuse(); }
  Task<Result<std::unique_ptr<http::Duplex>>> upgrade(http::Response) override {
    co_return base::fail(base::Errc::internal, "not part of the test");
  }
  void abandon() override {}
  Task<void> closed() override { co_await gone_.wait(); }
  const http::Peer& peer() const override { return peer_; }
  void leave() { gone_.notify(); }

  http::Response sent;

 private:
  static Task<Result<void>> refuse() { co_return base::fail(base::Errc::internal, "not part of the test"); }
  base::Wakeup gone_;
  http::Peer peer_;
};

class TesterTest : public testing::Test {
 protected:
  void SetUp() override { make({}); }
  void make(const Rules& rules) {
    tester_ =
        std::make_unique<Tester>(io_.get_executor(), rules, Gates(), Tools{runner_, *client_, clock_}, log_);
  }
  void TearDown() override {
    asio::co_spawn(io_, tester_->stop(), [](std::exception_ptr) {});
    io_.restart();
    io_.run();
  }
  http::Response call(std::string target, std::string body = "", http::Headers headers = {},
                      std::string method = "POST") {
    FakeResponder responder(io_.get_executor());
    if (caller_leaves_) responder.leave();
    http::Request request{
        .method = std::move(method), .headers = std::move(headers), .body = std::move(body)};
    request.url.target = std::move(target);
    bool answered = false;
    asio::co_spawn(io_, tester_->handle(std::move(request), responder),
                   [&answered](std::exception_ptr error) {
                     answered = true;
                     if (error) std::rethrow_exception(error);
                   });
    io_.restart();
    while (!answered) io_.run_one();
    return responder.sent;
  }
  http::Response post_task(const std::string& metadata) {
    return call("/",
                R"({"name":"podinfo","namespace":"test","phase":"Progressing","metadata":)" + metadata + "}");
  }
  std::string metrics() { return call("/metrics", "", {}, "GET").body; }

  asio::io_context io_;
  base::SystemClock clock_;
  std::unique_ptr<http::Client> client_ = http::make_client(io_.get_executor(), {}).value();
  FakeRunner runner_{io_.get_executor()};
  std::vector<std::string> lines_;
  base::Logger log_{[this](base::Level, std::string_view line) {
                      lines_.push_back(base::Json::parse(line).value()["msg"].str());
                    },
                    base::Level::debug};
  std::unique_ptr<Tester> tester_;
  bool caller_leaves_ = false;
};

constexpr const char* podinfo = R"({"name":"podinfo","namespace":"test","unknown":[1]})";

TEST_F(TesterTest, FixedAnswers) {
  struct {
    const char* target;
    const char* body;
    int status;
    const char* text;
  } cases[] = {
      {"/healthz", "", 200, "OK"},
      {"/gate/approve", "not json", 200, "OK"},
      {"/gate/halt", "", 403, "Forbidden"},
      {"/gate/check", podinfo, 403, "Forbidden"},
      {"/gate/check", "", 400, ""},
      {"/gate/check", "{", 400, ""},
      {"/gate/check", R"({"name":5})", 400, ""},
      {"/gate/check", R"([])", 400, ""},
      {"/gate/check", R"({"metadata":{"a":true}})", 400, ""},
      {"/rollback/check", "{}", 403, "Forbidden"},
      {"/", podinfo, 400, "metadata not found in payload"},
      {"/gate/open/", podinfo, 400, "metadata not found in payload"},
      {"//gate//open", podinfo, 307, ""},
  };
  for (const auto& c : cases) {
    const http::Response response = call(c.target, c.body);
    EXPECT_EQ(response.status, c.status) << c.target << c.body;
    EXPECT_EQ(response.body, c.text) << c.target << c.body;
  }
  EXPECT_EQ(call("//gate//open").headers.get("Location"), "/gate/open");
  EXPECT_EQ(call("/gate/../healthz", "", {}, "GET").status, 301);
  EXPECT_EQ(call("//a%0d%0aSet-Cookie:x").headers.get("Location"), "/a%0D%0ASet-Cookie%3Ax");
}

TEST_F(TesterTest, GatesOpenAndClose) {
  EXPECT_EQ(call("/gate/open", podinfo).status, 202);
  EXPECT_EQ(call("/gate/check", podinfo).body, "Approved");
  EXPECT_EQ(call("/rollback/check", podinfo).status, 403);
  EXPECT_EQ(call("/gate/check", R"({"name":"podinfo","namespace":"prod"})").status, 403);
  EXPECT_EQ(call("/gate/close", podinfo).status, 202);
  EXPECT_EQ(call("/gate/check", podinfo).status, 403);
  EXPECT_EQ(call("/rollback/open", podinfo).status, 202);
  EXPECT_EQ(call("/rollback/check", podinfo).status, 200);
  EXPECT_THAT(lines_,
              ElementsAre("podinfo.test gate opened", "podinfo.test gate check: approved true",
                          "rollback.podinfo.test rollback check: approved false",
                          "podinfo.prod gate check: approved false", "podinfo.test gate closed",
                          "podinfo.test gate check: approved false", "rollback.podinfo.test rollback opened",
                          "rollback.podinfo.test rollback check: approved true"));
}

TEST_F(TesterTest, TasksThatAreRefused) {
  struct {
    const char* metadata;
    const char* text;
  } cases[] = {
      {R"({"type":"cmd"})", "cmd not found in metadata"},
      {R"({"logCmdOutput":"true"})", "cmd not found in metadata"},
      {R"({"type":"k6"})",
       "unknown task type k6; there are cmd, bash, helm, helmv3, kubectl, concord, ngrinder"},
      {R"({"type":"ngrinder"})", "server, clone, username and passwd are required metadata"},
      {R"({"cmd":"curl x\u0000; rm"})", "metadata.cmd holds a NUL character"},
  };
  for (const auto& c : cases) {
    const http::Response response = post_task(c.metadata);
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body, c.text);
  }
  EXPECT_TRUE(runner_.started.empty());
}

TEST_F(TesterTest, WaitingTasksAnswerWithTheirEnd) {
  runner_.result = {.output = "out\n"};
  EXPECT_EQ(post_task(R"({"type":"bash","cmd":"echo out"})").body, "");
  EXPECT_EQ(post_task(R"({"type":"bash","cmd":"echo out","returnCmdOutput":"T"})").body, "out\n");
  runner_.result.failure = "exit status 7";
  const http::Response failed = post_task(R"({"type":"bash","cmd":"echo out; exit 7"})");
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(failed.body, "command echo out; exit 7 failed: out\n: exit status 7");
  EXPECT_EQ(post_task(R"({"type":"helm","cmd":" test  x"})").status, 500);
  EXPECT_EQ(post_task(R"({"type":"kubectl","cmd":"get pods"})").status, 500);
  EXPECT_EQ(runner_.started.at(2), (std::vector<std::string>{"bash", "-c", "echo out; exit 7"}));
  EXPECT_EQ(runner_.started.at(3), (std::vector<std::string>{"helm", "test", "x"}));
  EXPECT_EQ(runner_.started.at(4), (std::vector<std::string>{"kubectl", "get", "pods"}));
  EXPECT_EQ(lines_.at(0), "bash command echo out");
  EXPECT_EQ(lines_.at(1), "out\n");
  EXPECT_EQ(lines_.at(2), "command finished echo out");
  EXPECT_THAT(metrics(), HasSubstr("loadtester_tasks_total{type=\"bash\",result=\"success\"} 2\n"));
  EXPECT_THAT(metrics(), HasSubstr("loadtester_tasks_total{type=\"bash\",result=\"failure\"} 1\n"));
}

TEST_F(TesterTest, AWaitingTaskEndsWithItsCaller) {
  runner_.hangs = true;
  caller_leaves_ = true;
  post_task(R"({"type":"bash","cmd":"sleep 1000"})");
  EXPECT_EQ(lines_.back(), "command ended, its caller has gone: sleep 1000");
  EXPECT_THAT(metrics(), HasSubstr("loadtester_tasks_running 0\n"));
}

TEST_F(TesterTest, ABackgroundTaskRunsOnceAKey) {
  runner_.hangs = true;
  const std::string load = R"({"cmd":"hey -z 2m http://podinfo-canary.test:9898/"})";
  EXPECT_EQ(post_task(load).status, 202);
  EXPECT_EQ(post_task(load).status, 202);
  EXPECT_EQ(post_task(R"({"cmd":"hey -z 2m http://podinfo-canary.test:9898/","logCmdOutput":"1"})").status,
            202);
  EXPECT_EQ(post_task(R"({"type":"cmd","cmd":"another"})").status, 202);
  EXPECT_THAT(runner_.started,
              ElementsAre(ElementsAre("sh", "-c", "hey -z 2m http://podinfo-canary.test:9898/"),
                          ElementsAre("sh", "-c", "another")));
  EXPECT_EQ(lines_.at(0), "task starting hey -z 2m http://podinfo-canary.test:9898/");
  EXPECT_EQ(lines_.at(1), "command skipped hey -z 2m http://podinfo-canary.test:9898/ is already running");
  EXPECT_THAT(metrics(), HasSubstr("loadtester_tasks_running 2\n"));
}

TEST_F(TesterTest, ABackgroundTaskMayRunAgainAfterItsEnd) {
  runner_.result = {.output = "no answer\n", .failure = "exit status 3"};
  post_task(R"({"cmd":"hey"})");
  post_task(R"({"cmd":"hey"})");
  EXPECT_EQ(runner_.started.size(), 2u);
  EXPECT_EQ(lines_.at(1), "command failed hey exit status 3 no answer\n");
}

TEST_F(TesterTest, RulesNarrowWhoMayDoWhat) {
  make({.namespace_regexp = "^te", .token = "s3cret", .allowed_commands = {"curl .*", "helm test .*"}});
  const http::Headers bearer{{"Authorization", "Bearer s3cret"}};
  EXPECT_EQ(call("/gate/open", podinfo).status, 401);
  EXPECT_EQ(call("/gate/open", podinfo, {{"Authorization", "Bearer s3cres"}}).status, 401);
  EXPECT_EQ(call("/gate/open", podinfo, {{"Authorization", "Basic !"}}).status, 401);
  EXPECT_EQ(call("/gate/open", podinfo, bearer).status, 202);
  EXPECT_EQ(call("/gate/open", podinfo, {{"Authorization", "Basic dXNlcjpzM2NyZXQ="}}).status, 202);
  EXPECT_EQ(call("/healthz").status, 200);
  EXPECT_EQ(call("/gate/open", R"({"namespace":"prod"})", bearer).status, 403);
  const auto bash = [&](const char* command) {
    return call("/",
                std::string(R"({"namespace":"test","metadata":{"type":"bash","cmd":")") + command + "\"}}",
                bearer);
  };
  EXPECT_EQ(bash("curl http://podinfo.test").status, 200);
  EXPECT_EQ(bash("rm -rf / && curl x").body, "command not allowed: rm -rf / && curl x");
}

TEST_F(TesterTest, MetricsTellOfTasksGatesAndTheProcess) {
  runner_.result = {.output = "", .dropped = 12, .failure = ""};
  post_task(R"({"type":"bash","cmd":"x"})");
  call("/gate/open", podinfo);
  const std::string text = metrics();
  for (const char* line : {
           "# TYPE loadtester_task_duration_seconds histogram\n",
           "loadtester_task_duration_seconds_bucket{type=\"bash\",le=\"0.1\"} 1\n",
           "loadtester_task_duration_seconds_bucket{type=\"bash\",le=\"+Inf\"} 1\n",
           "loadtester_task_duration_seconds_count{type=\"bash\"} 1\n",
           "loadtester_output_dropped_bytes_total 12\n",
           "loadtester_gates_open 1\n",
           "process_resident_memory_bytes ",
           "process_cpu_seconds_total ",
           "process_open_fds ",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(TesterTest, NothingNewWhileShuttingDown) {
  tester_->begin_shutdown();
  EXPECT_EQ(call("/gate/approve").status, 503);
}

TEST(Options, AreReadAsGoReadsThem) {
  const auto options = parse_options({"-port=8080", "--log-level", "info", "-timeout", "30m",
                                      "-zap-replace-globals", "-namespace-regexp=^test$", "-allow-command",
                                      "a", "-allow-command", "b", "-auth-token=t", "-gate-store=/g",
                                      "-max-tasks=7", "-allow-commands=hey, curl", "--allow-commands", "jq"});
  ASSERT_TRUE(options.has_value()) << options.error().message;
  EXPECT_EQ(options->port, 8080);
  EXPECT_EQ(options->log_level, "info");
  EXPECT_EQ(options->timeout, std::chrono::minutes(30));
  EXPECT_EQ(options->namespace_regexp, "^test$");
  EXPECT_THAT(options->allowed_commands, ElementsAre("a", "b"));
  EXPECT_THAT(options->allowed_programs, ElementsAre("hey", "curl", "jq"));
  EXPECT_EQ(options->auth_token, "t");
  EXPECT_EQ(options->gate_store, "/g");
  EXPECT_EQ(options->tasks_max, 7u);
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{"-bogus"}, "flag provided but not defined: -bogus"},
      {{"-port"}, "flag needs an argument: -port"},
      {{"-port", "70000"}, "invalid value \"70000\" for flag -port: not a port (0 to 65535)"},
      {{"-timeout=5"}, "invalid value \"5\" for flag -timeout: parse error"},
      {{"-max-tasks=0"}, "invalid value \"0\" for flag -max-tasks: not a number above 0"},
      {{"-allow-commands= ,"}, "invalid value \" ,\" for flag -allow-commands: names no command"},
      {{"-auth-token="}, "invalid value \"\" for flag -auth-token: must not be empty"},
      {{"-namespace-regexp=("}, "invalid value \"(\" for flag -namespace-regexp: missing ): ("},
  };
  for (const auto& [args, text] : wrong) {
    const auto refused = parse_options(args);
    ASSERT_FALSE(refused.has_value()) << text;
    EXPECT_EQ(refused.error().message, text);
  }
}

TEST(CleanPath, AsGosServeMux) {
  EXPECT_EQ(clean_path("/"), "/");
  EXPECT_EQ(clean_path(""), "/");
  EXPECT_EQ(clean_path("/a//b/../c/"), "/a/c/");
  EXPECT_EQ(clean_path("/../.."), "/");
}

}  // namespace
}  // namespace serin::loadtester
