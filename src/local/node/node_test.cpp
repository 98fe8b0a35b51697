#include "local/node/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "base/yaml.h"
#include "local/apiserver/in_process_api.h"

namespace serin::local {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace res = kube::resources;
using base::Json;
using base::Result;
using base::Task;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

Json yaml(std::string_view text) {
  const Result<std::vector<Json>> documents = base::parse_yaml(text);
  EXPECT_TRUE(documents) << documents.error().message;
  return documents && !documents->empty() ? documents->front() : Json();
}

/// A pod whose container `main` runs this shell script; `more` is YAML at the container's level.
Json shell_pod(const std::string& name, const std::string& script, const std::string& more = "",
               const std::string& spec = "") {
  Json pod = yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
                  "}\nspec:\n  terminationGracePeriodSeconds: 5\n" + spec +
                  "  containers:\n  - name: main\n    image: host\n" + more);
  Json& container = pod.set("spec", "containers").make_array().front();
  container.set("command") = Json::array({"sh", "-c", script});
  return pod;
}

/// An API server, a fabric and a node in one process.
struct Cluster {
  asio::io_context context;
  base::SystemClock clock;
  base::Random random{1};
  MemoryStore store;
  std::unique_ptr<Registry> registry;
  std::unique_ptr<InProcessApi> api;
  fs::path folder = fs::temp_directory_path() / ("serin-node-" + std::to_string(::getpid()));
  bool shared = false;
  std::unique_ptr<Fabric> fabric;
  std::unique_ptr<Node> node;

  Cluster() {
    Result<std::unique_ptr<Registry>> opened = Registry::open(store, clock, random, {});
    EXPECT_TRUE(opened) << opened.error().message;
    registry = std::move(*opened);
    api = std::make_unique<InProcessApi>(context.get_executor(), *registry, clock);
  }
  ~Cluster() { fs::remove_all(folder); }

  Task<Json> create(kube::Resource resource, Json object) {
    const Result<Json> created = co_await api->create(resource, "default", std::move(object), {});
    EXPECT_TRUE(created) << created.error().message;
    co_return created ? *created : Json();
  }
  Task<Json> pod(std::string name) {
    const Result<Json> found = co_await api->get(res::pods, "default", name);
    co_return found ? *found : Json();
  }
  /// Waits until the pod (null once it is gone) satisfies the condition.
  Task<Json> pod_when(std::string name, std::function<bool(const Json&)> condition) {
    Json seen;
    for (int i = 0; i < 750; ++i) {
      seen = co_await pod(name);
      if (condition(seen)) co_return seen;
      co_await clock.sleep_for(20ms);
    }
    ADD_FAILURE() << name << " stays " << seen["status"].dump_pretty();
    co_return seen;
  }
  Task<std::string> log_of(std::string pod_name, LogOptions options = {}) {
    ContainerRef container{"default", std::move(pod_name), "main"};
    const Result<std::unique_ptr<LogStream>> stream = co_await node->logs(std::move(container), options);
    if (!stream) co_return "error: " + stream.error().message;
    std::string text;
    for (;;) {
      const Result<std::optional<std::string>> piece = co_await (*stream)->next();
      if (!piece || !*piece) co_return text;
      text += **piece;
    }
  }
  /// "Reason: message" of every event about the pod.
  Task<std::string> events_of(std::string pod_name) {
    const Result<kube::List> list = co_await api->list(res::events, "default", {});
    std::string lines;
    for (const Json& event : list->items) {
      if (event.get("involvedObject", "name").str() != pod_name) continue;
      lines += event["reason"].str() + ": " + event["message"].str() + "\n";
    }
    co_return lines;
  }
};

using Body = std::function<Task<void>(Cluster&)>;

Task<void> run_node(Node& node) {
  const Result<void> ended = co_await node.run();
  EXPECT_TRUE(ended) << ended.error().message;
}

Task<void> with_node(Cluster& cluster, Body body) {
  std::vector<std::string> flags;
  if (cluster.shared) flags.push_back("shared");
  Result<std::unique_ptr<Fabric>> fabric =
      co_await Fabric::start(cluster.context.get_executor(), {{NODE_AGENT}, flags});
  EXPECT_TRUE(fabric) << fabric.error().message;
  if (!fabric) co_return;
  cluster.fabric = std::move(*fabric);
  ImageTable images;
  EXPECT_TRUE(images.add("images: [{name: host, host: true}]"));
  NodeOptions options;
  options.folder = cluster.folder;
  options.hosts_file = cluster.folder / "hosts";
  options.search_path = std::getenv("PATH");
  options.restart_pause = 300ms;
  options.usage_interval = 200ms;
  fs::create_directories(cluster.folder);
  cluster.node =
      std::make_unique<Node>(cluster.context.get_executor(), *cluster.api, cluster.clock, cluster.random,
                             *cluster.fabric, std::move(images), options, base::Logger());
  base::TaskGroup tasks(cluster.context.get_executor());
  tasks.spawn(run_node(*cluster.node));
  co_await body(cluster);
  tasks.cancel();
  co_await tasks.join();
  cluster.node.reset();
  cluster.fabric.reset();
}

void run(Cluster& cluster, Body body) {
  std::exception_ptr failure;
  asio::co_spawn(cluster.context, with_node(cluster, std::move(body)),
                 [&](std::exception_ptr e) { failure = e; });
  cluster.context.restart();
  cluster.context.run_for(50s);
  ASSERT_TRUE(cluster.context.stopped()) << "took too long";
  if (failure) std::rethrow_exception(failure);
}

/// Both ways of running pods.
class NodeTest : public ::testing::TestWithParam<bool> {
 protected:
  void run(Body body) {
    cluster_.shared = GetParam();
    local::run(cluster_, std::move(body));
  }
  Cluster cluster_;
};
INSTANTIATE_TEST_SUITE_P(Modes, NodeTest, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Shared" : "Isolated"; });

Task<void> only_if_isolated(Cluster& cluster, Body body) {
  if (cluster.fabric->isolated()) co_await body(cluster);
}

/// Mounts and networks of pods' own mean nothing where namespaces are not to be had.
#define RUN_ISOLATED(body)                                                 \
  do {                                                                     \
    Cluster cluster;                                                       \
    std::string reason;                                                    \
    run(cluster, [&reason](Cluster& c) {                                   \
      reason = c.fabric->shared_reason();                                  \
      return only_if_isolated(c, body);                                    \
    });                                                                    \
    if (!reason.empty()) GTEST_SKIP() << "no namespaces here: " << reason; \
  } while (false)

bool is_ready(const Json& pod) {
  for (const Json& condition : pod.get("status", "conditions").items()) {
    if (condition["type"].str() == "Ready") return condition["status"].str() == "True";
  }
  return false;
}

const Json& main_status(const Json& pod) {
  return pod.get("status", "containerStatuses").at(0);
}

bool is_gone(const Json& pod) {
  return pod.is_null();
}

auto has_phase(std::string phase) {
  return [phase](const Json& pod) { return pod.get("status", "phase").str() == phase; };
}

auto waits_because(std::string reason) {
  return [reason](const Json& pod) {
    return main_status(pod).get("state", "waiting", "reason").str() == reason;
  };
}

// --- Starting

Task<void> starts(Cluster& c) {
  co_await c.create(res::configmaps, yaml("metadata: {name: settings}\ndata: {colour: blue, size: '3'}"));
  co_await c.create(
      res::pods,
      shell_pod("web", "echo $COLOUR $ALL_size $POD $(NOT) $REF; echo oops >&2; exec sleep 1000",
                "    env:\n"
                "    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}\n"
                "    - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}\n"
                "    - {name: REF, value: '$(COLOUR)-$$(POD)'}\n"
                "    envFrom: [{prefix: ALL_, configMapRef: {name: settings}}]\n"));
  const Json pod = co_await c.pod_when("web", is_ready);
  EXPECT_EQ(pod.get("spec", "nodeName").str(), "serin-local");
  EXPECT_EQ(pod.get("status", "phase").str(), "Running");
  EXPECT_FALSE(pod.get("status", "podIP").str().empty());
  EXPECT_FALSE(pod.get("status", "startTime").str().empty());
  EXPECT_TRUE(main_status(pod)["state"].contains("running"));
  EXPECT_EQ(main_status(pod)["started"].as_bool(), true);
  std::string log;
  for (int i = 0; i < 200 && log.find("oops") == log.npos; ++i) {
    log = co_await c.log_of("web");
    co_await c.clock.sleep_for(10ms);
  }
  EXPECT_THAT(log, HasSubstr("blue 3 web"));
  EXPECT_THAT(log, HasSubstr("blue-$(POD)"));
  LogOptions last;
  last.tail_lines = 1;
  last.timestamps = true;
  const std::string tail = co_await c.log_of("web", last);
  EXPECT_EQ(std::ranges::count(tail, '\n'), 1);
  EXPECT_EQ(tail.substr(4, 1), "-");
  std::string events;
  for (int i = 0; i < 100 && events.find("Started") == events.npos; ++i) {
    events = co_await c.events_of("web");
    co_await c.clock.sleep_for(10ms);
  }
  EXPECT_THAT(events, HasSubstr("Scheduled: Successfully assigned default/web to serin-local\n"));
  EXPECT_THAT(events, HasSubstr("Started: Started container main\n"));
  const Result<Json> node = co_await c.api->get(res::nodes, "", "serin-local");
  EXPECT_TRUE(node);
}

TEST_P(NodeTest, StartsPodsWithTheirEnvironment) {
  run(starts);
}

Task<void> ends_by_itself(Cluster& c) {
  co_await c.create(res::pods, shell_pod("good", "exit 0", "", "  restartPolicy: Never\n"));
  co_await c.create(res::pods, shell_pod("bad", "exit 7", "", "  restartPolicy: Never\n"));
  const Json good = co_await c.pod_when("good", has_phase("Succeeded"));
  EXPECT_EQ(main_status(good).get("state", "terminated", "reason").str(), "Completed");
  const Json bad = co_await c.pod_when("bad", has_phase("Failed"));
  EXPECT_EQ(main_status(bad).get("state", "terminated", "exitCode").as_int(), 7);
  EXPECT_FALSE(is_ready(bad));
}

TEST_P(NodeTest, PodsThatMayEndSucceedOrFail) {
  run(ends_by_itself);
}

Task<void> initializes(Cluster& c) {
  const std::string spec =
      "  volumes: [{name: work, emptyDir: {}}]\n"
      "  initContainers:\n"
      "  - {name: one, image: host, command: [sh, -c, 'echo 1 >> /serin-work/order'],\n"
      "     volumeMounts: [{name: work, mountPath: /serin-work}]}\n"
      "  - {name: two, image: host, command: [sh, -c, 'echo 2 >> /serin-work/order'],\n"
      "     volumeMounts: [{name: work, mountPath: /serin-work}]}\n";
  co_await c.create(res::pods, shell_pod("ordered", "cat /serin-work/order; exec sleep 1000",
                                         "    volumeMounts: [{name: work, mountPath: /serin-work}]\n", spec));
  const Json pod = co_await c.pod_when("ordered", is_ready);
  EXPECT_EQ(pod.get("status", "initContainerStatuses").size(), 2u);
  std::string log;
  for (int i = 0; i < 200 && log.size() < 4; ++i) {
    log = co_await c.log_of("ordered");
    co_await c.clock.sleep_for(10ms);
  }
  EXPECT_EQ(log, "1\n2\n");
}

TEST(Node, InitContainersRunInOrder) {
  RUN_ISOLATED(initializes);
}

Task<void> waits_for_what_is_missing(Cluster& c) {
  co_await c.create(res::pods,
                    shell_pod("wants", "exec sleep 1000", "    envFrom: [{configMapRef: {name: late}}]\n"));
  Json unknown = shell_pod("unknown", "true");
  unknown.set("spec", "containers").make_array().front().set("image") = "example.org/nothing:1";
  co_await c.create(res::pods, std::move(unknown));
  const Json waiting = co_await c.pod_when("wants", waits_because("CreateContainerConfigError"));
  EXPECT_EQ(main_status(waiting).get("state", "waiting", "message").str(), "configmap \"late\" not found");
  EXPECT_EQ(waiting.get("status", "phase").str(), "Pending");
  co_await c.pod_when("unknown", waits_because("ImagePullBackOff"));
  const std::string events = co_await c.events_of("unknown");
  EXPECT_THAT(events, HasSubstr("example.org/nothing"));
  EXPECT_THAT(events, HasSubstr("--images"));
  co_await c.create(res::configmaps, yaml("metadata: {name: late}\ndata: {a: b}"));
  co_await c.pod_when("wants", is_ready);
}

TEST_P(NodeTest, WaitsForConfigMapsAndImages) {
  run(waits_for_what_is_missing);
}

// --- Restarting

Task<void> restarts_crashed(Cluster& c) {
  co_await c.create(res::pods, shell_pod("crash", "echo run; exit 3"));
  co_await c.pod_when("crash", waits_because("CrashLoopBackOff"));
  const Json pod = co_await c.pod_when(
      "crash", [](const Json& p) { return main_status(p)["restartCount"].int_or(0) >= 2; });
  EXPECT_EQ(main_status(pod).get("lastState", "terminated", "exitCode").as_int(), 3);
  EXPECT_EQ(pod.get("status", "phase").str(), "Running");
  LogOptions previous;
  previous.previous = true;
  const std::string log = co_await c.log_of("crash", previous);
  EXPECT_EQ(log, "run\n");
}

TEST_P(NodeTest, RestartsWhatCrashes) {
  run(restarts_crashed);
}

Task<void> probes(Cluster& c) {
  const std::string probes =
      "    readinessProbe: {exec: {command: [test, -e, FOLDER/ready]}, periodSeconds: 1, failureThreshold: "
      "1}\n"
      "    livenessProbe: {exec: {command: [test, '!', -e, FOLDER/sick]}, periodSeconds: 1, "
      "failureThreshold: 1}\n";
  std::string text = probes;
  for (std::size_t at = 0; (at = text.find("FOLDER")) != text.npos;) text.replace(at, 6, c.folder.native());
  co_await c.create(res::pods, shell_pod("probed", "trap 'exit 0' TERM; sleep 1000 & wait", text));
  const Json unready = co_await c.pod_when("probed", has_phase("Running"));
  EXPECT_FALSE(is_ready(unready));
  std::ofstream(c.folder / "ready") << "1";
  co_await c.pod_when("probed", is_ready);
  fs::remove(c.folder / "ready");
  co_await c.pod_when("probed", [](const Json& p) { return !is_ready(p); });
  std::ofstream(c.folder / "sick") << "1";
  co_await c.pod_when("probed", [](const Json& p) { return main_status(p)["restartCount"].int_or(0) >= 1; });
  fs::remove(c.folder / "sick");
  const std::string events = co_await c.events_of("probed");
  EXPECT_THAT(events, HasSubstr("Unhealthy: Readiness probe failed"));
  EXPECT_THAT(events, HasSubstr("Killing: Container main failed liveness probe, will be restarted"));
}

TEST_P(NodeTest, ProbesDecideReadinessAndRestart) {
  run(probes);
}

Task<void> same_port(Cluster& c) {
  const std::string probe =
      "    readinessProbe: {httpGet: {path: /, port: web}, periodSeconds: 1}\n"
      "    ports: [{name: web, containerPort: 8099}]\n";
  for (const char* name : {"one", "two"}) {
    Json pod = shell_pod(name, "exec python3 -m http.server 8099", probe);
    co_await c.create(res::pods, std::move(pod));
  }
  co_await c.pod_when("one", is_ready);
  co_await c.pod_when("two", is_ready);
  const Result<std::unique_ptr<PortStream>> stream = co_await c.node->dial("default", "two", 8099);
  EXPECT_TRUE(stream) << stream.error().message;
  if (!stream) co_return;
  co_await (*stream)->write("GET / HTTP/1.0\r\n\r\n");
  const Result<std::optional<std::string>> answer = co_await (*stream)->read();
  EXPECT_TRUE(answer && *answer && (**answer).starts_with("HTTP/1.0 200"));
  std::optional<PodUsage> usage;
  for (int i = 0; i < 100 && !usage; ++i) {
    usage = c.node->usage({"default", "one"});
    co_await c.clock.sleep_for(20ms);
  }
  EXPECT_TRUE(usage && usage->memory_bytes > 1'000'000);
}

TEST(Node, UnmodifiedServersShareAPort) {
  RUN_ISOLATED(same_port);
}

// --- Ending

Task<void> ends_gracefully(Cluster& c) {
  const std::string file = c.folder / "goodbye";
  co_await c.create(res::pods, shell_pod("polite",
                                         "trap 'sleep 0.3; echo bye >> " + file +
                                             "; exit 0' TERM; echo up; while :; do sleep 0.05; done",
                                         "    lifecycle: {preStop: {exec: {command: [sh, -c, 'echo hook >> " +
                                             file + "']}}}\n"));
  co_await c.create(res::pods, shell_pod("stubborn", "trap '' TERM; while :; do sleep 0.05; done"));
  co_await c.pod_when("polite", is_ready);
  co_await c.pod_when("stubborn", is_ready);
  std::string log;
  for (int i = 0; i < 200 && log.empty(); ++i) {
    log = co_await c.log_of("polite");
    co_await c.clock.sleep_for(10ms);
  }
  const base::MonoTime begin = c.clock.now();
  co_await c.api->remove(res::pods, "default", "polite", {});
  co_await c.api->remove(res::pods, "default", "stubborn", {.grace_seconds = 1});
  const Json leaving =
      co_await c.pod_when("polite", [](const Json& p) { return p.is_null() || !is_ready(p); });
  EXPECT_FALSE(leaving.is_null());  // unready while it still runs
  co_await c.pod_when("polite", is_gone);
  co_await c.pod_when("stubborn", is_gone);
  EXPECT_GE(c.clock.now() - begin, 1s);
  EXPECT_LT(c.clock.now() - begin, 4s);
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_EQ(text, "hook\nbye\n");
  const std::string events = co_await c.events_of("polite");
  EXPECT_THAT(events, HasSubstr("Killing: Stopping container main"));
}

TEST_P(NodeTest, EndsPodsGracefully) {
  run(ends_gracefully);
}

Task<void> runs_once(Cluster& c) {
  co_await c.create(res::pods, shell_pod("lasting", "exec sleep 1000"));
  co_await c.pod_when("lasting", is_ready);
}

Task<void> runs_again(Cluster& c) {
  const Json pod = co_await c.pod_when(
      "lasting", [](const Json& p) { return is_ready(p) && main_status(p)["restartCount"].int_or(0) == 1; });
  EXPECT_TRUE(main_status(pod)["lastState"].contains("terminated"));
}

TEST_P(NodeTest, RestartsPodsInPlaceAfterItsOwnRestart) {
  run(runs_once);
  run(runs_again);
}

// --- What pods see

Task<void> follows_changes(Cluster& c) {
  co_await c.create(res::configmaps, yaml("metadata: {name: live}\ndata: {key: old}"));
  co_await c.create(res::pods, shell_pod("reader",
                                         "until grep -q new /serin-live/key && getent hosts "
                                         "backend.default.svc.cluster.local; do sleep 0.05; "
                                         "done; getent hosts backend; echo seen; exec sleep 1000",
                                         "    volumeMounts: [{name: live, mountPath: /serin-live}]\n",
                                         "  volumes: [{name: live, configMap: {name: live}}]\n"));
  co_await c.pod_when("reader", is_ready);
  const Json patch = Json::object({{"data", Json::object({{"key", "new"}})}});
  const Result<Json> patched =
      co_await c.api->patch(res::configmaps, "default", "live", kube::PatchType::merge, patch, "", {});
  EXPECT_TRUE(patched);
  const Json service =
      co_await c.create(res::services, yaml("metadata: {name: backend}\nspec: {ports: [{port: 80}]}"));
  std::string log;
  for (int i = 0; i < 500 && log.find("seen") == log.npos; ++i) {
    log = co_await c.log_of("reader");
    co_await c.clock.sleep_for(10ms);
  }
  EXPECT_THAT(log, HasSubstr("seen"));
  EXPECT_THAT(log, HasSubstr(service.get("spec", "clusterIP").str()));
}

TEST(Node, VolumesAndNamesFollowTheirObjects) {
  RUN_ISOLATED(follows_changes);
}

Task<void> marks_hosts(Cluster& c) {
  co_await c.create(res::services, yaml("metadata: {name: backend}\nspec: {ports: [{port: 80}]}"));
  std::string text;
  for (int i = 0; i < 500 && text.find("backend.default") == text.npos; ++i) {
    std::ifstream in(c.folder / "hosts");
    text = {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    co_await c.clock.sleep_for(10ms);
  }
  EXPECT_THAT(text, HasSubstr("\tbackend\tbackend.default\t"));
}

TEST(Node, SharedModeMarksTheHostsFileAndCleansUp) {
  Cluster cluster;
  cluster.shared = true;
  fs::create_directories(cluster.folder);
  std::ofstream(cluster.folder / "hosts") << "127.0.0.1 localhost\n";
  run(cluster, marks_hosts);
  std::ifstream in(cluster.folder / "hosts");
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_EQ(text, "127.0.0.1 localhost\n");
}

// --- Exec

class Session final : public ExecSession {
 public:
  explicit Session(asio::io_context& context) : never_(context.get_executor()) {}
  std::deque<std::string> input;
  std::string out, err;
  Json status;

  Task<Result<std::optional<std::string>>> read_stdin() override {
    if (input.empty()) co_return std::nullopt;
    std::string next = input.front();
    input.pop_front();
    co_return next;
  }
  Task<Result<void>> write(int fd, std::string bytes) override {
    (fd == 2 ? err : out) += bytes;
    co_return Result<void>();
  }
  Task<std::optional<TerminalSize>> resize() override {
    if (std::exchange(resized_, true)) co_await never_.wait();
    co_return TerminalSize{100, 40};
  }
  Task<Result<void>> finish(Json final_status) override {
    status = std::move(final_status);
    co_return Result<void>();
  }

 private:
  base::Wakeup never_;
  bool resized_ = false;
};

Task<void> executes(Cluster& c) {
  co_await c.create(res::pods, shell_pod("shell", "exec sleep 1000"));
  co_await c.pod_when("shell", is_ready);
  Session plain(c.context);
  plain.input = {"some ", "text"};
  ExecRequest request{"default", "shell", "main", {"sh", "-c", "cat; echo problem >&2; exit 4"}};
  request.stdin_wanted = request.stdout_wanted = request.stderr_wanted = true;
  const Result<void> ran = co_await c.node->exec(request, plain);
  EXPECT_TRUE(ran);
  EXPECT_EQ(plain.out, "some text");
  EXPECT_EQ(plain.err, "problem\n");
  EXPECT_EQ(plain.status, exec_exit_code(4));

  Session terminal(c.context);
  request.tty = true;
  request.command = {"sh", "-c",
                     "until [ \"$(stty size)\" = '40 100' ]; do sleep 0.02; done; tty -s && echo tty"};
  const Result<void> ran_again = co_await c.node->exec(request, terminal);
  EXPECT_TRUE(ran_again);
  EXPECT_EQ(terminal.out, "tty\r\n");
  EXPECT_EQ(terminal.status, exec_success());

  request.command = {"no-such-program"};
  Session failing(c.context);
  const Result<void> missing = co_await c.node->exec(request, failing);
  EXPECT_FALSE(missing);
}

TEST_P(NodeTest, ExecutesCommandsInContainers) {
  run(executes);
}

}  // namespace
}  // namespace serin::local
