#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/yaml.h"
#include "local/node/container_log.h"
#include "local/node/environment.h"
#include "local/node/handlers.h"
#include "local/node/hosts.h"
#include "local/node/images.h"
#include "local/node/pod_status.h"
#include "local/node/volumes.h"

namespace serin::local {
namespace {

namespace fs = std::filesystem;
using base::Json;
using base::Result;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

Json yaml(std::string_view text) {
  const Result<std::vector<Json>> documents = base::parse_yaml(text);
  return documents && !documents->empty() ? documents->front() : Json();
}

std::string content(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A folder of the test's own.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("serin-pieces-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

// --- Handlers

TEST(Handlers, InSharedModeLocalhostIsThePodsAddress) {
  EXPECT_EQ(with_loopback("http://localhost:8080/healthz", "127.44.0.2"), "http://127.44.0.2:8080/healthz");
  EXPECT_EQ(with_loopback("curl 127.0.0.1:1 localhost", "127.44.0.2"), "curl 127.44.0.2:1 127.44.0.2");
  EXPECT_EQ(with_loopback("localhost.example.com my-localhost 10.127.0.0.1", "127.44.0.2"),
            "localhost.example.com my-localhost 10.127.0.0.1");
}

// --- Hosts

TEST(Hosts, BareNamesOnlyInTheOwnNamespace) {
  const std::vector<ServiceAddress> services = {{"prod", "podinfo", "10.96.0.2"},
                                                {"test", "podinfo", "10.96.0.3"}};
  EXPECT_EQ(service_lines(services, "test"),
            "10.96.0.2\tpodinfo.prod\tpodinfo.prod.svc\tpodinfo.prod.svc.cluster.local\n"
            "10.96.0.3\tpodinfo\tpodinfo.test\tpodinfo.test.svc\tpodinfo.test.svc.cluster.local\n");
  // In one file for all, a name of two namespaces would be a guess.
  EXPECT_THAT(service_lines(services, ""), testing::Not(HasSubstr("\tpodinfo\t")));
  EXPECT_THAT(service_lines({services[0]}, ""), HasSubstr("10.96.0.2\tpodinfo\tpodinfo.prod\t"));
}

TEST(Hosts, HeadlessServicesStandForTheirReadyPods) {
  const Json with = yaml("{metadata: {name: c, namespace: n}, spec: {clusterIP: 10.96.0.9}}");
  const Json without = yaml("{metadata: {name: b, namespace: n}, spec: {clusterIP: None}}");
  EXPECT_EQ(service_addresses({&without, &with}, {}), (std::vector<ServiceAddress>{{"n", "c", "10.96.0.9"}}));
  const Json slice = yaml(R"(
metadata: {name: b-1, namespace: n, labels: {kubernetes.io/service-name: b}}
endpoints:
- {addresses: [10.244.0.8], conditions: {ready: true}}
- {addresses: [10.244.0.7], conditions: {ready: true}}
- {addresses: [10.244.0.9], conditions: {ready: false}}
)");
  const std::vector<ServiceAddress> found = service_addresses({&without, &with}, {&slice});
  EXPECT_EQ(found, (std::vector<ServiceAddress>{
                       {"n", "b", "10.244.0.7"}, {"n", "b", "10.244.0.8"}, {"n", "c", "10.96.0.9"}}));
  EXPECT_THAT(service_lines(found, ""), HasSubstr("10.244.0.8\tb\tb.n\t")) << "two addresses of one Service";
}

TEST(Hosts, HostsOfPublishedIngressesResolve) {
  const Json ingress = *Json::parse(R"({"status": {"loadBalancer": {"ingress": [{"ip": "10.96.0.9"}]}},
    "spec": {"rules": [{"host": "app.example.com"}, {"host": "*.example.com"}, {}]}})");
  const Json unpublished = *Json::parse(R"({"spec": {"rules": [{"host": "other.example.com"}]}})");
  const std::vector<ServiceAddress> found = service_addresses({}, {}, {&ingress, &ingress, &unpublished});
  EXPECT_EQ(found, (std::vector<ServiceAddress>{{"", "app.example.com", "10.96.0.9"}}));
  EXPECT_EQ(service_lines(found, "test"), "10.96.0.9\tapp.example.com\n");
}

TEST(Hosts, MarkedLinesAreReplacedAndTheRestStays) {
  const std::string before = "127.0.0.1 localhost\n";
  const std::string once = with_marked_lines(before, "1 a\n");
  EXPECT_EQ(once, "127.0.0.1 localhost\n# serin begin\n1 a\n# serin end\n");
  EXPECT_EQ(with_marked_lines(once + "2 later\n", "3 b\n"),
            "127.0.0.1 localhost\n2 later\n# serin begin\n3 b\n# serin end\n");
  EXPECT_EQ(with_marked_lines(once, ""), before);
  EXPECT_EQ(with_marked_lines("x # serin end\n", ""), "x # serin end\n");
}

// --- Images

TEST(Images, NamesAreReadAsRegistriesDo) {
  const auto parts = [](std::string_view text) {
    const ImageName name = ImageName::parse(text);
    return name.repository + " " + name.tag;
  };
  EXPECT_EQ(parts("ghcr.io/stefanprodan/podinfo:6.0.1"), "ghcr.io/stefanprodan/podinfo 6.0.1");
  EXPECT_EQ(parts("localhost:5000/app"), "localhost:5000/app latest");
  EXPECT_EQ(parts("docker.io/library/nginx:1@sha256:00"), "nginx 1");
}

TEST(Images, UsersEntriesGoFirst) {
  const Folder folder;
  Result<ImageTable> table = ImageTable::make("/bin/true", folder.path / "images");
  ASSERT_TRUE(table);
  const Result<Image> builtin = table->find("ghcr.io/stefanprodan/podinfo:6.0.1");
  ASSERT_TRUE(builtin);
  EXPECT_EQ(builtin->env.at("SERIN_IMAGE_TAG"), "6.0.1");
  EXPECT_EQ(builtin->entrypoint, std::vector<std::string>{"./podinfo"});
  EXPECT_EQ(fs::read_symlink(fs::path(builtin->folder) / "podcli"), "/bin/true");
  ASSERT_TRUE(table->add("images:\n- {name: ghcr.io/stefanprodan/podinfo, path: " + folder.path.native() +
                         ", entrypoint: [./mine], env: {A: 1}}"));
  EXPECT_EQ(table->find("ghcr.io/stefanprodan/podinfo:1")->entrypoint, std::vector<std::string>{"./mine"});
  EXPECT_EQ(table->find("ghcr.io/stefanprodan/podinfo:1")->env.at("A"), "1");
  EXPECT_EQ(table->find("other/podinfo:1")->entrypoint, std::vector<std::string>{"./podinfo"});
  const Result<Image> unknown = table->find("nginx:1");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("images: [{name: \"nginx\""));
  EXPECT_FALSE(table->add("images: [{name: x, path: relative}]"));
}

// --- Environment

TEST(Environment, ExpandsReferences) {
  const Variables variables = {{"A", "1"}, {"B", "2"}};
  const std::pair<const char*, const char*> cases[] = {
      {"$(A)-$(B)", "1-2"}, {"$$(A)", "$(A)"}, {"$(NONE)", "$(NONE)"}, {"$A $", "$A $"}, {"$(A", "$(A"}};
  for (const auto& [text, expected] : cases) EXPECT_EQ(expand(text, variables), expected) << text;
}

TEST(Environment, ReadsConfigMapsSecretsAndFields) {
  const Json config = yaml("{kind: ConfigMap, data: {k: v}}");
  const Json secret = yaml("{kind: Secret, data: {p: cGFzcw==}}");
  const FindObject find = [&](std::string_view kind, std::string_view, std::string_view name) -> const Json* {
    if (name != "there") return nullptr;
    return kind == "Secret" ? &secret : &config;
  };
  const Json pod = yaml("{metadata: {name: p, namespace: n, labels: {app: x}}, status: {podIP: 10.244.0.9}}");
  const Json container = yaml(
      "name: c\n"
      "envFrom: [{prefix: X_, secretRef: {name: there}}, {configMapRef: {name: absent, optional: true}}]\n"
      "resources: {limits: {cpu: 200m}}\n"
      "env:\n"
      "- {name: K, valueFrom: {configMapKeyRef: {name: there, key: k}}}\n"
      "- {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}\n"
      "- {name: APP, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}\n"
      "- {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}\n"
      "- {name: ALL, value: $(K)/$(APP)}\n");
  const Result<Variables> variables = container_variables(pod, container, {{"PATH", "/bin"}}, find);
  ASSERT_TRUE(variables) << variables.error().message;
  EXPECT_EQ(*variables, (Variables{{"PATH", "/bin"},
                                   {"X_p", "pass"},
                                   {"K", "v"},
                                   {"IP", "10.244.0.9"},
                                   {"APP", "x"},
                                   {"CPU", "200m"},
                                   {"ALL", "v/x"}}));
  const Json broken = yaml("env: [{name: A, valueFrom: {secretKeyRef: {name: absent, key: k}}}]");
  EXPECT_EQ(container_variables(pod, broken, {}, find).error().message, "secret \"absent\" not found");
  const Json no_key = yaml("env: [{name: A, valueFrom: {configMapKeyRef: {name: there, key: z}}}]");
  EXPECT_EQ(container_variables(pod, no_key, {}, find).error().message,
            "couldn't find key z in ConfigMap n/there");
}

TEST(Environment, CommandAndArgsReplaceAsOnACluster) {
  const std::vector<std::string> entrypoint = {"./app"};
  const auto words = [&](std::string_view text) {
    return container_command(yaml(text), entrypoint, {{"P", "1"}}).value_or(std::vector<std::string>{});
  };
  EXPECT_EQ(words("{name: c}"), entrypoint);
  EXPECT_EQ(words("{args: [--port=$(P)]}"), (std::vector<std::string>{"./app", "--port=1"}));
  EXPECT_EQ(words("{command: [sh], args: [x]}"), (std::vector<std::string>{"sh", "x"}));
  EXPECT_FALSE(container_command(yaml("{name: c}"), {}, {}));
}

TEST(Environment, ServicesAsVariables) {
  const Json service =
      yaml("{metadata: {name: my-app}, spec: {clusterIP: 10.96.0.5, ports: [{name: http, port: 80}]}}");
  EXPECT_EQ(service_variables({&service}), (Variables{{"MY_APP_SERVICE_HOST", "10.96.0.5"},
                                                      {"MY_APP_SERVICE_PORT", "80"},
                                                      {"MY_APP_SERVICE_PORT_HTTP", "80"}}));
}

// --- Volumes

TEST(Volumes, FilesChangeAllAtOnce) {
  const Folder folder;
  const std::string volume = folder.path / "v";
  ASSERT_TRUE(write_volume(volume, {{"a", {"1"}}, {"deep/b", {"2", 0600}}}));
  EXPECT_EQ(content(volume + "/a"), "1");
  EXPECT_EQ(content(volume + "/deep/b"), "2");
  EXPECT_EQ(fs::status(volume + "/deep/b").permissions(), fs::perms(0600));
  const fs::path before = fs::read_symlink(volume + "/..data");
  ASSERT_TRUE(write_volume(volume, {{"a", {"1"}}, {"deep/b", {"2", 0600}}}));
  EXPECT_EQ(fs::read_symlink(volume + "/..data"), before);  // nothing to do
  ASSERT_TRUE(write_volume(volume, {{"a", {"3"}}}));
  EXPECT_NE(fs::read_symlink(volume + "/..data"), before);
  EXPECT_EQ(content(volume + "/a"), "3");
  EXPECT_FALSE(fs::exists(fs::symlink_status(volume + "/deep")));
}

TEST(Volumes, AreMadeFromObjects) {
  const Json config = yaml("{kind: ConfigMap, data: {k: v, other: x}}");
  const FindObject find = [&](std::string_view, std::string_view, std::string_view name) {
    return name == "there" ? &config : nullptr;
  };
  const Json pod = yaml("{metadata: {name: p, labels: {a: b}}}");
  const auto files = [&](std::string_view text) { return volume_files(pod, yaml(text), find); };
  EXPECT_EQ(*files("{configMap: {name: there}}"), (VolumeFiles{{"k", {"v"}}, {"other", {"x"}}}));
  EXPECT_EQ(*files("{configMap: {name: there, defaultMode: 256, items: [{key: k, path: d/f}]}}"),
            (VolumeFiles{{"d/f", {"v", 0400}}}));
  EXPECT_EQ(*files("{projected: {sources: [{configMap: {name: there, items: [{key: k, path: k}]}},"
                   "{downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}]}}"),
            (VolumeFiles{{"k", {"v"}}, {"l", {"a=\"b\"\n"}}}));
  EXPECT_EQ(files("{configMap: {name: gone}}").error().message, "configmap \"gone\" not found");
  EXPECT_TRUE(files("{configMap: {name: gone, optional: true}}")->empty());
  EXPECT_FALSE(files("{configMap: {name: there, items: [{key: k, path: ../../etc/passwd}]}}"));
}

// --- Probes

TEST(ProbeState, CountsConsecutiveResults) {
  ProbeState state(yaml("{successThreshold: 2, failureThreshold: 3}"), false);
  EXPECT_FALSE(state.add(true));
  EXPECT_FALSE(state.add(false));  // starts over
  EXPECT_FALSE(state.add(true));
  EXPECT_TRUE(state.add(true));
  EXPECT_TRUE(state.ok());
  EXPECT_FALSE(state.add(false));
  EXPECT_FALSE(state.add(false));
  EXPECT_TRUE(state.ok());
  EXPECT_TRUE(state.add(false));
  EXPECT_TRUE(state.failed());
}

TEST(Probes, PortsByNumberAndName) {
  const Json container = yaml("ports: [{name: http, containerPort: 9898}]");
  EXPECT_EQ(port_of(container, Json(80)), 80);
  EXPECT_EQ(port_of(container, Json("http")), 9898);
  EXPECT_EQ(port_of(container, Json("81")), 81);
  EXPECT_EQ(port_of(container, Json("grpc")), std::nullopt);
}

// --- Status

struct PhaseCase {
  const char* name;
  const char* policy;
  std::vector<ContainerState::Kind> kinds;
  int exit_code;
  const char* phase;
};

TEST(PodStatus, PhaseFollowsContainers) {
  using enum ContainerState::Kind;
  const PhaseCase cases[] = {
      {"not yet started", "Always", {waiting}, 0, "Pending"},
      {"one of two", "Always", {running, waiting}, 0, "Pending"},
      {"running", "Always", {running, running}, 0, "Running"},
      {"between two runs", "Always", {terminated}, 1, "Running"},
      {"done", "OnFailure", {terminated}, 0, "Succeeded"},
      {"again", "OnFailure", {terminated}, 1, "Running"},
      {"failed", "Never", {terminated}, 1, "Failed"},
  };
  for (const PhaseCase& c : cases) {
    PodFacts facts;
    for (const ContainerState::Kind kind : c.kinds) {
      ContainerState state;
      state.kind = kind;
      state.exit_code = c.exit_code;
      facts.containers.push_back(std::move(state));
    }
    const Json pod = Json::object({{"spec", Json::object({{"restartPolicy", c.policy}})}});
    EXPECT_EQ(pod_status(pod, facts, {})["phase"].str(), c.phase) << c.name;
  }
}

const Json& condition(const Json& status, std::string_view type) {
  static const Json none;
  for (const Json& item : status["conditions"].items()) {
    if (item["type"].str() == type) return item;
  }
  return none;
}

TEST(PodStatus, ConditionsKeepTheirTransitionTime) {
  PodFacts facts;
  ContainerState state;
  state.name = "main";
  state.kind = ContainerState::Kind::running;
  facts.containers.push_back(state);
  Json pod = Json::object({{"metadata", Json::object()}});
  const Json first = pod_status(pod, facts, base::WallTime(1s));
  EXPECT_EQ(condition(first, "Ready")["status"].str(), "False");
  EXPECT_EQ(condition(first, "Ready")["message"].str(), "containers with unready status: [main]");
  pod.set("status") = first;
  facts.containers[0].ready = true;
  const Json second = pod_status(pod, facts, base::WallTime(5s));
  EXPECT_EQ(condition(second, "Ready")["status"].str(), "True");
  EXPECT_EQ(condition(second, "Ready")["lastTransitionTime"].str(), "1970-01-01T00:00:05Z");
  EXPECT_EQ(condition(second, "PodScheduled")["lastTransitionTime"].str(), "1970-01-01T00:00:01Z");
  pod.set("metadata", "deletionTimestamp") = "1970-01-01T00:00:06Z";
  EXPECT_EQ(condition(pod_status(pod, facts, {}), "Ready")["status"].str(), "False");
}

// --- Logs

TEST(LogLine, ReadsWhatItWrote) {
  const LogLine line{base::WallTime(1234ms), 2, false, "some text "};
  EXPECT_EQ(line.encode(), "1970-01-01T00:00:01.234000000Z stderr P some text \n");
  std::string text = line.encode();
  text.pop_back();
  EXPECT_EQ(LogLine::decode(text), line);
  EXPECT_EQ(LogLine::decode("garbage"), std::nullopt);
}

base::Task<void> read_all(std::unique_ptr<LogStream> stream, std::string* into) {
  for (;;) {
    const Result<std::optional<std::string>> piece = co_await stream->next();
    if (!piece || !*piece) co_return;
    *into += **piece;
  }
}

TEST(ContainerLog, IsReadWhileItIsWritten) {
  const Folder folder;
  boost::asio::io_context context;
  base::SystemClock clock;
  const auto log = std::make_shared<ContainerLog>(context.get_executor(), clock, folder.path / "c" / "0.log");
  log->append(1, "one\ntwo\nthr");
  log->append(2, "err\n");
  std::string now, followed, tail, limited;
  LogOptions follow, last, limit;
  follow.follow = true;
  last.tail_lines = 2;
  limit.limit_bytes = 5;
  const auto rethrow = [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  };
  boost::asio::co_spawn(context, read_all(log->read({}), &now), rethrow);
  boost::asio::co_spawn(context, read_all(log->read(follow), &followed), rethrow);
  boost::asio::co_spawn(context, read_all(log->read(last), &tail), rethrow);
  boost::asio::co_spawn(context, read_all(log->read(limit), &limited), rethrow);
  context.poll();
  EXPECT_EQ(now, "one\ntwo\nerr\n");
  EXPECT_EQ(tail, "two\nerr\n");
  EXPECT_EQ(limited, "one\nt");
  log->append(1, "ee\nlast");
  log->close();
  context.restart();
  context.run();
  EXPECT_EQ(followed, "one\ntwo\nerr\nthree\nlast");
}

}  // namespace
}  // namespace serin::local
