#include "loadtester/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "loadtester/processes_for_tests.h"

extern char** environ;

namespace serin::loadtester {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

base::Task<void> run_into(ProcessRunner& runner, std::vector<std::string> argv, base::Duration timeout,
                          Finished& into) {
  into = co_await runner.run(std::move(argv), timeout);
}

base::Task<void> stop(ProcessRunner& runner) {
  co_await runner.stop();
}

std::vector<std::string> own_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  variables.emplace_back("SERIN_TEST_VARIABLE=given");
  return variables;
}

/// Where commands of a test write the ids of their processes.
class PidFile {
 public:
  PidFile() { std::filesystem::remove(path_); }
  ~PidFile() { std::filesystem::remove(path_); }
  [[nodiscard]] std::string text() const { return path_.string(); }
  /// Every id that is in there, once there are that many.
  [[nodiscard]] std::vector<pid_t> wait_for(std::size_t count) const {
    std::vector<pid_t> pids;
    becomes_true([&] {
      pids.clear();
      std::ifstream file(path_);
      for (pid_t pid = 0; file >> pid;) pids.push_back(pid);
      return pids.size() >= count;
    });
    return pids;
  }

 private:
  std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                ("serin-process-test-" + std::to_string(::getpid()) + "-" +
                                 testing::UnitTest::GetInstance()->current_test_info()->name());
};

class ProcessTest : public testing::Test {
 protected:
  void TearDown() override { stop_runner(); }
  void stop_runner() {
    asio::co_spawn(io_, stop(*runner_), [](std::exception_ptr) {});
    io_.restart();
    io_.run();
  }
  Finished run(std::vector<std::string> argv, base::Duration timeout = std::chrono::seconds(30)) {
    Finished finished;
    bool ended = false;
    asio::co_spawn(io_, run_into(*runner_, std::move(argv), timeout, finished),
                   [&ended](std::exception_ptr error) {
                     ended = true;
                     if (error) std::rethrow_exception(error);
                   });
    io_.restart();
    while (!ended) io_.run_one();
    return finished;
  }
  Finished shell(std::string command, base::Duration timeout = std::chrono::seconds(30)) {
    return run({"bash", "-c", std::move(command)}, timeout);
  }

  asio::io_context io_;
  base::SystemClock clock_;
  std::unique_ptr<ProcessRunner> runner_ = make_process_runner(
      io_.get_executor(), clock_, own_environment(), {.output_max = 1000, .grace = milliseconds(200)});
};

TEST_F(ProcessTest, OutputAndExitAreTold) {
  struct {
    const char* command;
    const char* output;
    const char* failure;
  } cases[] = {
      {"true", "", ""},
      {"echo out; echo err >&2; echo more", "out\nerr\nmore\n", ""},
      {"echo out; exit 7", "out\n", "exit status 7"},
      {"kill -KILL $$", "", "signal: killed"},
      {"kill -SEGV $$", "", "signal: segmentation fault"},
      {"cat; echo end of stdin", "end of stdin\n", ""},
      {"(sleep 0.2; echo late) &", "late\n", ""},  // whoever holds the output is waited for
      {"echo $SERIN_TEST_VARIABLE", "given\n", ""},
      {"ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 ", ""},  // 3 is the folder that ls reads
  };
  for (const auto& c : cases) {
    const Finished finished = shell(c.command);
    EXPECT_EQ(finished.output, c.output) << c.command;
    EXPECT_EQ(finished.failure, c.failure) << c.command;
  }
}

TEST_F(ProcessTest, AMissingProgramHasGosText) {
  EXPECT_EQ(run({"no-such-program-here"}).failure,
            "exec: \"no-such-program-here\": executable file not found in $PATH");
}

TEST_F(ProcessTest, OutputBeyondTheCapIsCounted) {
  const Finished finished = shell("head -c 5000 /dev/zero | tr '\\0' x");
  EXPECT_EQ(finished.output, std::string(1000, 'x'));
  EXPECT_EQ(finished.dropped, 4000u);
}

TEST_F(ProcessTest, TheWholeGroupEndsAtTheTimeout) {
  const PidFile file;
  // The grandchild ignores the polite signal and holds the output.
  const Finished finished = shell(
      "echo begun; (trap '' TERM; echo $BASHPID > " + file.text() + "; while :; do sleep 0.05; done) & wait",
      milliseconds(500));
  EXPECT_EQ(finished.output, "begun\n");
  EXPECT_EQ(finished.failure, "signal: killed");
  const std::vector<pid_t> pids = file.wait_for(1);
  ASSERT_EQ(pids.size(), 1u);
  EXPECT_TRUE(becomes_true([&] { return !lives(pids[0]); }));
}

TEST_F(ProcessTest, AProcessThatLeftItsSessionEndsWithTheRest) {
  const PidFile file;
  const Finished finished = shell(
      "setsid bash -c 'trap \"\" TERM; echo $$ > " + file.text() + "; while :; do sleep 0.05; done' & wait",
      milliseconds(500));
  EXPECT_EQ(finished.failure, "signal: killed");
  const std::vector<pid_t> pids = file.wait_for(1);
  ASSERT_EQ(pids.size(), 1u);
  EXPECT_TRUE(becomes_true([&] { return !lives(pids[0]); }));
}

TEST_F(ProcessTest, WhatACommandLeavesBehindRunsOnUntilTheRunnerStops) {
  const PidFile file;
  const auto begun = std::chrono::steady_clock::now();
  const Finished finished =
      shell("(sleep 1000 & echo $! > " + file.text() + "; wait) > /dev/null 2>&1 & echo started");
  EXPECT_EQ(finished.output, "started\n");
  EXPECT_EQ(finished.failure, "");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(15));
  const std::vector<pid_t> pids = file.wait_for(1);
  ASSERT_EQ(pids.size(), 1u);
  EXPECT_TRUE(lives(pids[0]));
  stop_runner();
  EXPECT_FALSE(lives(pids[0]));
}

TEST_F(ProcessTest, WhatACommandLeavesBehindEndsAtTheDeadline) {
  const PidFile file;
  shell("(sleep 1000 & echo $! > " + file.text() + "; wait) > /dev/null 2>&1 &", milliseconds(1500));
  const std::vector<pid_t> pids = file.wait_for(1);
  ASSERT_EQ(pids.size(), 1u);
  io_.run_for(std::chrono::seconds(20));  // returns when the guard has ended
  EXPECT_FALSE(lives(pids[0]));
}

TEST_F(ProcessTest, NoZombieStays) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(shell("true & true").failure, "");
  stop_runner();
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);  // no child at all
}

/// In a process of its own: a tester that is killed while its command runs.
[[noreturn]] void run_until_killed(const std::string& command) {
  asio::io_context io;
  base::SystemClock clock;
  const auto runner = make_process_runner(io.get_executor(), clock, own_environment(), {});
  Finished finished;
  asio::co_spawn(io, run_into(*runner, {"bash", "-c", command}, std::chrono::hours(1), finished),
                 [](std::exception_ptr) {});
  io.run();
  ::_exit(0);
}

TEST_F(ProcessTest, NothingSurvivesAKilledTester) {
  const PidFile file;
  const pid_t tester = ::fork();
  if (tester == 0) {
    run_until_killed("echo $$ >> " + file.text() + "; sleep 1000 & echo $! >> " + file.text() +
                     "; setsid bash -c 'echo $$ >> " + file.text() + "; sleep 1000' & wait");
  }
  const std::vector<pid_t> pids = file.wait_for(3);
  EXPECT_EQ(pids.size(), 3u);
  ::kill(tester, SIGKILL);
  ::waitpid(tester, nullptr, 0);
  for (const pid_t pid : pids) EXPECT_TRUE(becomes_true([pid] { return !lives(pid); }));
}

base::Task<void> cancel_soon(base::Clock& clock, base::TaskGroup& group) {
  co_await clock.sleep_for(milliseconds(100));
  group.cancel();
}

base::Task<void> join(base::TaskGroup& group) {
  co_await group.join();
}

TEST_F(ProcessTest, CancellationEndsTheCommand) {
  base::TaskGroup group(io_.get_executor());
  Finished finished{.failure = "never told"};
  group.spawn(run_into(*runner_, {"sleep", "1000"}, std::chrono::hours(1), finished));
  group.spawn(cancel_soon(clock_, group));
  asio::co_spawn(io_, join(group), [](std::exception_ptr) {});
  const auto begun = std::chrono::steady_clock::now();
  io_.run();
  EXPECT_EQ(finished.failure, "never told");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
}

}  // namespace
}  // namespace serin::loadtester
