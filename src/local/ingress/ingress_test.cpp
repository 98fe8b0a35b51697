#include "local/ingress/ingress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "local/apiserver/in_process_api.h"
#include "local/ingress/nginx_pod.h"
#include "local/ingress/nginx_world_for_tests.h"

namespace serin::local {
namespace {

using base::Json;
using base::Task;
using ::testing::HasSubstr;
using testing::nginx;
using testing::OneRule;
using testing::read_text;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace res = kube::resources;

/// Stands in for `nginx -t`, and knows one thing that it refuses.
constexpr const char* picky_nginx = R"(#!/bin/sh
if grep -q no_such_directive candidate.conf; then
  echo 'nginx: [emerg] unknown directive "no_such_directive"' >&2
  exit 1
fi
)";

/// The ingress with an API in memory, and the pod's real reloader.
class IngressWorld {
  boost::asio::io_context context_;  // before all that runs on it

 public:
  using Body = std::function<Task<void>(IngressWorld&)>;

  static void run(Body body) {
    IngressWorld world;
    std::exception_ptr failure;
    boost::asio::co_spawn(world.context_, world.play(std::move(body)),
                          [&failure](std::exception_ptr error) { failure = std::move(error); });
    world.context_.run();
    if (failure) std::rethrow_exception(failure);
  }

  void create(const kube::Resource& resource, const std::string& yaml) {
    for (Json& object : base::parse_yaml(yaml).value()) {
      object.set("apiVersion") = resource.api_version();
      object.set("kind") = resource.kind;
      const std::string ns = resource.namespaced ? "test" : "";
      const auto created = registry_->create(resource, ns, std::move(object), {});
      EXPECT_TRUE(created) << created.error().message;
    }
  }
  void create(const OneRule& rule) { create(res::ingresses, rule.yaml()); }
  void set_snippet(const std::string& ingress, const std::string& snippet) {
    Json patch;
    patch.set("metadata", "annotations", "nginx.ingress.kubernetes.io/configuration-snippet") = snippet;
    const auto patched =
        registry_->patch(res::ingresses, {"test", ingress}, "", kube::PatchType::merge, patch, {});
    EXPECT_TRUE(patched) << patched.error().message;
  }
  [[nodiscard]] Json get(const kube::Resource& resource, const kube::ObjectRef& ref) const {
    const auto found = registry_->get(resource, ref);
    return found ? **found : Json();
  }
  /// Events about this Ingress.
  [[nodiscard]] std::vector<Json> events(const std::string& ingress) const {
    std::vector<Json> found;
    for (const auto& event : registry_->list(res::events, "test", {}).value().items) {
      if (event->get("involvedObject", "name").str() == ingress) found.push_back(*event);
    }
    return found;
  }
  /// The configuration that NGINX has been given.
  [[nodiscard]] std::string in_use() const { return read_text(options_.folder / "nginx.conf"); }
  /// The one that waits to be tried.
  [[nodiscard]] std::string candidate() const { return read_text(options_.folder / "candidate.conf"); }
  [[nodiscard]] bool serves(const std::string& host) const {
    return in_use().contains("server_name \"" + host + "\"");
  }
  Task<void> until(std::function<bool()> condition) {
    while (!condition()) co_await clock_.sleep_for(10ms);
  }

  /// As the pod's second container.
  void start_reloader() {
    for (const Manifest& manifest : nginx_manifests(options_.folder, options_.nginx)) {
      const Json& containers = manifest.object.get("spec", "template", "spec", "containers");
      if (containers.empty()) continue;
      std::string script = "cd '" + options_.folder.string() + "' || exit\n";
      script += containers.at(1)["command"].at(2).str();
      reloader_ = make_spawner(context_.get_executor())
                      ->spawn({"/bin/sh", "-c", script}, folder_.path / "reloader.log")
                      .value();
    }
  }

 private:
  IngressWorld() {
    options_ = {.folder = folder_.path / "ingress", .nginx = folder_.path / "nginx", .verdict_within = 2s};
    testing::write_text(options_.nginx, picky_nginx);
    fs::permissions(options_.nginx, fs::perms::owner_all);
    registry_ = std::move(Registry::open(store_, clock_, random_, {}).value());
    api_ = std::make_unique<InProcessApi>(context_.get_executor(), *registry_, clock_);
    ingress_ =
        std::make_unique<Ingress>(options_, *api_, clock_, random_, base::Logger(), context_.get_executor());
    create(res::namespaces, "metadata: {name: test}");
    create(res::services, "metadata: {name: podinfo}\nspec: {ports: [{name: http, port: 9898}]}");
    create(res::endpointslices, R"(
metadata: {name: podinfo-1, labels: {kubernetes.io/service-name: podinfo}}
addressType: IPv4
ports: [{name: http, port: 9898}]
endpoints: [{addresses: [10.244.0.9], conditions: {ready: true}}]
)");
  }

  Task<void> play(Body body) {
    const base::Result<void> started = co_await ingress_->start();
    EXPECT_TRUE(started) << started.error().message;
    group_.spawn(ingress_->run());
    const bool in_time = co_await base::run_until(clock_, clock_.now() + 60s, body(*this));
    EXPECT_TRUE(in_time) << "in use:\n" << in_use();
    group_.cancel();
    co_await group_.join();
    reloader_.reset();
  }

  base::SystemClock clock_;
  base::Random random_{1};
  testing::TemporaryFolder folder_;
  IngressOptions options_;
  MemoryStore store_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<InProcessApi> api_;
  std::unique_ptr<Ingress> ingress_;
  std::unique_ptr<Child> reloader_;
  base::TaskGroup group_{context_.get_executor()};
};

OneRule rule(const std::string& name, const std::string& snippet = {}) {
  return {.name = name,
          .host = name + ".example.com",
          .service = "podinfo",
          .annotations = snippet.empty() ? "" : nginx("configuration-snippet", snippet)};
}

Task<void> check_broken_snippet(IngressWorld& world) {
  world.start_reloader();
  world.create(rule("broken", "no_such_directive on;"));
  world.create(rule("careful", "gzip off;"));
  world.create(rule("plain"));
  co_await world.until([&] { return world.serves("plain.example.com") && !world.events("broken").empty(); });
  EXPECT_TRUE(world.serves("careful.example.com"));
  EXPECT_THAT(world.in_use(), HasSubstr("gzip off;"));
  EXPECT_TRUE(world.serves("broken.example.com")) << "with 503";
  EXPECT_THAT(world.in_use(), HasSubstr("return 503;"));
  EXPECT_FALSE(world.in_use().contains("no_such_directive"));
  const Json event = world.events("broken").at(0);
  EXPECT_EQ(event["type"].str(), "Warning");
  EXPECT_THAT(event["message"].str(), HasSubstr("unknown directive \"no_such_directive\""));
  EXPECT_TRUE(world.events("careful").empty());
  EXPECT_TRUE(world.events("plain").empty());
}

TEST(Ingress, ABrokenSnippetIsToldAndAllOthersAreServed) {
  IngressWorld::run(check_broken_snippet);
}

Task<void> check_last_good_snippet(IngressWorld& world) {
  world.start_reloader();
  world.create(rule("app", "gzip off;"));
  co_await world.until([&] { return world.in_use().contains("gzip off;"); });
  world.set_snippet("app", "no_such_directive on;");
  co_await world.until([&] { return !world.events("app").empty(); });
  world.create(rule("other"));
  co_await world.until([&] { return world.serves("other.example.com"); });
  EXPECT_THAT(world.in_use(), HasSubstr("gzip off;")) << "also with the next configuration";
  EXPECT_FALSE(world.in_use().contains("return 503"));
  EXPECT_FALSE(world.in_use().contains("no_such_directive"));
  world.set_snippet("app", "gzip on;");
  co_await world.until([&] { return world.in_use().contains("gzip on;"); });
  EXPECT_EQ(world.events("app").size(), 1U);
}

TEST(Ingress, TheLastGoodSnippetStaysInForce) {
  IngressWorld::run(check_last_good_snippet);
}

Task<void> check_note(IngressWorld& world) {
  world.start_reloader();
  OneRule orphan = rule("orphan");
  orphan.service = "nobody";
  world.create(orphan);
  co_await world.until([&] { return !world.events("orphan").empty(); });
  for (const char* name : {"one", "two", "three"}) {
    world.create(rule(name));
    const std::string host = rule(name).host;
    co_await world.until([&] { return world.serves(host); });
  }
  const std::vector<Json> events = world.events("orphan");
  EXPECT_EQ(events.size(), 1U);
  EXPECT_EQ(events.at(0)["count"].int_or(0), 1);
  EXPECT_EQ(events.at(0)["message"].str(), "there is no Service nobody: requests to it get 503");
}

TEST(Ingress, ANoteIsToldOnce) {
  IngressWorld::run(check_note);
}

std::string address_of(const Json& ingress) {
  return ingress.get("status", "loadBalancer", "ingress").at(0)["ip"].str();
}

Task<void> check_addresses(IngressWorld& world) {
  world.start_reloader();
  OneRule foreign = rule("foreign");
  foreign.annotations = "kubernetes.io/ingress.class: traefik";
  world.create(foreign);
  world.create(rule("app"));
  const auto app = [&] { return world.get(res::ingresses, {"test", "app"}); };
  co_await world.until([&] { return !address_of(app()).empty(); });
  const Json service = world.get(res::services, {std::string(ingress_namespace), std::string(ingress_name)});
  EXPECT_EQ(address_of(app()), service.get("spec", "clusterIP").str());
  EXPECT_EQ(address_of(world.get(res::ingresses, {"test", "foreign"})), "");
}

TEST(Ingress, PublishesItsAddressOnIngressesOfItsClass) {
  IngressWorld::run(check_addresses);
}

Task<void> check_late_reloader(IngressWorld& world) {
  world.create(rule("app", "no_such_directive on;"));
  world.create(rule("other"));
  const auto queued = [&] { return world.candidate().contains("other.example.com"); };
  co_await world.until(queued);
  EXPECT_FALSE(world.serves("other.example.com"));
  world.start_reloader();
  co_await world.until([&] { return world.serves("other.example.com"); });
  EXPECT_FALSE(world.in_use().contains("no_such_directive"));
}

TEST(Ingress, WaitsForItsPod) {
  IngressWorld::run(check_late_reloader);
}

Task<void> check_reloader_restart(IngressWorld& world) {
  world.start_reloader();
  world.create(rule("one"));
  co_await world.until([&] { return world.serves("one.example.com"); });
  world.start_reloader();  // the one before is killed
  world.create(rule("two"));
  co_await world.until([&] { return world.serves("two.example.com"); });
}

TEST(Ingress, GoesOnWithAPodStartedAnew) {
  IngressWorld::run(check_reloader_restart);
}

Task<void> try_start(Ingress& ingress, std::optional<base::Result<void>>* result) {
  *result = co_await ingress.start();
}

TEST(Ingress, WithoutNginxSaysWhatToInstall) {
  boost::asio::io_context context;
  base::SystemClock clock;
  base::Random random(1);
  MemoryStore store;
  const auto registry = Registry::open(store, clock, random, {}).value();
  InProcessApi api(context.get_executor(), *registry, clock);
  const testing::TemporaryFolder folder;
  Ingress ingress({.folder = folder.path / "ingress", .nginx = "/nowhere/nginx"}, api, clock, random,
                  base::Logger(), context.get_executor());
  std::optional<base::Result<void>> result;
  boost::asio::co_spawn(context, try_start(ingress, &result), [](std::exception_ptr) {});
  context.run();
  ASSERT_TRUE(result && !*result);
  EXPECT_EQ(result->error().code, base::Errc::not_found);
  EXPECT_EQ(result->error().message, "/nowhere/nginx is not installed: apt-get install nginx-light");
  EXPECT_FALSE(fs::exists(folder.path / "ingress"));
}

}  // namespace
}  // namespace serin::local
