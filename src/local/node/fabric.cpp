#include "local/node/fabric.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace serin::local {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;

namespace {

/// Starts the agent; it inherits nothing but its socket, its standard streams and the environment.
Result<pid_t> spawn_agent(const FabricOptions& options, int socket) {
  std::vector<std::string> words = options.agent_command;
  words.push_back(std::to_string(socket));
  words.insert(words.end(), options.agent_flags.begin(), options.agent_flags.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  Result<FdPair> errors = make_pipe();
  if (!errors) return fail(errors.error());
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("cannot fork");
  if (pid == 0) {
    ::setsid();                   // a Ctrl-C at the terminal is for the parent alone
    ::fcntl(socket, F_SETFD, 0);  // survives exec
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execvp(argv[0], argv.data());
    const int error_number = errno;
    [[maybe_unused]] const ssize_t n = ::write(errors->second.get(), &error_number, sizeof(error_number));
    ::_exit(127);
  }
  errors->second.reset();
  int error_number = 0;
  if (::read(errors->first.get(), &error_number, sizeof(error_number)) == sizeof(error_number)) {
    ::waitpid(pid, nullptr, 0);
    return fail(errno_error("cannot start the node agent " + words[0], error_number));
  }
  return pid;
}

}  // namespace

Fabric::Fabric(base::Executor executor, pid_t pid, Fd channel)
    : executor_(executor), pid_(pid), host_(std::make_unique<ProcessHost>(executor, std::move(channel))) {}

Fabric::~Fabric() {
  host_.reset();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Task<Result<std::unique_ptr<Fabric>>> Fabric::start(base::Executor executor, FabricOptions options) {
  Result<FdPair> sockets = make_socket_pair();
  if (!sockets) co_return fail(sockets.error());
  const Result<pid_t> pid = spawn_agent(options, sockets->second.get());
  if (!pid) co_return fail(pid.error());
  sockets->second.reset();
  std::unique_ptr<Fabric> fabric(new Fabric(executor, *pid, std::move(sockets->first)));
  const Result<Json> ready = co_await fabric->host_->first_event("ready");
  if (!ready) co_return fail(ready.error().within("the node agent did not start"));
  fabric->isolated_ = (*ready)["isolated"].bool_or(false);
  fabric->shared_reason_ = (*ready)["reason"].str();
  co_return std::move(fabric);
}

Task<Result<std::unique_ptr<ProcessHost>>> Fabric::make_pod(PodSandbox sandbox) {
  Program carrier;  // mounts travel in a program's form
  carrier.mounts = std::move(sandbox.mounts);
  Json pod = carrier.to_json();
  pod.set("hostname") = sandbox.hostname;
  pod.set("address") = sandbox.address;
  Result<Message> answer = co_await host_->call(Json::object({{"op", "pod"}, {"pod", std::move(pod)}}), {});
  if (!answer) co_return fail(answer.error().within("cannot make a pod"));
  if (answer->fds.empty()) co_return fail(Errc::internal, "the node agent sent no channel for the pod");
  co_return std::make_unique<ProcessHost>(executor_, std::move(answer->fds.front()));
}

}  // namespace serin::local
