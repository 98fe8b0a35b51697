#include "loadtester/guard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace serin::loadtester {
namespace {

using base::Errc;
using base::fail;
using base::Result;

// Everything between fork and exec, and all of the guard, does system calls only: other threads of the parent
// may have held any lock, that of malloc included.

constexpr std::int64_t kill_again_ms = 20;
/// The number that the report's write end has in the guard and the command.
constexpr int report_fd = 3;

struct Plan {
  char* const* argv;
  char** environment;
  int null, output, report;
  std::int64_t grace_ms;
};

std::int64_t now_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
}

void tell(GuardReport::Kind kind, int value) {
  const GuardReport report{kind, value};
  [[maybe_unused]] const ssize_t written = ::write(report_fd, &report, sizeof(report));
}

/// Makes these 0, 1, 2 and report_fd, and closes all others.
void place_descriptors(int in, int out, int report) {
  std::array<int, 3> high = {in, out, report};
  for (int& fd : high) fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 100);  // out of the way of the numbers to be taken
  ::dup2(high[0], STDIN_FILENO);
  ::dup2(high[1], STDOUT_FILENO);
  ::dup2(high[1], STDERR_FILENO);
  ::dup3(high[2], report_fd, O_CLOEXEC);
  ::syscall(SYS_close_range, report_fd + 1, ~0u, 0);
}

[[noreturn]] void become_command(const Plan& plan) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  place_descriptors(plan.null, plan.output, plan.report);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  environ = plan.environment;  // execvp looks argv[0] up in this one's PATH
  ::execvp(plan.argv[0], plan.argv);
  tell(GuardReport::not_started, errno);
  ::_exit(127);
}

/// Signals the guard's own children, also those that it inherited from processes that ended (proc(5)).
void signal_children(int signal) {
  static std::array<char, 1 << 16> buffer;  // no stack of ours is that large for sure
  const int fd = ::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  const ssize_t size = fd < 0 ? 0 : ::read(fd, buffer.data(), buffer.size());
  if (fd >= 0) ::close(fd);
  pid_t child = 0;
  for (ssize_t i = 0; i < size; ++i) {
    const char c = buffer[static_cast<std::size_t>(i)];
    if (c >= '0' && c <= '9') {
      child = child * 10 + (c - '0');
    } else {
      if (child > 1) ::kill(child, signal);
      child = 0;
    }
  }
}

/// What the guard knows while it runs.
struct Watch {
  pid_t command = 0;
  bool command_reaped = false;
  bool ending = false;
  std::int64_t kill_at_ms = 0;

  /// Reaps what has ended. False when nobody is left.
  bool reap() {
    for (;;) {
      int status = 0;
      const pid_t ended = ::waitpid(-1, &status, WNOHANG);
      if (ended < 0) return errno == EINTR;
      if (ended == 0) return true;
      if (ended != command) continue;
      command_reaped = true;
      tell(GuardReport::ended, status);
    }
  }
  /// The command's group has its id for as long as the command is not reaped.
  void signal_all(int signal) const {
    if (!command_reaped) ::kill(-command, signal);
    signal_children(signal);
  }
};

/// Until nobody is left. The children of those that are killed become the guard's own, so that it is enough
/// to kill one's own children again and again.
void watch_over(Watch& watch, std::int64_t grace_ms, const sigset_t& awaited) {
  while (watch.reap()) {
    const std::int64_t now = now_ms();
    if (watch.ending && now >= watch.kill_at_ms) {
      watch.signal_all(SIGKILL);
      watch.kill_at_ms = now + kill_again_ms;
    }
    const std::int64_t wait_ms = watch.kill_at_ms - now;
    const timespec timeout{.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1'000'000};
    const int signal = ::sigtimedwait(&awaited, nullptr, watch.ending ? &timeout : nullptr);
    if (signal != SIGTERM || watch.ending) continue;
    watch.ending = true;
    watch.kill_at_ms = now_ms() + grace_ms;
    watch.signal_all(SIGTERM);
  }
}

[[noreturn]] void be_guard(const Plan& plan, pid_t parent) {
  ::setpgid(0, 0);  // the terminal's Ctrl-C is our parent's to act on
  ::prctl(PR_SET_NAME, "serin-guard");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);  // it died before we could ask
  ::signal(SIGCHLD, SIG_DFL);
  Watch watch{.command = ::fork()};
  const int error = errno;
  if (watch.command == 0) become_command(plan);
  place_descriptors(plan.null, plan.null, plan.report);
  if (watch.command < 0) {
    tell(GuardReport::not_started, error);
    ::_exit(1);
  }
  sigset_t awaited;  // both are blocked, as everything is
  ::sigemptyset(&awaited);
  ::sigaddset(&awaited, SIGTERM);
  ::sigaddset(&awaited, SIGCHLD);
  watch_over(watch, plan.grace_ms, awaited);
  ::_exit(0);
}

/// Both ends of a pipe, closed unless they are taken.
struct Pipe {
  Pipe() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) ends = {-1, -1};
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    for (const int end : ends) {
      if (end >= 0) ::close(end);
    }
  }
  int take_reader() { return std::exchange(ends[0], -1); }

  std::array<int, 2> ends{};
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

/// Forks with every signal blocked: the parent's handlers must not run in the child, which shares the
/// parent's pipes.
pid_t fork_blocked() {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  const int error = errno;
  if (pid != 0) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

}  // namespace

Result<GuardedCommand> start_guarded(const std::vector<std::string>& argv,
                                     const std::vector<std::string>& environment,
                                     std::chrono::milliseconds grace) {
  Pipe output, report;
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (output.ends[0] < 0 || report.ends[0] < 0 || null < 0) {
    if (null >= 0) ::close(null);
    return fail(Errc::unavailable, fmt::format("no more descriptors: {}", strerrordesc_np(errno)));
  }
  const std::vector<char*> words = pointers(argv);
  std::vector<char*> variables = pointers(environment);
  const Plan plan{.argv = words.data(),
                  .environment = variables.data(),
                  .null = null,
                  .output = output.ends[1],
                  .report = report.ends[1],
                  .grace_ms = grace.count()};
  const pid_t parent = ::getpid();
  const pid_t guard = fork_blocked();
  if (guard == 0) be_guard(plan, parent);
  const int error = errno;
  ::close(null);
  if (guard < 0) return fail(Errc::unavailable, fmt::format("no more processes: {}", strerrordesc_np(error)));
  // The system call itself: the C library's header for it is not usable from C++ everywhere.
  const int end = static_cast<int>(::syscall(SYS_pidfd_open, guard, 0));
  if (end < 0) {
    const std::string_view why = strerrordesc_np(errno);
    ::kill(guard, SIGKILL);
    ::waitpid(guard, nullptr, 0);
    return fail(Errc::unavailable, fmt::format("no more descriptors: {}", why));
  }
  return GuardedCommand{guard, end, output.take_reader(), report.take_reader()};
}

}  // namespace serin::loadtester
