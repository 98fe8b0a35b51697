#include "local/node/supervisor.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "local/node/launch.h"
#include "local/node/proc.h"

namespace serin::local {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

Fd take_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);  // a Ctrl-C at the terminal is the parent's to handle
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

std::int64_t nanoseconds(const timeval& time) {
  return (static_cast<std::int64_t>(time.tv_sec) * 1'000'000 + time.tv_usec) * 1000;
}

Result<Reply> done(int result, std::string_view what) {
  if (result != 0) return fail_errno(what);
  return Reply{};
}

Result<Reply> tcp_socket() {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("cannot make a socket");
  Reply reply;
  reply.fds.push_back(std::move(socket));
  return reply;
}

}  // namespace

Supervisor::Supervisor(Fd channel, Handler handler)
    : channel_(std::move(channel)), signals_(take_signals()), handler_(std::move(handler)) {
  // What its children leave behind becomes its own; the first process of a PID namespace has that anyway.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

Supervisor::~Supervisor() = default;

void Supervisor::run() {
  for (;;) {
    pollfd events[] = {{signals_.get(), POLLIN, 0}, {channel_.get(), POLLIN, 0}};
    if (::poll(events, 2, -1) < 0 && errno != EINTR) break;
    if (events[0].revents != 0) {
      bool asked_to_end = false;
      signalfd_siginfo info{};
      while (::read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
        asked_to_end |= info.ssi_signo == SIGTERM;
      }
      if (asked_to_end) break;
      reap();
    }
    if (events[1].revents != 0) {
      Result<std::optional<Message>> message = receive_message(channel_.get());
      if (!message || !message->has_value()) break;
      serve(std::move(**message));
    }
  }
  end_everything();
}

void Supervisor::serve(Message request) {
  const std::string op = request.body["op"].str();
  Result<Reply> reply = handle(op, request);
  Json body = Json::object({{"id", request.body["id"]}});
  std::vector<int> fds;
  if (reply) {
    body.set("ok") = std::move(reply->body);
    for (const Fd& fd : reply->fds) fds.push_back(fd.get());
  } else {
    body.set("error") = reply.error().message;
    body.set("code") = static_cast<int>(reply.error().code);
  }
  // A peer that has gone shows up as the channel's end.
  static_cast<void>(send_message(channel_.get(), body, fds));
}

Result<Reply> Supervisor::handle(std::string_view op, Message& request) {
  const auto pid = static_cast<pid_t>(request.body["pid"].int_or(0));
  if (op == "start") return start(request);
  if (op == "usage") return usage();
  if (op == "socket") return tcp_socket();
  if (op == "signal" || op == "kill") {
    // A process that is not ours may be one that has ended, and its number somebody else's.
    if (!children_.contains(pid)) return fail(Errc::not_found, "the process has ended");
    if (op == "signal") return done(::kill(pid, static_cast<int>(request.body["signal"].int_or(0))), "kill");
    // Listed before, since orphans have another parent; killed after, or it would see them end.
    const std::vector<pid_t> below = descendants(all_processes(), pid, true);
    const int killed = ::kill(pid, SIGKILL);
    for (const pid_t process : below) ::kill(process, SIGKILL);
    return done(killed, "kill");
  }
  if (handler_) {
    if (std::optional<Result<Reply>> reply = handler_(op, request)) return std::move(*reply);
  }
  return fail(Errc::invalid, "no operation " + std::string(op));
}

Result<Reply> Supervisor::start(Message& request) {
  const Result<pid_t> pid = launch(Program::from_json(request.body["program"]), std::move(request.fds));
  if (!pid) return fail(pid.error());
  children_.insert(*pid);
  return Reply{Json::object({{"pid", *pid}}), {}};
}

Result<Reply> Supervisor::usage() const {
  const auto processes = all_processes();
  std::int64_t cpu_ns = past_cpu_ns_, rss_bytes = 0;
  for (const pid_t pid : descendants(processes, ::getpid(), false)) {
    const ProcessInfo& info = processes.at(pid);
    cpu_ns += info.cpu_ns;
    rss_bytes += info.rss_bytes;
  }
  return Reply{Json::object({{"cpuNs", cpu_ns}, {"rssBytes", rss_bytes}}), {}};
}

void Supervisor::reap() {
  int status = 0;
  rusage used{};
  for (pid_t pid = 0; (pid = ::wait4(-1, &status, WNOHANG, &used)) > 0;) {
    past_cpu_ns_ += nanoseconds(used.ru_utime) + nanoseconds(used.ru_stime);
    if (children_.erase(pid) == 0) continue;
    kill_below(pid);  // what the program has left behind in its session
    Json event = Json::object({{"event", "exit"}, {"pid", pid}});
    if (WIFSIGNALED(status)) {
      event.set("signal") = WTERMSIG(status);
    } else {
      event.set("code") = WEXITSTATUS(status);
    }
    static_cast<void>(send_message(channel_.get(), event));
  }
}

void Supervisor::kill_below(pid_t root) {
  for (const pid_t pid : descendants(all_processes(), root, true)) ::kill(pid, SIGKILL);
}

void Supervisor::end_everything() {
  // Again and again: a process may fork while the list is made. Without children nothing is below.
  for (;;) {
    for (const pid_t pid : descendants(all_processes(), ::getpid(), false)) ::kill(pid, SIGKILL);
    int status = 0;
    while (::waitpid(-1, &status, WNOHANG) > 0) {
    }
    if (::waitpid(-1, &status, WNOHANG) < 0 && errno == ECHILD) return;
    ::poll(nullptr, 0, 1);
  }
}

}  // namespace serin::local
