#include "podinfo/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "podinfo/responses.h"
#include "podinfo/routes.h"

namespace serin::podinfo {

using base::Json;
using base::Task;
using http::Request;
using http::Responder;
using http::Response;

namespace {

/// "/a//b" -> "/a/b"
std::string clean_path(const std::string& path) {
  std::string clean;
  for (const char c : path) {
    if (c != '/' || !clean.ends_with('/')) clean += c;
  }
  return clean;
}

struct Count {
  explicit Count(std::size_t& n) : number(n) { ++number; }
  ~Count() { --number; }
  std::size_t& number;
};

}  // namespace

Service::Service(Config config, Identity identity, base::Clock& clock, base::Random& random,
                 http::Client& client, std::function<void(int)> exit_process, base::Logger log)
    : config_(std::move(config)),
      identity_(std::move(identity)),
      clock_(clock),
      random_(random),
      client_(client),
      exit_process_(std::move(exit_process)),
      log_(std::move(log)),
      healthy_(!config_.unhealthy),
      ready_(!config_.unready) {
  if (config_.ui_message.empty()) config_.ui_message = "greetings from podinfo v" + identity_.version;
}

void Service::begin_shutdown() {
  healthy_ = ready_ = false;
}

Task<void> Service::send(Call& call, Response response) {
  call.status = response.status;
  co_await call.responder.send(std::move(response));
}

Task<void> Service::handle(Request request, Responder& responder) {
  const Count count(active_);
  http::Target target = http::Target::parse(request.url.target);
  Call call{std::move(request), std::move(target), {}, responder};
  log_.with("method", call.request.method).with("uri", call.request.url.target).debug("request started");
  if (const std::string clean = clean_path(call.target.path); clean != call.target.path) {
    Response redirect = empty_response(301);
    redirect.headers.set("Location", clean);
    co_await send(call, std::move(redirect));
    co_return;
  }
  bool known = false;
  for (const Route& route : routes()) {
    if (!route.matches(call.target.path, call.parameter)) continue;
    known = true;
    if (!route.allows(call.request.method)) continue;
    co_await dispatch(call, route);
    co_return;
  }
  Response unknown = text_response(404, "404 page not found\n");
  co_await send(call, known ? empty_response(405) : std::move(unknown));
}

Task<void> Service::dispatch(Call& call, const Route& route) {
  const base::MonoTime begun = clock_.now();
  if (faults_ && !route.survives_faults) {
    co_await send(call, text_response(500, "{\"status\":\"fault injection enabled\"}\n"));
  } else {
    const bool answered = co_await misbehave(call);
    if (!answered) co_await (this->*route.action)(call);
  }
  if (call.status == 0) co_return;  // hung up: not counted
  const std::chrono::duration<double> spent = clock_.now() - begun;
  metrics_.observe(call.request.method, std::string(route.name), call.status, spent.count());
}

/// --random-delay and --random-error. True if the request has got its answer, or none at all.
Task<bool> Service::misbehave(Call& call) {
  if (config_.random_delay) {
    if (config_.random_delay_max == config_.random_delay_min) {
      call.responder.abandon();
      co_return true;
    }
    const auto range = static_cast<std::uint64_t>(config_.random_delay_max - config_.random_delay_min);
    const auto units = config_.random_delay_min + static_cast<std::int64_t>(random_.below(range));
    const bool seconds = config_.random_delay_unit == "s";
    co_await clock_.sleep_for(std::chrono::milliseconds(seconds ? units * 1000 : units));
  }
  if (config_.random_error && random_.below(3) == 0) {
    constexpr int statuses[] = {500, 400, 409};
    co_await send(call, empty_response(statuses[random_.below(3)]));
    co_return true;
  }
  co_return false;
}

Task<void> Service::handle_metrics_port(Request request, Responder& responder) {
  const std::string path = http::Target::parse(request.url.target).path;
  Response response = text_response(404, "404 page not found\n");
  if (path == "/metrics") response = text_response(200, metrics_.text());
  if (path == "/healthz") response = text_response(200, "OK");
  co_await responder.send(std::move(response));
}

Json Service::info_json() const {
  return Json::object({{"hostname", identity_.hostname},
                       {"version", identity_.version},
                       {"revision", "unknown"},
                       {"color", config_.ui_color},
                       {"logo", config_.ui_logo},
                       {"message", config_.ui_message},
                       {"goos", "linux"},
                       {"goarch", "amd64"},
                       {"runtime", "serin"},
                       {"num_goroutine", std::to_string(active_)},
                       {"num_cpu", std::to_string(std::thread::hardware_concurrency())}});
}

Task<void> Service::index(Call& call) {
  if (!call.request.headers.get("User-Agent").starts_with("Mozilla")) {
    co_await info(call);
    co_return;
  }
  Response page{200, {{"Content-Type", "text/html; charset=utf-8"}}, ui_page(identity_.hostname)};
  co_await send(call, std::move(page));
}

Task<void> Service::info(Call& call) {
  co_await send(call, json_response(200, info_json()));
}

Task<void> Service::show_version(Call& call) {
  const Json body = Json::object({{"commit", "unknown"}, {"version", identity_.version}});
  co_await send(call, json_response(200, body));
}

Task<void> Service::healthz(Call& call) {
  const Json body = Json::object({{"status", "OK"}});
  co_await send(call, healthy_ ? json_response(200, body) : empty_response(503));
}

Task<void> Service::readyz(Call& call) {
  const Json body = Json::object({{"status", "OK"}});
  co_await send(call, ready_ ? json_response(200, body) : empty_response(503));
}

Task<void> Service::enable_ready(Call& call) {
  ready_ = true;
  co_await send(call, empty_response(202));
}

Task<void> Service::disable_ready(Call& call) {
  ready_ = false;
  co_await send(call, empty_response(202));
}

Task<void> Service::fault_injection(Call& call) {
  const bool asked = call.target.path.ends_with("/status");
  if (!asked) faults_ = call.target.path.ends_with("/enable");
  const Json body = Json::object({{"fault_injection", faults_ ? "enabled" : "disabled"}});
  co_await send(call, json_response(asked ? 200 : 202, body));
}

Task<void> Service::metrics(Call& call) {
  Response page{200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, metrics_.text()};
  co_await send(call, std::move(page));
}

Task<void> Service::panic(Call& call) {
  log_.error("Panic command received");
  call.responder.abandon();
  exit_process_(255);
  co_return;
}

}  // namespace serin::podinfo
