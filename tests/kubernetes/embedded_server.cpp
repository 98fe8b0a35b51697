/// The embedded cluster's API server and controllers, over HTTPS as `serin local up` serves them.
#include <fmt/format.h>

#include "http/client.h"
#include "kube/kubeconfig.h"
#include "kube/rest_api.h"
#include "local/apiserver/credentials.h"
#include "local/apiserver/front.h"
#include "local/apiserver/in_process_api.h"
#include "local/apiserver/registry.h"
#include "local/controllers/controllers.h"
#include "tests/kubernetes/server.h"

namespace serin::kubernetes_test {

using base::fail;
using base::Result;
using base::Task;

namespace {

/// Of no nodes, where nothing runs.
class NoUsage final : public local::PodMetrics {
  std::optional<local::PodUsage> usage(const kube::ObjectRef&) const override { return std::nullopt; }
};

class EmbeddedServer final : public Server {
 public:
  explicit EmbeddedServer(Grounds grounds) : grounds_(std::move(grounds)), tasks_(grounds_.executor) {}

  Task<Result<void>> start() override {
    if (auto opened = open(); !opened) co_return opened;
    if (auto served = serve(); !served) co_return served;
    tasks_.spawn(server_->run());
    tasks_.spawn(controllers_->run());
    co_return connect();
  }
  Task<void> stop() override {
    tasks_.cancel();
    co_await tasks_.join();
  }
  kube::Api& api() override { return *api_; }
  std::filesystem::path kubeconfig() const override { return grounds_.folder / "kubeconfig"; }

  std::map<std::string, std::uint64_t> requests() const override {
    std::map<std::string, std::uint64_t> all;
    for (const local::RequestCount& each : front_->request_counts()) {
      const bool is_ours = each.agent.starts_with("serin") && each.verb != "watch";
      if (is_ours && !each.resource.starts_with("leases")) all[each.verb + " " + each.resource] += each.count;
    }
    return all;
  }
  bool has_roles() const override { return false; }
  std::vector<std::string> forbidden() const override { return {}; }

 private:
  Result<void> open() {
    auto registry = local::Registry::open(store_, grounds_.clock, grounds_.random, {});
    if (!registry) return fail(registry.error());
    registry_ = std::move(*registry);
    in_process_ = std::make_unique<local::InProcessApi>(grounds_.executor, *registry_, grounds_.clock);
    controllers_ = std::make_unique<local::Controllers>(*in_process_, grounds_.clock, grounds_.random,
                                                        base::Logger(), usage_, grounds_.executor);
    return {};
  }

  Result<void> serve() {
    auto credentials = local::ensure_credentials((grounds_.folder / "credentials").string(), grounds_.clock);
    if (!credentials) return fail(credentials.error());
    front_ = std::make_unique<local::Front>(grounds_.executor, *registry_, grounds_.clock, grounds_.random,
                                            local::FrontOptions{.tokens = {credentials->token}});
    http::ServerOptions options;
    options.tls = http::ServerTls{credentials->server.certificate_pem, credentials->server.key_pem,
                                  credentials->ca_pem};
    auto server = http::make_server(grounds_.executor, std::move(options), front_->handler(), base::Logger());
    if (!server) return fail(server.error());
    server_ = std::move(*server);
    const std::string url = fmt::format("https://127.0.0.1:{}", server_->port());
    return local::write_private_file(kubeconfig().string(), kubeconfig_text(*credentials, url, "test"));
  }

  Result<void> connect() {
    const Result<kube::Connection> connection = kube::read_kubeconfig(kubeconfig());
    if (!connection) return fail(connection.error());
    auto client = http::make_client(grounds_.executor, {.tls = connection->tls, .user_agent = "test"});
    if (!client) return fail(client.error());
    client_ = std::move(*client);
    api_ = std::make_unique<kube::RestApi>(*connection, *client_, grounds_.clock, grounds_.random,
                                           kube::RestOptions{.per_second = 0});
    return {};
  }

  Grounds grounds_;
  NoUsage usage_;
  local::MemoryStore store_;
  std::unique_ptr<local::Registry> registry_;
  std::unique_ptr<local::InProcessApi> in_process_;
  std::unique_ptr<local::Controllers> controllers_;
  std::unique_ptr<local::Front> front_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<kube::RestApi> api_;
  base::TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<Server> make_server(Grounds grounds) {
  return std::make_unique<EmbeddedServer>(std::move(grounds));
}

}  // namespace serin::kubernetes_test
