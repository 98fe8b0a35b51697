#include "loadtester/process.h"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cctype>
#include <cerrno>

#include "loadtester/guard.h"

namespace serin::loadtester {
namespace {

namespace asio = boost::asio;
using asio::posix::stream_descriptor;

/// "killed", "segmentation fault": Go's names of signals are the C library's in lower case.
std::string signal_text(int signal) {
  const char* description = sigdescr_np(signal);
  std::string text = description ? description : fmt::format("signal {}", signal);
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string failure_of(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "signal: " + signal_text(WTERMSIG(wait_status));
  if (WEXITSTATUS(wait_status) != 0) return fmt::format("exit status {}", WEXITSTATUS(wait_status));
  return {};
}

std::string start_failure(const std::string& program, int error) {
  if (error == ENOENT) return fmt::format("exec: \"{}\": executable file not found in $PATH", program);
  return fmt::format("exec: \"{}\": {}", program, strerrordesc_np(error));
}

/// A started command: its output and report, and the guard until it is reaped.
class Command {
 public:
  Command(base::Executor executor, GuardedCommand started, std::string program, std::size_t output_max)
      : guard_(started.guard),
        guard_end_(executor, started.end),
        output_(executor, started.output),
        report_(executor, started.report),
        program_(std::move(program)),
        output_max_(output_max) {}
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  ~Command() {
    end_all();
    reap();
  }

  /// Collects output until nobody holds its pipe, then waits for the command's end. May be cancelled and
  /// called again.
  base::Task<void> collect() {
    std::array<char, 8192> buffer;
    while (output_.is_open()) {
      const std::size_t count = co_await read_or_close(output_, asio::buffer(buffer));
      keep(std::string_view(buffer.data(), count));
    }
    if (!report_.is_open()) co_return;
    GuardReport report;
    // One write of the guard; it dies without only if somebody kills it, and what it guards with it.
    const std::size_t count = co_await read_or_close(report_, asio::buffer(&report, sizeof(report)));
    report_.close();
    if (count != sizeof(report)) {
      finished_.failure = "signal: killed";
    } else {
      finished_.failure = report.kind == GuardReport::ended ? failure_of(report.value)
                                                            : start_failure(program_, report.value);
    }
  }
  Finished take() { return std::move(finished_); }

  /// Returns when nothing of the command is left.
  base::Task<void> gone() {
    co_await guard_end_.async_wait(stream_descriptor::wait_read, asio::use_awaitable);
  }
  /// Lets the guard end everything.
  void end_all() const {
    if (guard_ > 0) ::kill(guard_, SIGTERM);
  }
  void kill_guard() const { ::kill(guard_, SIGKILL); }
  void reap() {
    if (guard_ <= 0) return;
    while (::waitpid(guard_, nullptr, 0) < 0 && errno == EINTR) {
    }
    guard_ = 0;
  }

 private:
  /// Reads what there is; at the end the descriptor is closed and the count 0.
  static base::Task<std::size_t> read_or_close(stream_descriptor& from, asio::mutable_buffer into) {
    boost::system::error_code error;
    const std::size_t count =
        co_await from.async_read_some(into, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
    if (error) from.close();
    co_return count;
  }
  void keep(std::string_view piece) {
    const std::size_t kept = std::min(piece.size(), output_max_ - finished_.output.size());
    finished_.output += piece.substr(0, kept);
    finished_.dropped += piece.size() - kept;
  }

  pid_t guard_;
  stream_descriptor guard_end_, output_, report_;
  std::string program_;
  std::size_t output_max_;
  Finished finished_;
};

class PosixProcessRunner final : public ProcessRunner {
 public:
  PosixProcessRunner(base::Executor executor, base::Clock& clock, std::vector<std::string> environment,
                     ProcessLimits limits)
      : clock_(clock), environment_(std::move(environment)), limits_(limits), watches_(executor) {}

  base::Task<Finished> run(std::vector<std::string> argv, base::Duration timeout) override {
    const auto grace = std::chrono::duration_cast<std::chrono::milliseconds>(limits_.grace);
    const base::Result<GuardedCommand> started = start_guarded(argv, environment_, grace);
    if (!started) co_return Finished{.failure = started.error().message};
    const auto command =
        std::make_shared<Command>(watches_.executor(), *started, argv[0], limits_.output_max);
    const base::MonoTime deadline = clock_.now() + timeout;
    watches_.spawn(watch(command, deadline));
    bool in_time = false, cancelled = false;
    try {
      in_time = co_await base::run_until(clock_, deadline, command->collect());
    } catch (const boost::system::system_error&) {
      cancelled = true;
    }
    if (!in_time) co_await end(command);
    if (cancelled) throw boost::system::system_error(asio::error::operation_aborted);
    Finished finished = command->take();
    if (!in_time) finished.failure = "signal: killed";
    co_return finished;
  }

  base::Task<void> stop() override {
    watches_.cancel();
    co_await watches_.join();
  }

 private:
  /// How long a guard may take to end what it guards.
  [[nodiscard]] base::Duration end_max() const { return 2 * limits_.grace + std::chrono::seconds(1); }

  /// Ends the command and collects its last words.
  base::Task<void> end(std::shared_ptr<Command> command) {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    command->end_all();
    co_await base::run_until(clock_, clock_.now() + end_max(), command->collect());
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
  }

  /// Holds the guard until nothing is left of its command, which is at the deadline at the latest.
  base::Task<void> watch(std::shared_ptr<Command> command, base::MonoTime deadline) {
    bool gone = false;
    try {
      gone = co_await base::run_until(clock_, deadline, command->gone());
    } catch (const boost::system::system_error&) {
      // The runner stops.
    }
    if (!gone) {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      command->end_all();
      gone = co_await base::run_until(clock_, clock_.now() + end_max(), command->gone());
      if (!gone) command->kill_guard();
    }
    command->reap();
  }

  base::Clock& clock_;
  std::vector<std::string> environment_;
  ProcessLimits limits_;
  base::TaskGroup watches_;
};

}  // namespace

std::unique_ptr<ProcessRunner> make_process_runner(base::Executor executor, base::Clock& clock,
                                                   std::vector<std::string> environment,
                                                   ProcessLimits limits) {
  return std::make_unique<PosixProcessRunner>(std::move(executor), clock, std::move(environment), limits);
}

}  // namespace serin::loadtester
