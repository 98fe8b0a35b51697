#include "loadtester/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

namespace serin::loadtester {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

base::Task<void> run_into(ProcessRunner& runner, std::vector<std::string> argv, base::Duration timeout,
                          Finished& into) {
  into = co_await runner.run(std::move(argv), timeout);
}

class ProcessTest : public testing::Test {
 protected:
  Finished run(std::vector<std::string> argv, base::Duration timeout = std::chrono::seconds(30)) {
    Finished finished;
    asio::co_spawn(io_, run_into(*runner_, std::move(argv), timeout, finished), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
    io_.run();
    io_.restart();
    return finished;
  }
  Finished shell(std::string command, base::Duration timeout = std::chrono::seconds(30)) {
    return run({"bash", "-c", std::move(command)}, timeout);
  }

  asio::io_context io_;
  base::SystemClock clock_;
  std::unique_ptr<ProcessRunner> runner_ =
      make_process_runner(clock_, {.output_max = 1000, .grace = milliseconds(200)});
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
      {"(sleep 0.2; echo late) &", "late\n", ""},           // whoever holds the output is waited for
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

/// A zombie counts as gone: its new parent reaps it some time.
bool lives(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(status, line);
  return !line.empty() && line.find(") Z ") == std::string::npos;
}

TEST_F(ProcessTest, TheWholeGroupEndsAtTheTimeout) {
  const auto file =
      std::filesystem::temp_directory_path() / ("serin-process-test-" + std::to_string(::getpid()));
  // The grandchild ignores the polite signal and holds the output.
  const Finished finished = shell("echo begun; (trap '' TERM; echo $BASHPID > " + file.string() +
                                      "; while :; do sleep 0.05; done) & wait",
                                  milliseconds(500));
  EXPECT_EQ(finished.output, "begun\n");
  EXPECT_EQ(finished.failure, "signal: killed");
  pid_t grandchild = 0;
  std::ifstream(file) >> grandchild;
  std::filesystem::remove(file);
  ASSERT_GT(grandchild, 1);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (lives(grandchild) && std::chrono::steady_clock::now() < deadline) ::usleep(10'000);
  EXPECT_FALSE(lives(grandchild));
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
