#include "loadtester/tester.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/process_metrics.h"
#include "loadtester/responses.h"

namespace serin::loadtester {

using base::Result;
using base::Task;
using http::Request;
using http::Responder;
using http::Response;

namespace {

constexpr std::array<std::string_view, 6> gate_paths = {
    "/gate/check", "/gate/open", "/gate/close", "/rollback/check", "/rollback/open", "/rollback/close"};

/// A path as a header may carry it.
std::string encode_path(std::string_view path) {
  std::string encoded;
  for (std::size_t i = 0; i < path.size(); ++i) {
    encoded += path[i] == '/' ? "/" : http::percent_encode(path.substr(i, 1));
  }
  return encoded;
}

/// The same place by its plain name, if this is not it.
std::optional<Response> redirect(const std::string& method, const std::string& path) {
  const std::string clean = clean_path(path);
  if (clean == path) return std::nullopt;
  Response response = empty_response(method == "GET" || method == "HEAD" ? 301 : 307);
  response.headers.set("Location", encode_path(clean));
  return response;
}

/// Why this caller gets nothing, or nullopt.
std::optional<Response> refuse(const Policy& policy, const http::Headers& headers) {
  if (comes_from_web_page(headers)) return text_response(403, "requests of web pages are refused");
  if (policy.admits(headers)) return std::nullopt;
  Response refusal = text_response(401, "Unauthorized");
  refusal.headers.set("WWW-Authenticate", "Bearer");
  return refusal;
}

}  // namespace

Tester::Tester(base::Executor executor, const Rules& rules, Gates gates, Tools tools, base::Logger log)
    : policy_(rules),
      log_(std::move(log)),
      gates_(std::move(gates)),
      tasks_(std::move(executor), rules, policy_, tools) {}

Task<void> Tester::stop() {
  co_await tasks_.stop();
}

Task<void> Tester::handle(Request request, Responder& responder) {
  struct Count {
    explicit Count(std::size_t& n) : number(n) { ++number; }
    ~Count() { --number; }
    std::size_t& number;
  };
  const Count count(active_);
  Response response = co_await answer(std::move(request), responder);
  co_await responder.send(std::move(response));
}

Task<Response> Tester::answer(Request request, Responder& responder) {
  const std::string path = http::Target::parse(request.url.target).path;
  if (shutting_down_) co_return text_response(503, "shutting down");
  if (std::optional<Response> elsewhere = redirect(request.method, path)) co_return std::move(*elsewhere);
  if (path == "/healthz") co_return text_response(200, "OK");
  if (path == "/metrics") {
    co_return Response{200,
                       {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                       tasks_.metrics().text(gates_.open_count()) + base::process_metrics()};
  }
  const http::Peer& peer = responder.peer();
  const base::Logger log = log_.with("client", fmt::format("{}:{}", peer.address, peer.port));
  if (std::optional<Response> refusal = refuse(policy_, request.headers)) {
    log.warn(fmt::format("request to {} refused: {}", path, refusal->body));
    co_return std::move(*refusal);
  }
  if (path == "/gate/approve") co_return text_response(200, "OK");
  if (path == "/gate/halt") co_return text_response(403, "Forbidden");

  Result<Payload> payload = Payload::parse(request.body);
  if (!payload) {
    log.error("reading the request body failed: " + payload.error().message);
    co_return empty_response(400);
  }
  if (!policy_.serves_namespace(payload->ns)) {
    log.warn(fmt::format("request to {} refused: namespace {} is not served", path, payload->ns));
    co_return text_response(403, "Forbidden");
  }
  if (std::ranges::find(gate_paths, path) != gate_paths.end()) co_return gate(path, *payload, log);
  Response response = co_await tasks_.request(std::move(*payload), responder, log);
  co_return response;
}

Response Tester::gate(const std::string& path, const Payload& payload, const base::Logger& log) {
  const bool rollback = path.starts_with("/rollback/");
  const std::string key = (rollback ? "rollback." : "") + payload.key();
  const std::string_view kind = rollback ? "rollback" : "gate";
  const std::string_view verb = std::string_view(path).substr(path.rfind('/') + 1);
  if (verb == "check") {
    const bool approved = gates_.is_open(key);
    log.info(fmt::format("{} {} check: approved {}", key, kind, approved));
    return approved ? text_response(200, "Approved") : text_response(403, "Forbidden");
  }
  const bool open = verb == "open";
  if (const Result<void> set = gates_.set(key, open); !set) {
    log.error(set.error().message);
    return text_response(500, set.error().message);
  }
  log.info(fmt::format("{} {} {}", key, kind, open ? "opened" : "closed"));
  return empty_response(202);
}

}  // namespace serin::loadtester
