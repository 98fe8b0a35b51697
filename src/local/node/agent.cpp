#include "local/node/agent.h"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "local/node/launch.h"
#include "local/node/namespaces.h"
#include "local/node/netlink.h"
#include "local/node/supervisor.h"

namespace serin::local {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

constexpr std::string_view bridge = "serin0";
constexpr int pod_namespaces = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;

/// One side tells the other how far it is: a text, or nothing but the end of the pipe.
std::string read_report(const Fd& pipe) {
  std::string text;
  char buffer[512];
  for (ssize_t n = 0; (n = ::read(pipe.get(), buffer, sizeof(buffer))) != 0;) {
    if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
    if (n < 0 && errno != EINTR) break;
  }
  return text;
}

void write_report(Fd pipe, std::string_view text) {
  [[maybe_unused]] const ssize_t n = ::write(pipe.get(), text.data(), text.size());
}

// --- pods

/// What create_pod was asked for.
struct PodRequest {
  std::string hostname;
  std::string address;
  std::vector<BindMount> mounts;  ///< seen by every container (hosts file, resolver)

  static PodRequest from_json(const Json& json) {
    PodRequest pod{json["hostname"].str(), json["address"].str(), {}};
    pod.mounts = Program::from_json(json).mounts;
    return pod;
  }
};

Result<void> set_up_pod(const PodRequest& pod, const FabricNetwork& network) {
  if (const Result<void> made = make_mounts_private(); !made) return made;
  if (const Result<void> made = mount_proc(); !made) return made;
  if (const Result<void> made = apply_mounts(pod.mounts); !made) return made;
  if (::sethostname(pod.hostname.data(), pod.hostname.size()) != 0) return fail_errno("sethostname");
  Result<Netlink> netlink = Netlink::open();
  if (!netlink) return fail(netlink.error());
  if (const Result<void> made = netlink->set_up("lo"); !made) return made;
  const Result<void> address = netlink->add_address("eth0", {pod.address, network.pod_prefix_length});
  if (!address) return address;
  if (const Result<void> made = netlink->set_up("eth0"); !made) return made;
  return netlink->add_default_route(network.bridge_address);
}

class Agent {
 public:
  Agent(AgentOptions options, bool isolated)
      : options_(std::move(options)),
        isolated_(isolated),
        supervisor_(Fd(options_.socket_fd),
                    [this](std::string_view op, Message& request) { return handle(op, request); }) {}

  void run(std::string_view reason) {
    const Json ready =
        Json::object({{"event", "ready"}, {"isolated", isolated_}, {"reason", std::string(reason)}});
    static_cast<void>(send_message(supervisor_.channel(), ready));
    supervisor_.run();
  }

 private:
  std::optional<Result<Reply>> handle(std::string_view op, Message& request) {
    if (op != "pod") return std::nullopt;
    return make_pod(PodRequest::from_json(request.body["pod"]));
  }

  Result<Reply> make_pod(const PodRequest& pod) {
    Result<FdPair> channel = make_socket_pair();
    Result<FdPair> go = make_pipe();
    Result<FdPair> report = make_pipe();
    if (!channel || !go || !report) return fail(Errc::unavailable, "out of file descriptors");
    const Result<pid_t> pid = fork_into(isolated_ ? pod_namespaces : 0);
    if (!pid) return fail(pid.error());
    if (*pid == 0) {
      // Shared mode: SIGTERM, so that the supervisor can still end what it has started.
      ::prctl(PR_SET_PDEATHSIG, isolated_ ? SIGKILL : SIGTERM);
      channel->first.reset();
      go->second.reset();
      report->first.reset();
      ::close(options_.socket_fd);
      be_pod(pod, std::move(channel->second), std::move(go->first), std::move(report->second));
    }
    channel->second.reset();
    go->first.reset();
    report->second.reset();
    const Result<void> wired = isolated_ ? wire_up(*pid) : Result<void>();
    go->second.reset();
    const std::string problem = wired ? read_report(report->first) : wired.error().message;
    if (!problem.empty()) {
      ::kill(*pid, SIGKILL);
      ::waitpid(*pid, nullptr, 0);
      return fail(Errc::internal, problem);
    }
    supervisor_.adopt(*pid);
    Reply reply{Json::object({{"pid", *pid}}), {}};
    reply.fds.push_back(std::move(channel->first));
    return reply;
  }

  Result<void> wire_up(pid_t pid) {
    Result<Netlink> netlink = Netlink::open();
    if (!netlink) return fail(netlink.error());
    return netlink->add_veth(fmt::format("pod{}", ++pods_made_), bridge, "eth0", pid);
  }

  [[noreturn]] void be_pod(const PodRequest& pod, Fd channel, Fd go, Fd report) {
    ::setsid();
    read_report(go);  // until the network interface is there
    if (isolated_) {
      if (const Result<void> made = set_up_pod(pod, options_.network); !made) {
        write_report(std::move(report), made.error().message);
        ::_exit(1);
      }
    }
    report.reset();
    {
      Supervisor supervisor(std::move(channel), nullptr);
      supervisor.run();
    }
    ::_exit(0);
  }

  AgentOptions options_;
  bool isolated_;
  std::uint64_t pods_made_ = 0;
  Supervisor supervisor_;
};

// --- the fabric

Result<void> set_up_fabric(const FabricNetwork& network) {
  if (const Result<void> made = make_mounts_private(); !made) return made;
  if (const Result<void> made = mount_proc(); !made) return made;
  Result<Netlink> netlink = Netlink::open();
  if (!netlink) return fail(netlink.error());
  if (const Result<void> made = netlink->set_up("lo"); !made) return made;
  if (const Result<void> made = netlink->add_bridge(bridge); !made) return made;
  const Result<void> address =
      netlink->add_address(bridge, {network.bridge_address, network.pod_prefix_length});
  if (!address) return address;
  if (const Result<void> made = netlink->set_up(bridge); !made) return made;
  const Result<void> services =
      netlink->add_local_route({network.service_network, network.service_prefix_length});
  if (!services) return services;
  // There is no way out: with forwarding on, the kernel says so at once instead of dropping in silence.
  std::ofstream("/proc/sys/net/ipv4/ip_forward") << "1\n";
  return {};
}

/// Tries everything that a pod will need, so that what cannot work is known at the start.
Result<void> try_pod() {
  Result<FdPair> report = make_pipe();
  if (!report) return fail(report.error());
  const Result<pid_t> pid = fork_into(pod_namespaces);
  if (!pid) return fail(pid.error());
  if (*pid == 0) {
    const Result<void> made = make_mounts_private();
    const Result<void> proc = made ? mount_proc() : made;
    if (!proc) write_report(std::move(report->second), proc.error().message);
    ::_exit(0);
  }
  report->second.reset();
  const std::string problem = read_report(report->first);
  ::waitpid(*pid, nullptr, 0);
  if (!problem.empty()) return fail(Errc::forbidden, problem);
  return {};
}

[[noreturn]] void be_fabric(const AgentOptions& options, Fd go, Fd report) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  read_report(go);  // until the users are mapped
  Result<void> made = set_up_fabric(options.network);
  if (made) made = try_pod();
  if (!made) {
    write_report(std::move(report), made.error().message);
    ::_exit(1);
  }
  report.reset();
  {
    Agent agent(options, true);
    agent.run("");
  }
  ::_exit(0);
}

/// Makes the fabric and waits for its end; the error says why it cannot be made.
Result<int> run_isolated(const AgentOptions& options, bool with_users) {
  Result<FdPair> go = make_pipe();
  Result<FdPair> report = make_pipe();
  if (!go || !report) return fail(Errc::unavailable, "out of file descriptors");
  const Result<pid_t> pid = fork_into(pod_namespaces | (with_users ? CLONE_NEWUSER : 0));
  if (!pid) return fail(pid.error());
  if (*pid == 0) {
    go->second.reset();
    report->first.reset();
    be_fabric(options, std::move(go->first), std::move(report->second));
  }
  go->first.reset();
  report->second.reset();
  const Result<void> mapped = with_users ? map_users(*pid) : Result<void>();
  if (mapped) go->second.reset();
  std::string problem = mapped ? read_report(report->first) : mapped.error().message;
  int status = 0;
  if (!problem.empty()) {
    ::kill(*pid, SIGKILL);
    ::waitpid(*pid, &status, 0);
    return fail(Errc::forbidden, std::move(problem));
  }
  ::close(options.socket_fd);  // now the fabric's alone
  while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int run_node_agent(AgentOptions options) {
  ::prctl(PR_SET_NAME, "serin-agent");
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  std::string reason = "asked for";
  if (!options.shared) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    Result<int> ended = run_isolated(options, true);
    if (!ended && ::geteuid() == 0) {  // root needs no user namespace for the others
      Result<int> without_users = run_isolated(options, false);
      if (without_users) ended = std::move(without_users);
    }
    if (ended) return *ended;
    reason = ended.error().message;
  }
  // Without a PID namespace the end has to be seen and acted on: SIGTERM and the closed socket tell of it.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  Agent agent(std::move(options), false);
  agent.run(reason);
  return 0;
}

}  // namespace serin::local
