#include "local/node/launch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace serin::local {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

Json texts(const std::vector<std::string>& values) {
  Json list = Json::array();
  for (const std::string& value : values) list.push_back(value);
  return list;
}

std::vector<std::string> read_texts(const Json& list) {
  std::vector<std::string> values;
  for (const Json& value : list.items()) values.push_back(value.str());
  return values;
}

Result<void> join_mounts_of(pid_t process) {
  const Fd mounts(::open(fmt::format("/proc/{}/ns/mnt", process).c_str(), O_RDONLY | O_CLOEXEC));
  // Another thread that shares our root directory (a sanitizer's own, say) would forbid it: setns(2).
  if (!mounts || ::unshare(CLONE_FS) != 0 || ::setns(mounts.get(), CLONE_NEWNS) != 0) {
    return fail_errno("cannot enter the container");
  }
  return {};
}

Result<void> set_mounts(const Program& program) {
  if (program.beside != 0) return join_mounts_of(program.beside);
  if (program.mounts.empty()) return {};
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno("cannot make a mount namespace");
  const Result<void> made_private = make_mounts_private();
  return made_private ? apply_mounts(program.mounts) : made_private;
}

/// Moves the descriptors to 0, 1, 2, ... and closes all others but `keep`, whose new number is returned.
int place_descriptors(const std::vector<Fd>& fds, int keep) {
  const int count = static_cast<int>(fds.size());
  std::vector<int> high;  // out of the way of the numbers to be taken
  for (const Fd& fd : fds) high.push_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 100));
  keep = ::fcntl(keep, F_DUPFD_CLOEXEC, 100);
  for (int i = 0; i < count; ++i) ::dup2(high[static_cast<std::size_t>(i)], i);
  const int kept = count;
  ::dup3(keep, kept, O_CLOEXEC);
  ::syscall(SYS_close_range, kept + 1, ~0u, 0);
  return kept;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

/// In the child: everything up to exec; returns only if a step fails.
Result<void> become(const Program& program, const std::vector<Fd>& fds, int& errors) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (const Result<void> mounted = set_mounts(program); !mounted) return mounted;
  errors = place_descriptors(fds, errors);
  if (program.terminal && ::ioctl(0, TIOCSCTTY, 0) != 0) return fail_errno("cannot take the terminal");
  if (::chdir(program.cwd.c_str()) != 0) return fail_errno("working directory " + program.cwd);
  std::vector<char*> env = pointers(program.env);
  environ = env.data();  // execvp looks argv[0] up in this one's PATH
  ::execvp(program.argv[0].c_str(), pointers(program.argv).data());
  return fail_errno("exec " + program.argv[0]);
}

/// What the child wrote before it gave up; empty once exec has closed its end.
std::string read_all(int fd) {
  std::string text;
  char buffer[512];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

}  // namespace

Json Program::to_json() const {
  Json mount_list = Json::array();
  for (const BindMount& mount : mounts) {
    mount_list.push_back(
        Json::object({{"source", mount.source}, {"target", mount.target}, {"readOnly", mount.read_only}}));
  }
  return Json::object({{"argv", texts(argv)},
                       {"env", texts(env)},
                       {"cwd", cwd},
                       {"terminal", terminal},
                       {"mounts", std::move(mount_list)},
                       {"beside", beside}});
}

Program Program::from_json(const Json& json) {
  Program program;
  program.argv = read_texts(json["argv"]);
  program.env = read_texts(json["env"]);
  program.cwd = json["cwd"].str_or("/");
  program.terminal = json["terminal"].bool_or(false);
  program.beside = static_cast<pid_t>(json["beside"].int_or(0));
  for (const Json& mount : json["mounts"].items()) {
    program.mounts.push_back(
        {mount["source"].str(), mount["target"].str(), mount["readOnly"].bool_or(false)});
  }
  return program;
}

Result<pid_t> launch(const Program& program, std::vector<Fd> fds) {
  if (program.argv.empty()) return fail(Errc::invalid, "no command was given");
  Result<FdPair> errors = make_pipe();
  if (!errors) return fail(errors.error());
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("cannot fork");
  if (pid == 0) {
    int report = errors->second.get();
    const Result<void> failed = become(program, fds, report);
    const std::string text(1, static_cast<char>(failed.error().code));
    const std::string message = text + failed.error().message;
    [[maybe_unused]] const ssize_t n = ::write(report, message.data(), message.size());
    ::_exit(127);
  }
  errors->second.reset();
  const std::string message = read_all(errors->first.get());
  if (message.empty()) return pid;
  ::waitpid(pid, nullptr, 0);
  return fail(static_cast<Errc>(message[0]), message.substr(1));
}

}  // namespace serin::local
