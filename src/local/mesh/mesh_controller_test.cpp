#include "local/mesh/mesh_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <thread>

#include "base/yaml.h"
#include "local/mesh/mesh_proxy.h"

namespace serin::local {
namespace {

namespace asio = boost::asio;
using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;
using testing::HasSubstr;

/// As much of the API as a controller needs that only looks. A resource without a list is not served.
class FakeApi final : public kube::Api {
 public:
  explicit FakeApi(base::Executor executor) : executor_(std::move(executor)) {
    for (const char* plural :
         {"services", "endpointslices", "pods", "replicasets", "ingresses", "customresourcedefinitions"}) {
      serve(plural);
    }
  }

  void serve(const std::string& plural) { kinds_.try_emplace(plural, executor_); }
  void put(const std::string& plural, Json object) {
    Kind& kind = kinds_.at(plural);
    object.set("metadata", "resourceVersion") = std::to_string(++version_);
    kind.objects[kube::ref_of(object)] = object;
    kind.events.push_back({kube::WatchEventType::modified, std::move(object)});
    kind.wakeup.notify();
  }

  Task<Result<kube::List>> list(kube::Resource resource, std::string, kube::ListOptions) override {
    const auto kind = kinds_.find(resource.plural);
    if (kind == kinds_.end())
      co_return fail(Errc::not_found, "the server could not find the requested resource");
    kube::List list{.resource_version = "1"};
    for (const auto& [ref, object] : kind->second.objects) list.items.push_back(object);
    kind->second.events.clear();
    co_return list;
  }
  Task<Result<std::unique_ptr<kube::Watch>>> watch(kube::Resource resource, std::string, std::string,
                                                   kube::ListOptions) override {
    std::unique_ptr<kube::Watch> watch = std::make_unique<Events>(kinds_.at(resource.plural));
    co_return std::move(watch);
  }

  Task<Result<Json>> get(kube::Resource, std::string, std::string) override { return refuse<Json>(); }
  Task<Result<Json>> create(kube::Resource, std::string, Json, kube::WriteOptions) override {
    return refuse<Json>();
  }
  Task<Result<Json>> replace(kube::Resource, Json, std::string, kube::WriteOptions) override {
    return refuse<Json>();
  }
  Task<Result<Json>> patch(kube::Resource resource, std::string ns, std::string name, kube::PatchType,
                           Json patch, std::string subresource, kube::WriteOptions) override {
    EXPECT_EQ(subresource, "status");
    Json object = kinds_.at(resource.plural).objects.at({ns, name});
    EXPECT_EQ(kube::resource_version_of(patch), kube::resource_version_of(object));
    object.set("status") = patch["status"];
    put(resource.plural, object);
    ++patches;
    co_return object;
  }
  Task<Result<void>> remove(kube::Resource, std::string, std::string, kube::DeleteOptions) override {
    return refuse<void>();
  }
  Task<Result<Json>> get_path(std::string) override { return refuse<Json>(); }
  int patches = 0;

 private:
  struct Kind {
    explicit Kind(base::Executor executor) : wakeup(std::move(executor)) {}
    std::map<kube::ObjectRef, Json> objects;
    std::deque<kube::WatchEvent> events;
    base::Wakeup wakeup;
  };

  class Events final : public kube::Watch {
   public:
    explicit Events(Kind& kind) : kind_(kind) {}
    Task<Result<std::optional<kube::WatchEvent>>> next() override {
      while (kind_.events.empty()) co_await kind_.wakeup.wait();
      std::optional<kube::WatchEvent> event = std::move(kind_.events.front());
      kind_.events.pop_front();
      co_return event;
    }

   private:
    Kind& kind_;
  };

  template <class T>
  static Task<Result<T>> refuse() {
    co_return fail(Errc::rejected, "not in this test");
  }

  base::Executor executor_;
  std::map<std::string, Kind> kinds_;
  int version_ = 1;
};

Json object(const char* yaml) {
  return base::parse_yaml(yaml).value().at(0);
}

/// The controller, its API and the proxy's end of the channel, all on one thread.
class MeshControllerTest : public testing::Test {
 protected:
  MeshControllerTest()
      : api_(context_.get_executor()),
        controller_(api_, clock_, random_, {}, context_.get_executor()),
        tasks_(context_.get_executor()) {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    config_fd_ = pair[0];
    proxy_fd_ = pair[1];
  }

  /// Runs the context until the condition holds.
  template <class Condition>
  bool reached(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      context_.run_one_for(std::chrono::milliseconds(100));
    }
    return condition();
  }
  void TearDown() override { stop(); }
  void start() { tasks_.spawn(controller_.run(config_fd_)); }
  void stop() {
    tasks_.cancel();
    bool ended = false;
    asio::co_spawn(context_, tasks_.join(), [&ended](std::exception_ptr) { ended = true; });
    EXPECT_TRUE(reached([&ended] { return ended; }));
  }

  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(context_);
  base::SystemClock clock_;
  base::Random random_{1};
  FakeApi api_;
  MeshController controller_;
  base::TaskGroup tasks_;
  int config_fd_ = -1, proxy_fd_ = -1;
  std::jthread proxy_;
};

/// An address of this process, so that tests may run side by side.
std::string address(int last) {
  return "127." + std::to_string(97 + ::getpid() / 250 % 100) + "." + std::to_string(::getpid() % 250) + "." +
         std::to_string(last);
}

Json service() {
  Json made = object(R"(
metadata: {name: podinfo, namespace: test}
spec: {ports: [{name: http, port: 9898}]}
)");
  made.set("spec", "clusterIP") = address(1);
  return made;
}

constexpr const char* split_crd = R"(
metadata: {name: trafficsplits.split.smi-spec.io}
spec: {versions: [{name: v1alpha3, served: false}, {name: v1alpha2, served: true}]}
status: {conditions: [{type: Established, status: "True"}]}
)";
constexpr const char* split = R"(
metadata: {name: podinfo, namespace: test}
spec: {service: podinfo, backends: [{service: podinfo-primary, weight: "100"}]}
)";

TEST_F(MeshControllerTest, KeepsTheProxyUpToDate) {
  proxy_ = std::jthread([fd = proxy_fd_] { EXPECT_EQ(run_mesh_proxy({.config_fd = fd}), 0); });
  api_.put("services", service());
  start();
  ASSERT_TRUE(reached([this] { return controller_.applied() == 1; }));
  EXPECT_EQ(controller_.sent().services.size(), 1u);
  EXPECT_THAT(controller_.problems(), testing::IsEmpty());

  // The CRD comes later, and with it the splits.
  api_.serve("trafficsplits");
  api_.put("trafficsplits", object(split));
  api_.put("customresourcedefinitions", object(split_crd));
  ASSERT_TRUE(reached([this] { return controller_.applied() == 2; }));
  ASSERT_EQ(controller_.sent().services[0].split.size(), 1u);
  EXPECT_EQ(controller_.sent().services[0].split[0].weight, 100000u);

  Json without = service();
  without.set("metadata", "annotations", "irrelevant") = "change";
  api_.put("services", without);
  Json moved = service();
  moved.set("spec", "clusterIP") = address(2);
  api_.put("services", moved);
  ASSERT_TRUE(reached([this] { return controller_.sent().services[0].cluster_ip == address(2); }));
  ASSERT_TRUE(reached([this] { return controller_.applied() == controller_.sent().generation; }));
  EXPECT_EQ(controller_.applied(), 3u) << "what the proxy does not need is not sent";
}

constexpr const char* route_crd = R"(
metadata: {name: httproutes.gateway.networking.k8s.io}
spec: {versions: [{name: v1beta1, served: true}]}
status: {conditions: [{type: Established, status: "True"}]}
)";
constexpr const char* route = R"(
apiVersion: gateway.networking.k8s.io/v1beta1
kind: HTTPRoute
metadata: {name: podinfo, namespace: test, uid: u1}
spec:
  parentRefs: [{group: core, kind: Service, name: podinfo, port: 9898}]
  rules: [{matches: [{path: {value: /api}}]}]
)";

TEST_F(MeshControllerTest, AcceptsRoutesOnceTheProxyObeysThem) {
  proxy_ = std::jthread([fd = proxy_fd_] { EXPECT_EQ(run_mesh_proxy({.config_fd = fd}), 0); });
  api_.put("services", service());
  api_.serve("httproutes");
  api_.put("httproutes", object(route));
  api_.put("customresourcedefinitions", object(route_crd));
  start();
  ASSERT_TRUE(reached([this] { return api_.patches == 1; }));
  EXPECT_EQ(controller_.applied(), controller_.sent().generation);
  ASSERT_EQ(controller_.sent().services[0].routes.size(), 1u);
  EXPECT_EQ(controller_.sent().services[0].routes[0].port, 9898);

  // A version that Linkerd can't do leaves the one before in force, and the status too.
  Json mirrored = object(route);
  mirrored.set("spec", "rules").make_array().at(0).set("filters") = object("[{type: RequestMirror}]");
  api_.put("httproutes", mirrored);
  ASSERT_TRUE(reached([this] { return api_.patches == 2; })) << "the new version's status, lost by put()";
  EXPECT_EQ(controller_.applied(), 1u);
}

TEST_F(MeshControllerTest, ReportsWhatTheProxyCouldNotDo) {
  proxy_ = std::jthread([fd = proxy_fd_] { run_mesh_proxy({.config_fd = fd}); });
  Json foreign = service();
  foreign.set("spec", "clusterIP") = "192.0.2.1";  // an address for documentation: nobody has it
  api_.put("services", foreign);
  start();
  ASSERT_TRUE(reached([this] { return controller_.applied() == 1; }));
  ASSERT_EQ(controller_.problems().size(), 1u);
  EXPECT_THAT(controller_.problems()[0], HasSubstr("cannot listen on 192.0.2.1:9898: "));
}

TEST_F(MeshControllerTest, EndsWhenTheProxyDiesAndServesItsSuccessor) {
  api_.put("services", service());
  start();
  ::close(proxy_fd_);
  ASSERT_TRUE(reached([this] { return tasks_.running() == 0; }));
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  config_fd_ = pair[0];
  proxy_ = std::jthread([fd = pair[1]] { run_mesh_proxy({.config_fd = fd}); });
  start();
  EXPECT_TRUE(reached([this] { return controller_.applied() > 0; }));
}

}  // namespace
}  // namespace serin::local
