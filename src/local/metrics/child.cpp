#include "local/metrics/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace serin::local {

namespace asio = boost::asio;
using base::Errc;
using base::fail;
using base::Result;

namespace {

/// A process known by its pidfd, which becomes readable when it ends: nobody else's children are reaped, and
/// a number that was given away again is never signalled.
class Process final : public Child {
 public:
  Process(pid_t pid, int pidfd, const base::Executor& executor) : pid_(pid), pidfd_(executor, pidfd) {}

  ~Process() override {
    if (reaped_) return;
    ::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), SIGKILL, nullptr, 0);
    ::waitpid(pid_, nullptr, 0);
  }

  base::Task<std::string> ended() override {
    while (!reaped_) {
      const auto [error] = co_await pidfd_.async_wait(asio::posix::stream_descriptor::wait_read,
                                                      asio::as_tuple(asio::use_awaitable));
      int status = 0;
      if (!error && ::waitpid(pid_, &status, WNOHANG) == pid_) {
        reaped_ = true;
        how_ = WIFSIGNALED(status) ? fmt::format("killed by signal {}", WTERMSIG(status))
                                   : fmt::format("exited with {}", WEXITSTATUS(status));
      }
    }
    co_return how_;
  }

  void terminate() override {
    if (!reaped_) ::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), SIGTERM, nullptr, 0);
  }

 private:
  pid_t pid_;
  asio::posix::stream_descriptor pidfd_;
  bool reaped_ = false;
  std::string how_;
};

/// After fork, before exec: only what is safe between the two.
[[noreturn]] void become(char* const* arguments, int log, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before we could ask
  ::setpgid(0, 0);                          // the terminal's Ctrl-C is our parent's to act on
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, 0);
  ::dup2(log, 1);
  ::dup2(log, 2);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::close_range(3, ~0U, 0);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

class SystemSpawner final : public Spawner {
 public:
  explicit SystemSpawner(base::Executor executor) : executor_(std::move(executor)) {}

  Result<std::unique_ptr<Child>> spawn(std::vector<std::string> command,
                                       std::filesystem::path log_file) override {
    if (::access(command.at(0).c_str(), X_OK) != 0) {
      return fail(Errc::not_found, fmt::format("cannot run {}: {}", command[0], std::strerror(errno)));
    }
    const int log = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0) {
      return fail(Errc::invalid, fmt::format("cannot write {}: {}", log_file.string(), std::strerror(errno)));
    }
    std::vector<char*> arguments;
    for (std::string& each : command) arguments.push_back(each.data());
    arguments.push_back(nullptr);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) become(arguments.data(), log, parent);
    const int error = errno;
    ::close(log);
    if (pid < 0) {
      return fail(Errc::unavailable, fmt::format("cannot start {}: {}", command[0], std::strerror(error)));
    }
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      return fail(Errc::unavailable, fmt::format("cannot watch {}: {}", command[0], std::strerror(error)));
    }
    return std::make_unique<Process>(pid, pidfd, executor_);
  }

 private:
  base::Executor executor_;
};

}  // namespace

std::unique_ptr<Spawner> make_spawner(base::Executor executor) {
  return std::make_unique<SystemSpawner>(std::move(executor));
}

}  // namespace serin::local
