#include "local/metrics/prometheus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fstream>
#include <iterator>

#include "base/yaml.h"
#include "http/server.h"
#include "kube/fake_api_for_tests.h"

namespace serin::local {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr const char* pods = R"(
metadata:
  name: podinfo-5d-x
  namespace: test
  labels: {app: podinfo, pod-template-hash: 5d, app.kubernetes.io/name: podinfo}
  ownerReferences: [{kind: ReplicaSet, name: podinfo-5d, controller: true}]
status: {phase: Running, podIP: 10.244.0.7}
---
metadata: {name: finished, namespace: test}
status: {phase: Succeeded, podIP: 10.244.0.8}
---
metadata: {name: without-address, namespace: test}
status: {phase: Pending}
)";
constexpr const char* replica_sets = R"(
metadata: {name: podinfo-5d, namespace: test, ownerReferences: [{kind: Deployment, name: podinfo, controller: true}]}
)";

std::vector<std::shared_ptr<const Json>> objects(const char* yaml) {
  std::vector<std::shared_ptr<const Json>> list;
  for (Json& each : base::parse_yaml(yaml).value())
    list.push_back(std::make_shared<const Json>(std::move(each)));
  return list;
}

TEST(ScrapeTargets, LabelsPodsAsLinkerdVizDoes) {
  const auto targets = scrape_targets(objects(pods), objects(replica_sets), "127.0.0.1:4191");
  const std::vector<ScrapeTarget> expected = {{{"__address__", "127.0.0.1:4191"},
                                               {"__metrics_path__", "/pods/test/podinfo-5d-x/metrics"},
                                               {"job", "linkerd-proxy"},
                                               {"instance", "10.244.0.7:4191"},
                                               {"namespace", "test"},
                                               {"pod", "podinfo-5d-x"},
                                               {"deployment", "podinfo"},
                                               {"control_plane_ns", "linkerd"},
                                               {"workload_ns", "test"},
                                               {"app", "podinfo"},
                                               {"pod_template_hash", "5d"},
                                               {"app_kubernetes_io_name", "podinfo"}}};
  EXPECT_EQ(targets, expected);
  const Json file = Json::parse(target_file_text(targets)).value();
  EXPECT_EQ(file.at(0)["targets"], Json::array({"127.0.0.1:4191"}));
  EXPECT_EQ(file.at(0).get("labels", "deployment").str(), "podinfo");
}

TEST(ScrapeTargets, GivesPrometheusNamesItTakes) {
  EXPECT_EQ(label_name("app.kubernetes.io/name"), "app_kubernetes_io_name");
  EXPECT_EQ(label_name("2048_game"), "_2048_game")
      << "one that it refuses would cost all targets of the file";
}

TEST(ScrapeTargets, NamesTheDaemonSetThatOwnsAPod) {
  const auto targets = scrape_targets(objects(R"(
metadata: {name: agent-x, namespace: test, ownerReferences: [{kind: DaemonSet, name: agent, controller: true}]}
status: {phase: Running, podIP: 10.244.0.9}
)"),
                                      {}, "127.0.0.1:4191");
  ASSERT_EQ(targets.size(), 1u);
  EXPECT_EQ(targets[0].at("daemonset"), "agent");
  EXPECT_FALSE(targets[0].contains("deployment"));
}

/// These pods and replica sets, for ever.
class PodsApi final : public kube::Api {
 public:
  explicit PodsApi(base::Clock& clock) : rest_(clock) {}

  Task<Result<kube::List>> list(kube::Resource resource, std::string, kube::ListOptions) override {
    kube::List list{.resource_version = "1"};
    for (const auto& each : objects(resource.plural == "pods" ? pods : replica_sets)) {
      list.items.push_back(*each);
    }
    co_return list;
  }
  Task<Result<std::unique_ptr<kube::Watch>>> watch(kube::Resource resource, std::string ns,
                                                   std::string version, kube::ListOptions options) override {
    return rest_.watch(resource, ns, version, options);
  }
  Task<Result<Json>> get(kube::Resource resource, std::string ns, std::string name) override {
    return rest_.get(resource, ns, name);
  }
  Task<Result<Json>> create(kube::Resource resource, std::string ns, Json object,
                            kube::WriteOptions options) override {
    return rest_.create(resource, ns, object, options);
  }
  Task<Result<Json>> replace(kube::Resource resource, Json object, std::string subresource,
                             kube::WriteOptions options) override {
    return rest_.replace(resource, object, subresource, options);
  }
  Task<Result<Json>> patch(kube::Resource resource, std::string ns, std::string name, kube::PatchType type,
                           Json patch, std::string subresource, kube::WriteOptions options) override {
    return rest_.patch(resource, ns, name, type, patch, subresource, options);
  }
  Task<Result<void>> remove(kube::Resource resource, std::string ns, std::string name,
                            kube::DeleteOptions options) override {
    return rest_.remove(resource, ns, name, options);
  }
  Task<Result<Json>> get_path(std::string path) override { return rest_.get_path(path); }

 private:
  kube::testing::FakeApi rest_;  // watches hang, the rest is not found
};

std::uint16_t free_port(asio::io_context& context) {
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::make_address_v4("127.0.0.1"), 0});
  return acceptor.local_endpoint().port();
}

class PrometheusTest : public testing::Test {
 protected:
  PrometheusTest() : tasks_(context_.get_executor()), api_(clock_) {
    directory_ = fs::temp_directory_path() / ("serin-prometheus-" + std::to_string(::getpid()) + "-" +
                                              testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(directory_);
    client_ = http::make_client(context_.get_executor(), {}).value();
    spawner_ = make_spawner(context_.get_executor());
    options_ = {.directory = directory_, .port = free_port(context_), .metrics_address = "127.0.0.1:1"};
  }
  ~PrometheusTest() override {
    stop();
    fs::remove_all(directory_);
  }

  void stop() {
    tasks_.cancel();
    finish(tasks_.join());
  }
  struct Stop {
    PrometheusTest& test;
    ~Stop() { test.stop(); }
  };

  void make() {
    prometheus_.emplace(options_, *spawner_, *client_, api_, clock_, random_, base::Logger(),
                        context_.get_executor());
  }
  template <class T>
  T finish(Task<T> task) {
    std::optional<T> result;
    asio::co_spawn(context_, std::move(task), [&result](std::exception_ptr error, T value) {
      EXPECT_FALSE(error);
      result.emplace(std::move(value));
    });
    while (!result) context_.run_one();
    return std::move(*result);
  }
  void finish(Task<void> task) {
    bool ended = false;
    asio::co_spawn(context_, std::move(task), [&ended](std::exception_ptr) { ended = true; });
    while (!ended) context_.run_one();
  }
  Result<http::Response> get(const std::string& target) {
    http::Request request{.url = http::Url::parse(prometheus_->url() + target).value()};
    return finish(client_->send(std::move(request), {.timeout = 5s}));
  }
  /// The value of an instant query as text; empty while there is none.
  std::string query(const std::string& promql) {
    const Result<http::Response> response = get("/api/v1/query?query=" + http::percent_encode(promql));
    if (!response) return {};
    const Result<Json> json = Json::parse(response->body);
    return json ? json->get("data", "result").at(0)["value"].at(1).str() : std::string();
  }
  template <class Condition>
  bool reached(Condition condition, base::Duration within) {
    const base::MonoTime deadline = clock_.now() + within;
    for (bool met = condition(); true; met = condition()) {
      if (met || clock_.now() >= deadline) return met;
      context_.run_one_for(50ms);
    }
  }

  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(context_);
  base::SystemClock clock_;
  base::Random random_{1};
  base::TaskGroup tasks_;
  PodsApi api_;
  fs::path directory_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<Spawner> spawner_;
  PrometheusOptions options_;
  std::optional<Prometheus> prometheus_;
};

TEST_F(PrometheusTest, SaysWhatToInstall) {
  options_.program = "/nonexistent/prometheus";
  make();
  const Result<void> started = finish(prometheus_->start());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::not_found);
  EXPECT_THAT(started.error().message, HasSubstr("install Prometheus"));
}

TEST_F(PrometheusTest, TellsWhyItEnded) {
  options_.program = "/bin/sh";  // knows none of these flags
  make();
  const Result<void> started = finish(prometheus_->start());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::unavailable);
  EXPECT_THAT(started.error().message, HasSubstr("prometheus exited with 2 before it was ready"));
}

/// A page whose counters rise at each scrape: nine successes and a failure.
class RisingPage {
 public:
  Task<void> answer(http::Request request, http::Responder& responder) {
    ++scrapes_;
    http::Response page;
    page.headers.set("Content-Type", "text/plain");
    if (request.url.target == "/pods/test/podinfo-5d-x/metrics") {
      const std::string labels = R"(response_total{direction="inbound",status_code=)";
      page.body = "# TYPE response_total counter\n" + labels + R"("200",classification="success"} )" +
                  std::to_string(9 * scrapes_) + "\n" + labels + R"("500",classification="failure"} )" +
                  std::to_string(scrapes_) + "\n";
    } else {
      page.status = 404;
    }
    const auto sent = co_await responder.send(std::move(page));
    (void)sent;
  }

 private:
  int scrapes_ = 0;
};

/// Real processes, of which the last can be got at.
class RecordingSpawner final : public Spawner {
 public:
  explicit RecordingSpawner(Spawner& real) : real_(real) {}
  Result<std::unique_ptr<Child>> spawn(std::vector<std::string> command, fs::path log_file) override {
    auto child = real_.spawn(std::move(command), std::move(log_file));
    if (child) last = child->get();
    ++count;
    return child;
  }
  Child* last = nullptr;
  int count = 0;

 private:
  Spawner& real_;
};

TEST_F(PrometheusTest, ScrapesPodsAnswersQueriesAndComesBack) {
  if (::access(options_.program.c_str(), X_OK) != 0) GTEST_SKIP() << "prometheus is not installed";
  RisingPage page;
  const http::Handler handler = [&page](http::Request request, http::Responder& responder) {
    return page.answer(std::move(request), responder);
  };
  auto server = http::make_server(context_.get_executor(), {}, handler, {});
  ASSERT_TRUE(server);
  tasks_.spawn((*server)->run());
  options_.metrics_address = "127.0.0.1:" + std::to_string((*server)->port());
  RecordingSpawner spawner(*spawner_);
  prometheus_.emplace(options_, spawner, *client_, api_, clock_, random_, base::Logger(),
                      context_.get_executor());
  const Result<void> started = finish(prometheus_->start());
  ASSERT_TRUE(started) << started.error().message;
  tasks_.spawn(prometheus_->run());
  const Stop stop{*this};  // before what the tasks refer to goes

  // The success rate as the controller asks for it (spec 08 §6.1).
  const std::string all = R"(namespace="test",deployment=~"podinfo",direction="inbound")";
  const std::string ratio = "sum(rate(response_total{" + all + ",classification!=\"failure\"}[30s])) / " +
                            "sum(rate(response_total{" + all + "}[30s])) * 100";
  EXPECT_TRUE(reached([&] { return query(ratio) == "90"; }, 30s)) << query(ratio);

  // Ended by somebody, it is started again and remembers.
  spawner.last->terminate();
  EXPECT_TRUE(reached([&] { return spawner.count == 2 && query(ratio) == "90"; }, 30s));
}

}  // namespace
}  // namespace serin::local
