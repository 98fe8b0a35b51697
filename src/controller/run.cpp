#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <optional>

#include "base/process_metrics.h"
#include "controller/analyst.h"
#include "controller/announcer.h"
#include "controller/connection.h"
#include "controller/controller.h"
#include "controller/meter.h"
#include "controller/options.h"
#include "http/server.h"
#include "kube/kubeconfig.h"
#include "kube/lease.h"
#include "kube/rest_api.h"

namespace serin::controller {
namespace {

namespace asio = boost::asio;
using base::fail;

constexpr std::string_view version = "1.44.0";

/// Everything the process consists of, built in order and handed to each other.
class Process {
 public:
  Process(Options options, kube::Connection connection, std::unique_ptr<http::Client> api_client,
          std::unique_ptr<http::Client> client, std::unique_ptr<http::Client> insecure,
          asio::io_context& context)
      : options_(std::move(options)),
        log_(base::stderr_logger(base::parse_level(options_.log_level), options_.zap_encoding == "console")),
        executor_(context.get_executor()),
        api_client_(std::move(api_client)),
        client_(std::move(client)),
        insecure_(std::move(insecure)),
        meter_(std::string(version), options_.mesh_provider),
        api_(std::move(connection), *api_client_, clock_, random_, rest_options()),
        world_(api_, clock_, random_, log_, executor_, options_.ns),
        configs_(world_, options_.config_tracking),
        events_(api_, clock_, random_, log_, {}, executor_),
        webhooks_(*client_, *insecure_, clock_),
        event_webhooks_(webhooks_, clock_, log_, options_.event_webhook, executor_),
        alerts_(api_, *client_, notify::proxied_clients(executor_), clock_, random_, log_, alerts_options(),
                executor_),
        announcer_(events_, event_webhooks_, alerts_, log_),
        caller_(webhooks_),
        analysis_(*client_, *insecure_, api_, log_, analysis_options()),
        analyst_(analysis_),
        fleet_(world_, static_cast<std::size_t>(options_.rollouts_max)),
        shared_{world_,
                configs_,
                analyst_,
                caller_,
                announcer_,
                meter_,
                clock_,
                {options_.selector_labels, options_.include_label_prefix},
                options_.mesh_provider,
                options_.drain,
                options_.routing,
                {.unknown_grace = options_.unknown_grace, .shared_grace = options_.shared_grace},
                &fleet_},
        controller_(shared_, {options_.interval_min, options_.no_cross_namespace_refs}, log_, executor_),
        background_(executor_),
        work_(executor_) {}

  /// Until a signal, a fatal error or lost leadership; the exit status.
  base::Task<int> run() {
    const int code = co_await operate();
    background_.cancel();
    co_await background_.join();
    co_return code;
  }

 private:
  base::Task<int> operate() {
    log_.info(fmt::format("Starting flagger version {} revision serin mesh provider {}", version,
                          options_.mesh_provider));
    const base::Result<void> started = co_await start_server();
    if (!started) co_return fatal(started.error().message);
    const base::Result<Json> server_version = co_await api_.get_path("/version");
    if (!server_version) co_return fatal("the API server does not answer: " + server_version.error().message);
    log_.info("Connected to Kubernetes API " + (*server_version)["gitVersion"].str());
    const base::Result<kube::List> canaries =
        co_await api_.list(kube::resources::canaries, options_.ns, {.limit = 1});
    if (!canaries) {
      const bool forbidden = canaries.error().code == base::Errc::forbidden;
      co_return fatal(forbidden ? "no right to list Canaries: " + canaries.error().message
                                : "Canary CRD is not registered " + canaries.error().message +
                                      " (kubectl apply -f deploy/crds)");
    }
    const base::Result<void> online = co_await analysis_.check_server();
    const base::Result<http::Url> url = http::Url::parse(options_.metrics_server);
    const std::string where = url ? url->text() : "";  // without its password
    if (online) {
      log_.info(fmt::format("Connected to metrics server {}", where));
    } else {
      log_.error(fmt::format("Metrics server {} unreachable {}", where, online.error().message));
    }
    background_.spawn(world_.run());
    background_.spawn(events_.run());
    background_.spawn(event_webhooks_.run());
    background_.spawn(alerts_.run());
    const int code = co_await lead();
    const base::MonoTime deadline = clock_.now() + std::chrono::seconds(3);
    co_await events_.flush(deadline);
    co_await event_webhooks_.flush(deadline);
    co_await alerts_.flush(deadline);
    co_return code;
  }

  kube::RestOptions rest_options() {
    kube::RestOptions rest;
    rest.per_second = options_.kubeconfig_qps;
    rest.burst = options_.kubeconfig_burst;
    rest.on_request = [this](const kube::RequestSample& sample) {
      meter_.request(sample.verb, sample.resource, sample.status);
    };
    return rest;
  }

  analysis::AnalysisOptions analysis_options() {
    analysis::AnalysisOptions result;
    result.mesh_provider = options_.mesh_provider;
    result.metrics_server = options_.metrics_server;
    result.on_value = [this](const canary::Spec& spec, const std::string& metric, double value) {
      meter_.analysis(spec, metric, value);
    };
    return result;
  }

  /// A wrong setting is told once, and nothing is sent (spec 10 §2.1).
  notify::AlertsOptions alerts_options() {
    notify::AlertsOptions result;
    result.cluster = options_.cluster_name;
    result.no_cross_namespace_refs = options_.no_cross_namespace_refs;
    base::Result<std::optional<notify::Destination>> notifier = notify::destination_of(options_.notifier);
    if (!notifier) {
      log_.error("Notifier " + notifier.error().message);
    } else if (*notifier) {
      log_.info(fmt::format("Notifications enabled for {}", (*notifier)->url.host));
      result.notifier = std::move(*notifier);
    }
    return result;
  }

  int fatal(const std::string& text) {
    log_.error(text);
    return 1;
  }

  base::Task<base::Result<void>> start_server() {
    http::ServerOptions server;
    server.address = options_.address.empty() ? "0.0.0.0" : options_.address;
    server.port = static_cast<std::uint16_t>(options_.port);
    auto made = http::make_server(
        executor_, server,
        [this](http::Request request, http::Responder& responder) {
          return serve(std::move(request), responder);
        },
        log_);
    if (!made) co_return fail(made.error().within("HTTP server"));
    server_ = std::move(*made);
    background_.spawn(server_->run());
    log_.info(fmt::format("Starting HTTP server on port {}", server_->port()));
    co_return base::Result<void>();
  }

  base::Task<void> serve(http::Request request, http::Responder& responder) {
    const http::Target target = http::Target::parse(request.url.target);
    http::Response response;
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    if (target.path == "/metrics") {
      response.body = meter_.text({.canaries = controller_.counts(),
                                   .dropped = {{"event", events_.dropped()},
                                               {"event_webhook", event_webhooks_.dropped()},
                                               {"alert", alerts_.dropped()}}}) +
                      base::process_metrics();
    } else if (target.path == "/healthz" || (target.path == "/readyz" && world_.synced())) {
      response.body = "OK";
    } else if (target.path == "/readyz") {
      response.status = 503;
      response.body = "not ready\n";
    } else {
      response.status = 404;
      response.body = "404 page not found\n";
    }
    co_await responder.send(std::move(response));
  }

  /// Leads, if leadership is asked for, and works until told to stop.
  base::Task<int> lead() {
    std::optional<kube::LeaderElection> election;
    if (options_.leader_election) {
      kube::LeaseOptions lease;
      lease.ns = options_.ns.empty() ? options_.leader_election_namespace : options_.ns;
      std::string host(256, '\0');
      gethostname(host.data(), host.size() - 1);
      lease.identity = fmt::format("{}_{}", host.c_str(), random_.uuid());
      election.emplace(api_, clock_, random_, log_, lease);
    }
    asio::signal_set signals(executor_, SIGINT, SIGTERM);
    base::Wakeup stop(executor_);
    bool signalled = false;
    signals.async_wait([&](boost::system::error_code error, int) {
      if (error) return;
      signalled = true;
      stop.notify();
    });
    bool lost = false;
    work_.spawn(work(election ? &*election : nullptr, &lost, &stop));
    co_await stop.wait();
    signals.clear();  // a second signal ends the process at once
    log_.info("Shutting down operator workers");
    work_.cancel();
    co_await work_.join();
    if (election && !lost) co_await election->release();
    co_return signalled ? 0 : 1;
  }

  base::Task<void> work(kube::LeaderElection* election, bool* lost, base::Wakeup* stop) {
    if (election) co_await election->acquire();
    log_.info("Starting operator");
    if (!election) {
      co_await controller_.run();
      co_return;
    }
    work_.spawn(controller_.run());
    co_await election->hold();
    *lost = true;
    log_.error("Leadership lost");
    stop->notify();
  }

  Options options_;
  base::SystemClock clock_;
  base::Random random_ = base::Random::from_system();
  base::Logger log_;
  base::Executor executor_;
  std::unique_ptr<http::Client> api_client_, client_, insecure_;
  PrometheusMeter meter_;
  kube::RestApi api_;
  World world_;
  ConfigTracker configs_;
  kube::EventRecorder events_;
  hooks::Webhooks webhooks_;
  notify::EventWebhooks event_webhooks_;
  notify::Alerts alerts_;
  EventAnnouncer announcer_;
  HookCaller caller_;
  analysis::Analysis analysis_;
  MetricAnalyst analyst_;
  Fleet fleet_;
  Shared shared_;
  Controller controller_;
  std::unique_ptr<http::Server> server_;
  base::TaskGroup background_, work_;
};

}  // namespace

int run_controller(Options options) {
  const base::Logger log =
      base::stderr_logger(base::parse_level(options.log_level), options.zap_encoding == "console");
  const auto fatal = [&](const base::Error& error) {
    log.error(error.message);
    return 1;
  };
  for (const std::string& remark : options.remarks) log.warn(remark);
  if (const base::Result<void> checked = check(options); !checked) return fatal(checked.error());
  const base::Result<kube::Connection> connection = connection_of(options);
  if (!connection) return fatal(connection.error().within("Error building kubeconfig"));
  if (const base::Result<void> same = check_mesh_cluster(options, *connection); !same)
    return fatal(same.error());
  asio::io_context context(1);
  const http::ProxyOptions proxy{options.http_proxy, options.https_proxy, options.no_proxy};
  const std::string agent = fmt::format("serin/{}", version);
  auto api_client = http::make_client(context.get_executor(), {connection->tls, proxy, agent, 64});
  if (!api_client) return fatal(api_client.error());
  auto client = http::make_client(context.get_executor(), {{}, proxy, agent, 8});
  if (!client) return fatal(client.error());
  http::TlsOptions unverified;
  unverified.verify = false;
  auto insecure = http::make_client(context.get_executor(), {unverified, proxy, agent, 8});
  if (!insecure) return fatal(insecure.error());
  Process process(std::move(options), *connection, std::move(*api_client), std::move(*client),
                  std::move(*insecure), context);
  int code = 1;
  std::exception_ptr failure;
  asio::co_spawn(context, process.run(), [&](std::exception_ptr error, int result) {
    failure = error;
    code = result;
  });
  try {
    context.run();
    if (failure) std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    log.error(fmt::format("internal error: {}", e.what()));
    return 1;
  }
  return code;
}

}  // namespace serin::controller
