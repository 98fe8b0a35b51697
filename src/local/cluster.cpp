#include "local/cluster.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <fstream>
#include <iterator>

#include "base/yaml.h"
#include "local/apiserver/embedded_crds.h"

namespace serin::local {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;

namespace {

constexpr std::string_view context_name = "serin";

/// Where Services get their addresses from.
std::string service_network(const Fabric& fabric) {
  return fabric.isolated() ? "10.96.0.0/16" : "127.96.0.0/16";
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

base::Logger file_logger(const fs::path& path) {
  const auto file = std::make_shared<Fd>(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR));
  const auto write_line = [file](base::Level, std::string_view line) {
    std::string text(line);
    text += '\n';
    [[maybe_unused]] const auto written = ::write(file->get(), text.data(), text.size());
  };
  return {write_line, base::Level::info};
}

/// A part that runs: what, and where.
std::string part(std::string_view what, std::string_view where) {
  return fmt::format("  {:<14}{}", what, where);
}

}  // namespace

Cluster::Cluster(base::Executor executor, ClusterOptions options, std::function<void(std::string_view)> say)
    : executor_(executor),
      options_(std::move(options)),
      say_(std::move(say)),
      failed_(executor),
      spawner_(make_spawner(executor)),
      tasks_(executor) {}

// --- Step by step

Result<void> Cluster::prepare_folder() {
  std::error_code error;
  options_.data = fs::absolute(options_.data, error);
  const mode_t mask = ::umask(S_IRWXG | S_IRWXO);
  fs::create_directories(options_.data, error);
  ::umask(mask);
  if (!error && ::access(options_.data.c_str(), W_OK | X_OK) != 0) {
    error = std::error_code(errno, std::generic_category());
  }
  if (error) {
    return fail(Errc::forbidden, fmt::format("cannot use {}: {}: choose another folder with --data",
                                             options_.data.string(), error.message()));
  }
  log_ = file_logger(options_.data / "serin.log");
  say_(fmt::format("serin local: a cluster on this machine, kept in {}", options_.data.string()));
  return {};
}

Task<Result<void>> Cluster::start_fabric() {
  FabricOptions fabric{.agent_command = {options_.program, "node-agent", "-socket-fd"}, .agent_flags = {}};
  if (options_.shared) fabric.agent_flags.emplace_back("-shared");
  Result<std::unique_ptr<Fabric>> started = co_await Fabric::start(executor_, std::move(fabric));
  if (!started) co_return fail(started.error());
  fabric_ = std::move(*started);

  // Services keep their addresses, so a folder belongs to one kind of network.
  const fs::path note = options_.data / "network";
  const std::string network = service_network(*fabric_), before = read_file(note);
  if (!before.empty() && before != network) {
    co_return fail(
        Errc::invalid,
        fmt::format("{} was made with Services in {}, and this start has them in {}{}: choose another folder "
                    "with --data, or {}",
                    options_.data.string(), before, network,
                    fabric_->isolated() ? "" : " (" + fabric_->shared_reason() + ")",
                    fabric_->isolated() ? "give --shared again" : "allow namespaces again"));
  }
  if (auto written = write_private_file(note, network); !written) co_return fail(written.error());
  say_(part("node", fabric_->isolated()
                        ? "pods have network, files and processes of their own"
                        : "shared mode, pods use the host's network and files: " + fabric_->shared_reason()));
  co_return Result<void>();
}

Result<void> Cluster::open_registry() {
  Result<std::unique_ptr<Store>> store = open_sqlite_store(options_.data / "cluster.db");
  if (!store) return fail(store.error());
  store_ = std::move(*store);
  RegistryOptions registry;
  registry.service_cidr = service_network(*fabric_);
  Result<std::unique_ptr<Registry>> opened = Registry::open(*store_, clock_, random_, registry);
  if (!opened) return fail(opened.error());
  registry_ = std::move(*opened);
  api_ = std::make_unique<InProcessApi>(executor_, *registry_, clock_);
  return {};
}

Task<Result<void>> Cluster::install_crds() {
  for (const EmbeddedFile& file : embedded_crds()) {
    const Result<std::vector<Json>> documents = base::parse_yaml(file.text);
    if (!documents) co_return fail(documents.error());
    for (const Json& crd : *documents) {
      const std::string name = kube::name_of(crd);
      const Result<Json> applied =
          co_await api_->patch(kube::resources::crds, "", name, kube::PatchType::apply, crd, "",
                               {.field_manager = "serin", .force = true});
      if (!applied) co_return fail(applied.error().within("cannot install the CRD " + name));
    }
  }
  co_return Result<void>();
}

Result<void> Cluster::make_node() {
  Result<ImageTable> images = ImageTable::make(options_.program, options_.data / "images");
  if (!images) return fail(images.error());
  if (!options_.images.empty()) {
    const std::string text = read_file(options_.images);
    if (text.empty()) {
      return fail(Errc::not_found,
                  fmt::format("--images {}: cannot be read, or is empty", options_.images.string()));
    }
    if (const Result<void> added = images->add(text); !added) {
      return fail(added.error().within("--images " + options_.images.string()));
    }
  }
  NodeOptions node;
  node.folder = options_.data / "node";
  node_ = std::make_unique<Node>(executor_, *api_, clock_, random_, *fabric_, std::move(*images),
                                 std::move(node), log_);
  return {};
}

Result<void> Cluster::start_api_server() {
  Result<Credentials> credentials = ensure_credentials(options_.data / "credentials", clock_);
  if (!credentials) return fail(credentials.error());
  credentials_ = std::move(*credentials);
  streams_ = std::make_unique<StreamServer>(executor_, clock_, *node_);
  front_ = std::make_unique<Front>(executor_, *registry_, clock_, random_,
                                   FrontOptions{{credentials_.token}, node_.get(), streams_->handler()});

  const Result<std::uint16_t> port = free_loopback_port(options_.api_port, "choose another with --port");
  if (!port) return fail(port.error());
  http::ServerOptions server{.port = *port};
  server.tls =
      http::ServerTls{credentials_.server.certificate_pem, credentials_.server.key_pem, credentials_.ca_pem};
  Result<std::unique_ptr<http::Server>> made =
      http::make_server(executor_, std::move(server), front_->handler(), log_.with("component", "apiserver"));
  if (!made) return fail(made.error());
  server_ = std::move(*made);
  const std::string config = kubeconfig_text(credentials_, api_url(), std::string(context_name));
  if (auto written = write_private_file(kubeconfig(), config); !written) return written;
  tasks_.spawn(server_->run());
  tasks_.spawn(front_->tend());
  say_(part("API server", api_url()));
  return {};
}

Result<void> Cluster::start_workload_parts() {
  Result<std::unique_ptr<DataPlane>> plane = DataPlane::make(
      options_.program, options_.data / "mesh-proxy.log", *fabric_, *api_, clock_, random_, log_, executor_);
  if (!plane) return fail(plane.error());
  data_plane_ = std::move(*plane);
  controllers_ =
      std::make_unique<Controllers>(*api_, clock_, random_, log_.with("component", "controllers"), *node_,
                                    executor_, ControllerOptions{.ca_certificate = credentials_.ca_pem});
  tasks_.spawn(controllers_->run());
  tasks_.spawn(run_node());
  tasks_.spawn(data_plane_->run());
  say_(part("mesh", fmt::format("{} is the proxy that leads to Services", data_plane_->forward_proxy_url())));
  return {};
}

/// Without NGINX everything else works.
Task<Result<void>> Cluster::start_ingress() {
  ingress_ =
      std::make_unique<Ingress>(IngressOptions{.folder = options_.data / "ingress", .nginx = options_.nginx},
                                *api_, clock_, random_, log_.with("component", "ingress"), executor_);
  const Result<void> started = co_await ingress_->start();
  if (!started && started.error().code == Errc::not_found) {
    say_(part("ingress", "none: " + started.error().message));
    ingress_.reset();
    co_return Result<void>();
  }
  if (!started) co_return started;
  tasks_.spawn(ingress_->run());
  say_(part("ingress",
            fmt::format("NGINX; hosts of Ingresses answer through {}", data_plane_->forward_proxy_url())));
  co_return Result<void>();
}

Task<Result<void>> Cluster::start_prometheus() {
  const Result<std::uint16_t> port =
      free_loopback_port(options_.prometheus_port, "choose another with --prometheus-port");
  if (!port) co_return fail(port.error());
  Result<std::unique_ptr<http::Client>> client = http::make_client(executor_, {});
  if (!client) co_return fail(client.error());
  client_ = std::move(*client);
  PrometheusOptions options{.program = options_.prometheus,
                            .directory = options_.data / "prometheus",
                            .port = *port,
                            .metrics_address = data_plane_->metrics_address(),
                            .ingress_address = ingress_ ? ingress_->metrics_address() : ""};
  prometheus_ = std::make_unique<Prometheus>(std::move(options), *spawner_, *client_, *api_, clock_, random_,
                                             log_.with("component", "prometheus"), executor_);
  Result<void> started = co_await prometheus_->start();
  if (!started) co_return started;
  tasks_.spawn(prometheus_->run());
  say_(part("Prometheus", prometheus_->url()));
  co_return Result<void>();
}

Result<void> Cluster::start_controller() {
  const Result<std::uint16_t> port = free_loopback_port(0, "end programs that use many ports");
  if (!port) return fail(port.error());
  // The mesh's proxy is how a process of the host reaches Services by name, as it would in a pod.
  std::vector<std::string> command = {"/usr/bin/env",
                                      "HTTP_PROXY=" + data_plane_->forward_proxy_url(),
                                      "NO_PROXY=127.0.0.1,localhost",
                                      options_.program,
                                      "controller",
                                      "-kubeconfig=" + kubeconfig().string(),
                                      "-mesh-provider=" + options_.mesh_provider,
                                      "-metrics-server=" + prometheus_->url(),
                                      "-interval-min=1s",
                                      "-log-level=info",
                                      "-address=127.0.0.1",
                                      fmt::format("-port={}", *port)};
  const fs::path log_file = options_.data / "controller.log";
  controller_ = std::make_unique<ControllerProcess>(
      std::move(command), log_file, *spawner_, clock_, random_, [this, log_file](std::string how) {
        say_(fmt::format("the controller {}; it is started again (see {})", how, log_file.string()));
      });
  if (auto started = controller_->start(); !started) return started;
  tasks_.spawn(controller_->run());
  say_(part("controller", fmt::format("http://127.0.0.1:{}/metrics", *port)));
  return {};
}

// --- The whole

Task<Result<void>> Cluster::start() {
  if (auto done = prepare_folder(); !done) co_return done;
  const Result<void> fabric = co_await start_fabric();
  if (!fabric) co_return fabric;
  if (auto done = open_registry(); !done) co_return done;
  const Result<void> crds = co_await install_crds();
  if (!crds) co_return crds;
  if (auto done = make_node(); !done) co_return done;
  if (auto done = start_api_server(); !done) co_return done;
  if (auto done = start_workload_parts(); !done) co_return done;
  const Result<void> ingress = co_await start_ingress();
  if (!ingress) co_return ingress;
  const Result<void> prometheus = co_await start_prometheus();
  if (!prometheus) co_return prometheus;
  if (options_.controller) {
    if (auto done = start_controller(); !done) co_return done;
  }
  co_return Result<void>();
}

Task<void> Cluster::stop() {
  if (data_plane_) data_plane_->close();
  tasks_.cancel();
  co_await tasks_.join();
}

Task<Result<void>> Cluster::run() {
  std::exception_ptr cancelled;
  Result<void> outcome;
  try {
    outcome = co_await start();
    if (outcome) {
      say_(usage());
      while (!failure_) co_await failed_.wait();
      outcome = fail(*failure_);
    }
  } catch (...) {
    cancelled = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await stop();
  if (cancelled) std::rethrow_exception(cancelled);
  co_return outcome;
}

Task<void> Cluster::run_node() {
  const Result<void> ended = co_await node_->run();
  if (!ended) fail_with(ended.error());
}

void Cluster::fail_with(base::Error error) {
  failure_ = std::move(error);
  failed_.notify();
}

std::string Cluster::api_url() const {
  return fmt::format("https://127.0.0.1:{}", server_->port());
}

std::string Cluster::usage() const {
  return fmt::format(R"(  logs          {0}/serin.log, {1}mesh-proxy.log, prometheus/prometheus.log

Ready. In another terminal:

  export KUBECONFIG={2}
  kubectl create namespace test
  kubectl get canaries --all-namespaces --watch
  curl -x {3} http://podinfo.test:9898/     # a Service, from outside the cluster

Ctrl-C ends all of it; the objects are kept for the next start.)",
                     options_.data.string(), options_.controller ? "controller.log, " : "",
                     kubeconfig().string(), data_plane_->forward_proxy_url());
}

}  // namespace serin::local
