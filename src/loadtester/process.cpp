#include "loadtester/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
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

extern char** environ;

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

/// Readable once the process has ended. (The C library's header for it is not usable from C++ everywhere.)
int open_pidfd(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

/// Whether the command has ended; it stays a zombie, so that its id can't become someone else's.
bool has_ended(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
}

/// posix_spawn's settings: a session (so a group) of its own, default signals, no descriptor but 0 to 2.
class SpawnSettings {
 public:
  explicit SpawnSettings(int output) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

/// Starts the command with `output` as stdout and stderr. Returns its id, or the negative error number.
pid_t spawn(const std::vector<std::string>& argv, int output) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const SpawnSettings settings(output);
  pid_t pid = 0;
  const int error =
      posix_spawnp(&pid, words[0], &settings.actions, &settings.attributes, words.data(), environ);
  return error == 0 ? pid : -error;
}

std::string start_failure(const std::string& program, int error) {
  if (error == ENOENT) return fmt::format("exec: \"{}\": executable file not found in $PATH", program);
  return fmt::format("exec: \"{}\": {}", program, strerrordesc_np(error));
}

/// A started command until it is reaped.
class Child {
 public:
  Child(base::Executor executor, pid_t pid, int output, std::size_t output_max)
      : pid_(pid), output_(executor, output), end_(executor, open_pidfd(pid)), output_max_(output_max) {}

  /// Collects output until nobody holds its pipe, then waits for the command's end. May be cancelled and
  /// called again.
  base::Task<void> collect() {
    std::array<char, 8192> buffer;
    while (output_.is_open()) {
      boost::system::error_code error;
      const std::size_t count = co_await output_.async_read_some(
          asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
      if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
      if (error) output_.close();
      keep(std::string_view(buffer.data(), count));
    }
    while (!has_ended(pid_)) co_await end_.async_wait(stream_descriptor::wait_read, asio::use_awaitable);
  }

  /// Reaches the whole group; the zombie of its leader keeps the group's id ours until reap().
  void signal_group(int signal) const { ::kill(-pid_, signal); }

  Finished reap() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    finished_.failure = failure_of(status);
    return std::move(finished_);
  }

 private:
  void keep(std::string_view piece) {
    const std::size_t kept = std::min(piece.size(), output_max_ - finished_.output.size());
    finished_.output += piece.substr(0, kept);
    finished_.dropped += piece.size() - kept;
  }

  pid_t pid_;
  stream_descriptor output_, end_;
  std::size_t output_max_;
  Finished finished_;
};

class PosixProcessRunner final : public ProcessRunner {
 public:
  PosixProcessRunner(base::Clock& clock, ProcessLimits limits) : clock_(clock), limits_(limits) {}

  base::Task<Finished> run(std::vector<std::string> argv, base::Duration timeout) override {
    const base::Executor executor = co_await asio::this_coro::executor;
    std::array<int, 2> ends;
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) co_return Finished{.failure = strerrordesc_np(errno)};
    const pid_t pid = spawn(argv, ends[1]);
    ::close(ends[1]);
    if (pid < 0) {
      ::close(ends[0]);
      co_return Finished{.failure = start_failure(argv[0], -pid)};
    }
    Child child(executor, pid, ends[0], limits_.output_max);
    bool in_time = false, cancelled = false;
    try {
      in_time = co_await base::run_until(clock_, clock_.now() + timeout, child.collect());
    } catch (const boost::system::system_error&) {
      cancelled = true;
    }
    if (!in_time) co_await end_group(child);
    Finished finished = child.reap();
    if (cancelled) throw boost::system::system_error(asio::error::operation_aborted);
    if (!in_time) finished.failure = "signal: killed";
    co_return finished;
  }

 private:
  /// Ends the group, whoever of it still lives: first politely, then surely.
  base::Task<void> end_group(Child& child) {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    child.signal_group(SIGTERM);
    const bool ended = co_await base::run_until(clock_, clock_.now() + limits_.grace, child.collect());
    child.signal_group(SIGKILL);
    // A process that left the group may hold the output for ever: it is not waited for.
    if (!ended) co_await base::run_until(clock_, clock_.now() + limits_.grace, child.collect());
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
  }

  base::Clock& clock_;
  ProcessLimits limits_;
};

}  // namespace

std::unique_ptr<ProcessRunner> make_process_runner(base::Clock& clock, ProcessLimits limits) {
  return std::make_unique<PosixProcessRunner>(clock, limits);
}

}  // namespace serin::loadtester
