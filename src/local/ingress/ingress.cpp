#include "local/ingress/ingress.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "local/ingress/nginx_config.h"
#include "local/ingress/nginx_pod.h"

namespace serin::local {

namespace fs = std::filesystem;
using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

namespace {

const kube::Resource& ingress_classes() {
  static const kube::Resource resource{"networking.k8s.io", "v1", "ingressclasses", "IngressClass", false};
  return resource;
}

Result<void> write_file(const fs::path& file, std::string_view text) {
  fs::path next = file;
  next += ".new";
  std::ofstream(next, std::ios::binary | std::ios::trunc) << text;
  std::error_code error;
  fs::rename(next, file, error);
  if (error)
    return fail(Errc::unavailable, fmt::format("cannot write {}: {}", file.string(), error.message()));
  return {};
}

/// The file's first line and the rest.
std::pair<std::string, std::string> read_verdict(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string serial;
  std::getline(in, serial);
  std::ostringstream rest;
  rest << in.rdbuf();
  return {serial, rest.str()};
}

}  // namespace

Ingress::Ingress(IngressOptions options, kube::Api& api, base::Clock& clock, base::Random& random,
                 base::Logger log, base::Executor executor)
    : options_(std::move(options)),
      api_(api),
      clock_(clock),
      log_(std::move(log)),
      executor_(executor),
      ingresses_(api, clock, random, log_, kube::resources::ingresses, {}, executor),
      classes_(api, clock, random, log_, ingress_classes(), {}, executor),
      services_(api, clock, random, log_, kube::resources::services, {}, executor),
      slices_(api, clock, random, log_, kube::resources::endpointslices, {}, executor),
      events_(api, clock, random, log_, {.component = "nginx-ingress-controller", .reason = "Rejected"},
              executor),
      changed_(executor),
      tasks_(executor),
      requests_(executor) {
  const auto on_change = [this](const kube::ObjectRef&, const auto&, const auto&) { changed_.notify(); };
  for (kube::Cache* cache : {&ingresses_, &classes_, &services_, &slices_}) cache->subscribe(on_change);
}

Ingress::~Ingress() {
  if (control_ >= 0) ::close(control_);
}

// --- Start

Result<void> Ingress::prepare_folder() {
  if (::access(options_.nginx.c_str(), X_OK) != 0) {
    return fail(Errc::not_found,
                fmt::format("{} is not installed: apt-get install nginx-light", options_.nginx));
  }
  std::error_code error;
  fs::create_directories(options_.folder / "tmp", error);
  if (error) {
    return fail(Errc::unavailable,
                fmt::format("cannot make {}: {}", options_.folder.string(), error.message()));
  }
  const Result<int> control = open_pipe(options_.folder / "control.fifo");
  if (!control) return fail(control.error());
  control_ = *control;
  if (auto opened = requests_.open(options_.folder / "requests.fifo"); !opened) return opened;
  return write_file(options_.folder / "nginx.conf", nginx_config({}, 0));
}

Result<void> Ingress::serve_metrics() {
  auto server = http::make_server(
      executor_, {},
      [this](http::Request request, http::Responder& responder) {
        return answer(std::move(request), responder);
      },
      log_);
  if (!server) return fail(server.error().within("the ingress's metrics page"));
  metrics_server_ = std::move(*server);
  return {};
}

Task<void> Ingress::answer(http::Request request, http::Responder& responder) {
  http::Response response;
  response.headers.set("Content-Type", "text/plain; charset=utf-8");
  if (request.url.target == "/metrics") {
    response.body = requests_.metrics().text();
  } else {
    response.status = 404;
    response.body = "the page is /metrics\n";
  }
  co_await responder.send(std::move(response));
}

std::string Ingress::metrics_address() const {
  return fmt::format("127.0.0.1:{}", metrics_server_->port());
}

Task<Result<void>> Ingress::start() {
  if (auto prepared = prepare_folder(); !prepared) co_return prepared;
  if (auto served = serve_metrics(); !served) co_return served;
  for (Manifest& manifest : nginx_manifests(options_.folder, options_.nginx)) {
    const std::string ns = kube::namespace_of(manifest.object), name = kube::name_of(manifest.object);
    const Result<Json> applied =
        co_await api_.patch(manifest.resource, ns, name, kube::PatchType::apply, std::move(manifest.object),
                            "", {.field_manager = "serin", .force = true});
    if (!applied) co_return fail(applied.error().within(fmt::format("cannot set up the ingress's {}", name)));
  }
  co_return Result<void>();
}

// --- Following

Task<void> Ingress::run() {
  for (kube::Cache* cache : {&ingresses_, &classes_, &services_, &slices_}) tasks_.spawn(cache->run());
  tasks_.spawn(events_.run());
  tasks_.spawn(requests_.run());
  tasks_.spawn(metrics_server_->run());
  tasks_.spawn(keep_up());
  co_await tasks_.join();
}

IngressObjects Ingress::objects() const {
  return {ingresses_.list(), classes_.list(), services_.list(), slices_.list()};
}

Task<void> Ingress::keep_up() {
  for (kube::Cache* cache : {&ingresses_, &classes_, &services_, &slices_}) co_await cache->wait_synced();
  while (true) {
    co_await update();
    co_await changed_.wait();
    // Changes come in bursts: one new configuration for all of them.
    co_await clock_.sleep_for(20ms);
  }
}

Task<void> Ingress::update() {
  IngressPlan plan = plan_ingress(objects());
  for (const Note& note : plan.notes) tell(note);
  std::vector<kube::ObjectRef> accepted = plan.accepted;
  std::erase_if(told_, [&](const Note& note) { return !ingresses_.get(note.ingress); });
  if (nginx_config(plan, 0) != applied_) {
    const std::string wanted = nginx_config(plan, 0);
    std::optional<std::string> said = co_await try_out(plan, Trial::apply);
    if (said && !said->empty()) {
      plan = co_await without_refused_texts(std::move(plan));
      said = co_await try_out(plan, Trial::apply);
    }
    if (!said) {
      changed_.notify();  // its pod is not there yet, or is being replaced
      co_await clock_.sleep_for(1s);
      co_return;
    }
    if (said->empty()) {
      applied_ = wanted;
      requests_.metrics().keep(accepted);
      remember_snippets(plan);
    } else {
      log_.error("NGINX refuses its configuration, the one before stays in use: " + *said);
    }
  }
  co_await publish_addresses(std::move(accepted));
}

Task<std::optional<std::string>> Ingress::try_out(IngressPlan plan, Trial trial) {
  const std::string serial = std::to_string(++serial_);
  const auto written = write_file(options_.folder / "candidate.conf", nginx_config(plan, serial_));
  if (!written) co_return written.error().message;
  const std::string line = fmt::format("{} {}\n", serial, trial == Trial::apply ? "apply" : "test");
  if (::write(control_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    co_return std::nullopt;
  const base::MonoTime deadline = clock_.now() + options_.verdict_within;
  while (clock_.now() < deadline) {
    co_await clock_.sleep_for(10ms);
    auto [answered, text] = read_verdict(options_.folder / "verdict");
    if (answered != serial) continue;
    if (text == "ok\n") co_return std::string();
    co_return text.empty() ? "no reason given" : text;
  }
  co_return std::nullopt;
}

Task<IngressPlan> Ingress::without_refused_texts(IngressPlan plan) {
  const std::vector<kube::ObjectRef> suspects = unread_texts(plan);
  for (const kube::ObjectRef& suspect : suspects) {
    IngressPlan alone = plan;
    for (const kube::ObjectRef& other : suspects) {
      if (other != suspect) leave_out(alone, other, std::nullopt);
    }
    const std::optional<std::string> said = co_await try_out(std::move(alone), Trial::test);
    if (!said || said->empty()) continue;
    tell({suspect,
          fmt::format("NGINX refuses its snippet or pattern, what was in force before is kept: {}", *said)});
    const auto good = good_snippets_.find(suspect);
    leave_out(plan, suspect, good == good_snippets_.end() ? std::nullopt : std::optional(good->second));
  }
  co_return plan;
}

void Ingress::remember_snippets(const IngressPlan& plan) {
  good_snippets_.clear();
  for (const VirtualServer& server : plan.servers) {
    for (const Location& location : server.locations) {
      if (!location.snippet.empty()) good_snippets_[location.ingress] = location.snippet;
    }
  }
}

void Ingress::tell(const Note& note) {
  if (!told_.insert(note).second) return;
  log_.warn(fmt::format("ingress {}: {}", note.ingress.dotted(), note.text));
  if (const kube::Cache::Value ingress = ingresses_.get(note.ingress))
    events_.record(kube::EventTarget::of(*ingress), kube::EventType::warning, note.text);
}

/// What `kubectl get ingress` shows as ADDRESS.
Task<void> Ingress::publish_addresses(std::vector<kube::ObjectRef> accepted) {
  const kube::Cache::Value service =
      services_.get({std::string(ingress_namespace), std::string(ingress_name)});
  if (!service) co_return;
  const Json wanted = Json::array({Json::object({{"ip", service->get("spec", "clusterIP")}})});
  for (const kube::ObjectRef& ref : accepted) {
    const kube::Cache::Value ingress = ingresses_.get(ref);
    if (!ingress || ingress->get("status", "loadBalancer", "ingress") == wanted) continue;
    Json patch;
    patch.set("status", "loadBalancer", "ingress") = wanted;
    const Result<Json> patched = co_await api_.patch(kube::resources::ingresses, ref.ns, ref.name,
                                                     kube::PatchType::merge, std::move(patch), "status", {});
    if (!patched) log_.debug(fmt::format("status of ingress {}: {}", ref.dotted(), patched.error().message));
  }
}

}  // namespace serin::local
