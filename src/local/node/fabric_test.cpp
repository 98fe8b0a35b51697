#include "local/node/fabric.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <functional>

namespace serin::local {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

using Body = std::function<Task<void>(asio::io_context&, Fabric&)>;

Task<void> with_fabric(asio::io_context& context, std::vector<std::string> flags, Body body) {
  Result<std::unique_ptr<Fabric>> fabric =
      co_await Fabric::start(context.get_executor(), {{NODE_AGENT}, std::move(flags)});
  EXPECT_TRUE(fabric) << fabric.error().message;
  if (fabric) co_await body(context, **fabric);
}

void run(std::vector<std::string> flags, Body body) {
  asio::io_context context;
  std::exception_ptr failure;
  asio::co_spawn(context, with_fabric(context, std::move(flags), std::move(body)),
                 [&](std::exception_ptr e) { failure = e; });
  context.run_for(60s);
  EXPECT_TRUE(context.stopped()) << "took more than a minute";
  if (failure) std::rethrow_exception(failure);
}

/// Tests of isolation mean nothing where it is not to be had.
#define RUN_ISOLATED(body)                                                       \
  do {                                                                           \
    std::string reason;                                                          \
    run({}, [&](asio::io_context&, Fabric& f) { return see_why(&f, &reason); }); \
    if (!reason.empty()) GTEST_SKIP() << "no namespaces here: " << reason;       \
    run({}, body);                                                               \
  } while (false)

Task<void> see_why(Fabric* fabric, std::string* reason) {
  *reason = fabric->shared_reason();
  co_return;
}

Program shell(std::string script) {
  const char* path = std::getenv("PATH");
  return {{"sh", "-c", std::move(script)}, {std::string("PATH=") + (path ? path : "/usr/bin:/bin")}};
}

struct Output {
  std::string text;
  ExitStatus status;
};

std::string read_to_end(const Fd& fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(fd.get(), buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

/// Runs the program to its end; short output only (it must fit the pipe).
Task<Result<Output>> output_of(ProcessHost& host, Program program) {
  Result<FdPair> pipe = make_pipe();
  if (!pipe) co_return base::fail(pipe.error());
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int out = pipe->second.get();
  Result<Process> process = co_await host.start(std::move(program), {null.get(), out, out});
  if (!process) co_return base::fail(process.error());
  pipe->second.reset();
  const ExitStatus status = co_await process->wait();
  co_return Output{read_to_end(pipe->first), status};
}

/// Runs a program that must be able to start.
Task<Output> end_of(ProcessHost& host, Program program) {
  Result<Output> output = co_await output_of(host, std::move(program));
  EXPECT_TRUE(output) << output.error().message;
  co_return output ? std::move(*output) : Output{};
}

Task<Result<Process>> start_quietly(ProcessHost& host, Program program) {
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  Result<Process> process = co_await host.start(std::move(program), {null.get(), null.get(), null.get()});
  co_return std::move(process);
}

Task<std::string> text_of(ProcessHost& host, std::string script) {
  const Result<Output> output = co_await output_of(host, shell(std::move(script)));
  co_return output ? output->text : "error: " + output.error().message;
}

Task<Result<std::unique_ptr<ProcessHost>>> pod_at(Fabric& fabric, std::string name, std::string address) {
  PodSandbox sandbox{std::move(name), std::move(address), {}};
  Result<std::unique_ptr<ProcessHost>> pod = co_await fabric.make_pod(std::move(sandbox));
  EXPECT_TRUE(pod) << pod.error().message;
  co_return std::move(pod);
}

// --- processes and pods

Task<void> runs_and_reports(asio::io_context&, Fabric& fabric) {
  auto pod = co_await pod_at(fabric, "one", "10.244.0.10");
  const Output normal = co_await end_of(**pod, shell("echo hello; exit 3"));
  EXPECT_EQ(normal.text, "hello\n");
  EXPECT_EQ(normal.status, (ExitStatus{3, 0}));
  const Output killed = co_await end_of(**pod, shell("kill -9 $$"));
  EXPECT_EQ(killed.status.exit_code(), 137);
  const Result<Output> missing = co_await output_of(**pod, {{"./nothing"}, {}, "/"});
  EXPECT_FALSE(missing);
  if (!missing) {
    EXPECT_EQ(missing.error().code, base::Errc::not_found);
    EXPECT_EQ(missing.error().message, "exec ./nothing: No such file or directory");
  }
  for (int i = 0; i < 50; ++i) {  // however soon a program ends, its end is told
    const Result<Output> quick = co_await output_of(**pod, {{"true"}, {"PATH=/usr/bin:/bin"}});
    EXPECT_TRUE(quick) << quick.error().message;
  }
  // Longer than a packet may be.
  Program echo = shell("printf %s \"$1\" | wc -c");
  echo.argv.insert(echo.argv.end(), {"sh", std::string(100'000, 'x')});
  const Result<Output> counted = co_await output_of(**pod, std::move(echo));
  EXPECT_EQ(counted ? counted->text : counted.error().message, "100000\n");
}

TEST(Supervisor, RunsProgramsAndReportsTheirEnd) {
  RUN_ISOLATED(runs_and_reports);
  run({"shared"}, runs_and_reports);
}

Task<void> kills_what_is_left(asio::io_context& context, Fabric& fabric) {
  auto pod = co_await pod_at(fabric, "one", "10.244.0.10");
  // The program ends, its child would go on.
  const Output left = co_await end_of(**pod, shell("(sleep 1000 >/dev/null 2>&1 &) ; echo gone"));
  EXPECT_EQ(left.text, "gone\n");
  Result<FdPair> ready = make_pipe();
  const int out = ready->second.get();
  const Result<Process> stubborn =
      co_await (*pod)->start(shell("trap '' TERM; echo ready; sleep 1000 & wait"), {out, out, out});
  char byte = 0;
  EXPECT_EQ(::read(ready->first.get(), &byte, 1), 1);
  const Result<void> termed = co_await (*pod)->signal(stubborn->pid(), SIGTERM);
  EXPECT_TRUE(termed);
  EXPECT_FALSE(stubborn->ended());
  const Result<void> killed = co_await (*pod)->kill(stubborn->pid());
  EXPECT_TRUE(killed);
  Process process = *stubborn;
  const ExitStatus status = co_await process.wait();
  EXPECT_EQ(status, (ExitStatus{0, SIGKILL}));
  const Result<void> late = co_await (*pod)->signal(stubborn->pid(), SIGTERM);
  EXPECT_EQ(late.error().code, base::Errc::not_found);
  base::SystemClock clock;
  std::int64_t rss = 1;
  for (int i = 0; i < 200 && rss > 0; ++i) {  // the killed vanish a moment later
    const Result<Usage> usage = co_await (*pod)->usage();
    rss = usage->rss_bytes;
    if (rss > 0) co_await clock.sleep_for(5ms);
  }
  EXPECT_EQ(rss, 0);
}

TEST(Supervisor, KillsWhatAProgramLeavesBehind) {
  RUN_ISOLATED(kills_what_is_left);
  run({"shared"}, kills_what_is_left);
}

Task<void> counts_use(asio::io_context&, Fabric& fabric) {
  auto pod = co_await pod_at(fabric, "one", "10.244.0.10");
  const Result<Usage> before = co_await (*pod)->usage();
  EXPECT_EQ(before->cpu_ns, 0);
  const std::string counted =
      co_await text_of(**pod, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo $i");
  EXPECT_EQ(counted, "100000\n");
  const Result<Usage> after = co_await (*pod)->usage();
  EXPECT_GT(after->cpu_ns, 1'000'000);
}

TEST(Supervisor, CountsCpuTimeOfEndedProcesses) {
  RUN_ISOLATED(counts_use);
  run({"shared"}, counts_use);
}

Task<void> has_terminal(asio::io_context&, Fabric& fabric) {
  auto pod = co_await pod_at(fabric, "one", "10.244.0.10");
  Result<FdPair> terminal = make_terminal();
  const int end = terminal->second.get();
  Program program = shell("tty -s && stty size && echo $(ps -o tty= -p $$ | wc -l)");
  program.terminal = true;
  winsize size{33, 77, 0, 0};
  ::ioctl(terminal->first.get(), TIOCSWINSZ, &size);
  Result<Process> process = co_await (*pod)->start(std::move(program), {end, end, end});
  EXPECT_TRUE(process) << process.error().message;
  const ExitStatus status = co_await process->wait();
  EXPECT_EQ(status.exit_code(), 0);
  terminal->second.reset();
  EXPECT_EQ(read_to_end(terminal->first).substr(0, 7), "33 77\r\n");
}

TEST(Supervisor, GivesATerminal) {
  RUN_ISOLATED(has_terminal);
  run({"shared"}, has_terminal);
}

// --- isolation

constexpr const char* serve =
    "exec python3 -c '\n"
    "import socket\n"
    "s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
    "s.bind((\"0.0.0.0\", 8080)); s.listen()\n"
    "while True:\n"
    "  c, a = s.accept(); c.sendall((socket.gethostname() + \" \" + a[0]).encode()); c.close()\n'";

constexpr const char* ask =
    "python3 -c '\n"
    "import socket, sys, time\n"
    "for i in range(200):\n"
    "  try: s = socket.create_connection((\"%s\", 8080), 1); break\n"
    "  except ConnectionRefusedError: time.sleep(0.02)\n"
    "print(s.recv(100).decode())'";

std::string ask_at(const std::string& address) {
  std::string script = ask;
  return script.replace(script.find("%s"), 2, address);
}

Task<void> same_port(asio::io_context&, Fabric& fabric) {
  auto one = co_await pod_at(fabric, "one", "10.244.0.11");
  auto two = co_await pod_at(fabric, "two", "10.244.0.12");
  const Result<Process> first = co_await start_quietly(**one, shell(serve));
  const Result<Process> second = co_await start_quietly(**two, shell(serve));
  EXPECT_TRUE(first && second);
  const std::string from_fabric = co_await text_of(fabric.processes(), ask_at("10.244.0.11"));
  EXPECT_EQ(from_fabric, "one 10.244.0.1\n");
  const std::string to_second = co_await text_of(fabric.processes(), ask_at("10.244.0.12"));
  EXPECT_EQ(to_second, "two 10.244.0.1\n");
  const std::string pod_to_pod = co_await text_of(**one, ask_at("10.244.0.12"));
  EXPECT_EQ(pod_to_pod, "two 10.244.0.11\n");
  // Every service's address is the fabric's own, seen from a pod.
  const Result<Process> proxy = co_await start_quietly(fabric.processes(), shell(serve));
  EXPECT_TRUE(proxy);
  const std::string to_service = co_await text_of(**one, ask_at("10.96.3.4"));
  EXPECT_EQ(to_service.substr(to_service.find(' ')), " 10.244.0.11\n");
  const std::string outside = co_await text_of(
      **one, "python3 -c 'import socket; print(socket.socket().connect_ex((\"192.0.2.1\", 80)) != 0)'");
  EXPECT_EQ(outside, "True\n");
}

TEST(Fabric, PodsShareNoPorts) {
  RUN_ISOLATED(same_port);
}

Task<void> own_files(asio::io_context&, Fabric& fabric) {
  const fs::path folder = fs::temp_directory_path() / ("serin-mounts-" + std::to_string(::getpid()));
  fs::create_directories(folder / "volume");
  std::ofstream(folder / "volume" / "key") << "value";
  std::ofstream(folder / "hosts") << "10.96.0.9 podinfo.test\n";
  PodSandbox sandbox{"files", "10.244.0.13", {{folder / "hosts", "/etc/hosts", true}}};
  auto pod = co_await fabric.make_pod(std::move(sandbox));
  EXPECT_TRUE(pod) << pod.error().message;
  const std::string resolved =
      co_await text_of(**pod, "getent hosts podinfo.test; hostname; ps -e -o pid= | wc -l");
  EXPECT_EQ(resolved.substr(0, 9), "10.96.0.9");
  EXPECT_NE(resolved.find("files\n"), std::string::npos);

  const std::string volume = folder / "volume";
  Program reader = shell(
      "cat /serin-test/a/b/key /etc/serin-test/key /tmp/key; "
      "echo x > /etc/serin-test/key || echo refused; echo new > /serin-test/a/b/new; "
      "ls -d /usr /etc/passwd /proc/self/fd >/dev/null && echo whole");
  reader.mounts = {
      {volume, "/serin-test/a/b", false}, {volume, "/etc/serin-test", true}, {volume, "/tmp", false}};
  const Output read = co_await end_of(**pod, std::move(reader));
  EXPECT_EQ(read.text.substr(0, 15), "valuevaluevalue");
  EXPECT_NE(read.text.find("refused"), std::string::npos) << read.text;
  EXPECT_NE(read.text.find("whole"), std::string::npos) << read.text;
  EXPECT_TRUE(fs::exists(folder / "volume" / "new"));
  EXPECT_FALSE(fs::exists("/serin-test"));
  EXPECT_FALSE(fs::exists("/etc/serin-test"));

  // A command run beside a container sees its mounts, another container doesn't.
  Program sleeper = shell("sleep 1000");
  sleeper.mounts = {{volume, "/serin-test", false}};
  Result<Process> container = co_await start_quietly(**pod, std::move(sleeper));
  Program beside = shell("cat /serin-test/key");
  beside.beside = container->pid();
  const Output seen = co_await end_of(**pod, std::move(beside));
  EXPECT_EQ(seen.text, "value");
  const Output unseen = co_await end_of(**pod, shell("cat /serin-test/key"));
  EXPECT_NE(unseen.status.exit_code(), 0);
  fs::remove_all(folder);
}

TEST(Fabric, PodsSeeTheirVolumesAndTheHostStaysClean) {
  RUN_ISOLATED(own_files);
}

// --- the end

/// Starts marked programs in a pod, says so on the pipe, and stays.
Task<void> start_marked(int pipe, Fabric& fabric) {
  auto pod = co_await pod_at(fabric, "one", "10.244.0.10");
  // A marker in the command line finds them from the host, whatever namespace they are in. The second has
  // left its parent and session.
  const std::string mark = "serin-orphan-" + std::to_string(::getpid());
  const Result<Process> plain = co_await start_quietly(**pod, shell("sleep 1000 ; : " + mark));
  const Result<Process> daemon =
      co_await start_quietly(**pod, shell("setsid sh -c 'sleep 1000; : " + mark + "' & sleep 1000; : x"));
  const char byte = plain && daemon ? 'y' : 'n';
  [[maybe_unused]] const ssize_t n = ::write(pipe, &byte, 1);
  base::SystemClock clock;
  co_await clock.sleep_for(1h);
}

/// The same in a child process whose death is observed.
pid_t fork_parent(int ready, std::vector<std::string> flags) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  run(std::move(flags), [ready](asio::io_context&, Fabric& fabric) { return start_marked(ready, fabric); });
  ::_exit(0);
}

int count_marked(const std::string& mark) {
  int count = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    std::ifstream file(entry.path() / "cmdline");
    std::string line;
    std::getline(file, line);
    count += line.find(mark) != std::string::npos;
  }
  return count;
}

void kill_parent_and_look(std::vector<std::string> flags) {
  Result<FdPair> pipe = make_pipe();
  const pid_t parent = fork_parent(pipe->second.get(), std::move(flags));
  pipe->second.reset();
  char byte = 'n';
  ASSERT_EQ(::read(pipe->first.get(), &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  const std::string mark = "serin-orphan-" + std::to_string(parent);
  for (int i = 0; i < 500 && count_marked(mark) < 2; ++i) ::usleep(10'000);
  EXPECT_GE(count_marked(mark), 2);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  int left = -1;
  for (int i = 0; i < 500 && left != 0; ++i) {
    left = count_marked(mark);
    if (left != 0) ::usleep(10'000);
  }
  EXPECT_EQ(left, 0);
}

TEST(Fabric, NothingOutlivesAKilledParent) {
  kill_parent_and_look({});
  kill_parent_and_look({"shared"});
}

/// Denies new namespaces to this process and its children, as container runtimes do.
bool forbid_namespaces() {
  constexpr unsigned flags =
      CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
  constexpr unsigned denied = SECCOMP_RET_ERRNO | EPERM;
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 5, 0),  // ENOSYS: libc falls back to clone
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flags, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, denied),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
  };
  const sock_fprog program{sizeof(filter) / sizeof(filter[0]), filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

Task<void> explains_and_works(asio::io_context&, Fabric& fabric) {
  EXPECT_FALSE(fabric.isolated());
  EXPECT_NE(fabric.shared_reason().find("namespaces are not available: Operation not permitted"),
            std::string::npos)
      << fabric.shared_reason();
  auto pod = co_await pod_at(fabric, "one", "127.44.0.2");
  const std::string text = co_await text_of(**pod, "echo works");
  EXPECT_EQ(text, "works\n");
}

TEST(Fabric, FallsBackToSharedModeWhereNamespacesAreForbidden) {
  const pid_t pid = ::fork();  // the filter stays on a process for good
  if (pid == 0) {
    if (!forbid_namespaces()) ::_exit(2);
    run({}, explains_and_works);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace serin::local
