#include "tests/kubernetes/rig.h"

#include <fmt/format.h>

#include <cstdlib>

#include "http/client.h"
#include "tests/kubernetes/account.h"
#include "tests/kubernetes/expectation.h"

namespace serin::kubernetes_test {

namespace resources = kube::resources;
using base::fail;
using base::Json;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

namespace {

/// Returns when the API server answers for this kind: a moment after its CRD was accepted.
Task<Result<void>> wait_served(kube::Api* api, base::Clock* clock, Json crd) {
  const Json& spec = crd["spec"];
  const kube::Resource kind{.group = spec["group"].str(),
                            .version = spec["versions"].at(0)["name"].str(),
                            .plural = spec.get("names", "plural").str(),
                            .kind = spec.get("names", "kind").str()};
  for (const base::MonoTime deadline = clock->now() + 30s;;) {
    const Result<kube::List> list = co_await api->list(kind, "", {.limit = 1});
    if (list) co_return Result<void>{};
    if (clock->now() > deadline) co_return fail(list.error().within(kind.kind));
    co_await clock->sleep_for(50ms);
  }
}

Task<Result<void>> apply_crds(kube::Api* api, base::Clock* clock, std::filesystem::path folder) {
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
    if (file.path().extension() != ".yaml") continue;
    const Result<Objects> objects = read_objects(file.path());
    if (!objects) co_return fail(objects.error());
    for (const auto& [name, crd] : *objects) {
      Result<void> applied = co_await apply_crd(api, clock, crd);
      if (!applied) co_return applied;
    }
  }
  co_return Result<void>{};
}

}  // namespace

Task<Result<void>> apply_crd(kube::Api* api, base::Clock* clock, Json crd) {
  const Result<Json> made = co_await api->create(resources::crds, "", crd, {});
  if (!made) co_return fail(made.error().within(kube::name_of(crd)));
  co_return co_await wait_served(api, clock, std::move(crd));
}

Rig::Rig(Setting setting, base::Executor executor)
    : setting_(std::move(setting)),
      executor_(executor),
      random_(base::Random::from_system()),
      server_(make_server({setting_.folder, executor_, clock_, random_, setting_.control_plane})),
      receiver_(clock_, executor_),
      spawner_(local::make_spawner(executor_)),
      services_(executor_) {}

std::string Rig::webhooks() const {
  return fmt::format("127.0.0.1:{}", hook_server_->port());
}

std::string Rig::prometheus() const {
  return fmt::format("http://127.0.0.1:{}", metrics_server_->port());
}

Task<Result<void>> Rig::start() {
  Result<void> done = co_await server_->start();
  if (!done) co_return done;
  done = co_await apply_crds(&server_->api(), &clock_, setting_.source / "deploy/crds");
  if (!done) co_return done;
  done = start_services();
  if (!done) co_return done;
  done = co_await node_->join_cluster();
  if (!done) co_return done;
  const Result<std::filesystem::path> kubeconfig = co_await make_account();
  if (!kubeconfig) co_return fail(kubeconfig.error());
  co_return start_controller(*kubeconfig);
}

Task<void> Rig::stop() {
  controller_.reset();
  services_.cancel();
  co_await services_.join();
  co_await server_->stop();
}

/// Who the controller is; the administrator where there are no roles.
Task<Result<std::filesystem::path>> Rig::make_account() {
  if (server_->has_roles()) {
    co_return co_await install_account(&server_->api(), setting_.source / "deploy/controller",
                                       server_->kubeconfig());
  }
  Json ns = Json::object({{"metadata", Json::object({{"name", "flagger-system"}})}});
  const Result<Json> made = co_await server_->api().create(resources::namespaces, "", std::move(ns), {});
  if (!made) co_return fail(made.error());
  co_return server_->kubeconfig();
}

Result<void> Rig::start_services() {
  auto metrics = http::make_server(
      executor_, {},
      [this](http::Request request, http::Responder& responder) {
        return metrics_.serve(std::move(request), responder);
      },
      base::Logger());
  auto hooks = http::make_server(
      executor_, {},
      [this](http::Request request, http::Responder& responder) {
        return receiver_.serve(std::move(request), responder);
      },
      base::Logger());
  if (!metrics) return fail(metrics.error());
  if (!hooks) return fail(hooks.error());
  metrics_server_ = std::move(*metrics);
  hook_server_ = std::move(*hooks);
  node_ = std::make_unique<NodeStandIn>(server_->api(), clock_, random_, executor_);
  services_.spawn(metrics_server_->run());
  services_.spawn(hook_server_->run());
  services_.spawn(node_->run());
  return {};
}

Result<void> Rig::start_controller(const std::filesystem::path& kubeconfig) {
  const auto port = free_ports(1);
  if (!port) return fail(port.error());
  controller_port_ = port->front();
  auto child = spawner_->spawn(
      {setting_.serin.string(), "controller", "-kubeconfig", kubeconfig.string(), "-mesh-provider=linkerd",
       "-enable-leader-election", "-leader-election-namespace=flagger-system",
       "-metrics-server=" + prometheus(), fmt::format("-event-webhook=http://{}/events", webhooks()), "-port",
       std::to_string(controller_port_)},
      setting_.folder / "controller.log");
  if (!child) return fail(child.error());
  controller_ = std::move(*child);
  return {};
}

Task<Result<double>> Rig::controller_metric(std::string series) {
  auto client = http::make_client(executor_, {});
  if (!client) co_return fail(client.error());
  const std::string url = fmt::format("http://127.0.0.1:{}/metrics", controller_port_);
  http::Request request{.url = http::Url::parse(url).value()};
  const Result<http::Response> answer = co_await (*client)->send(std::move(request), {});
  if (!answer) co_return fail(answer.error());
  const std::string line = "\n" + series + " ";
  const auto at = answer->body.find(line);
  if (at == std::string::npos) co_return fail(base::Errc::not_found, "no metric " + series);
  co_return std::strtod(answer->body.c_str() + at + line.size(), nullptr);
}

}  // namespace serin::kubernetes_test
