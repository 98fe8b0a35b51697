#include "kube/rest_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "base/base64.h"
#include "kube/rest_watch.h"
#include "kube/status_error.h"

namespace serin::kube {

using base::Duration;
using base::Errc;
using base::fail;
using base::MonoTime;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

namespace {

constexpr Duration token_lifetime = 60s;  // the kubelet replaces projected tokens well before they expire
constexpr Duration first_pause = 200ms;
constexpr Duration retry_after_max = 30s;

void add_parameter(std::string& query, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  query += fmt::format("{}{}={}", query.empty() ? "" : "&", name, http::percent_encode(value));
}

std::string selection(const ListOptions& options) {
  std::string query;
  add_parameter(query, "labelSelector", options.label_selector);
  add_parameter(query, "fieldSelector", options.field_selector);
  return query;
}

std::string write_query(const WriteOptions& options) {
  std::string query;
  add_parameter(query, "fieldManager", options.field_manager);
  if (options.dry_run) add_parameter(query, "dryRun", "All");
  if (options.force) add_parameter(query, "force", "true");
  return query;
}

std::string accept_for(bool metadata_only, std::string_view kind) {
  if (!metadata_only) return "application/json";
  return fmt::format("application/json;as={};g=meta.k8s.io;v=v1,application/json", kind);
}

std::string_view content_type_of(PatchType type) {
  switch (type) {
    case PatchType::json:
      return "application/json-patch+json";
    case PatchType::merge:
      return "application/merge-patch+json";
    case PatchType::strategic:
      return "application/strategic-merge-patch+json";
    case PatchType::apply:
      return "application/apply-patch+yaml";
  }
  return {};
}

std::optional<Duration> retry_after(const http::Response& response) {
  const std::string_view text = response.headers.get("Retry-After");
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return std::min<Duration>(std::chrono::seconds(seconds), retry_after_max);
}

bool is_overload(int status) {
  return status == 429 || (status >= 500 && status != 501 && status != 504);
}

List read_list(const Resource& resource, Json body) {
  List list;
  list.resource_version = body.get("metadata", "resourceVersion").str();
  list.continue_token = body.get("metadata", "continue").str();
  Json* items = body.find("items");
  if (items == nullptr || !items->is_array()) return list;
  list.items = std::move(items->make_array());
  for (Json& item : list.items) item = with_type(resource, std::move(item));
  return list;
}

}  // namespace

RestApi::RestApi(Connection connection, http::Client& client, base::Clock& clock, base::Random& random,
                 RestOptions options)
    : connection_(std::move(connection)),
      client_(client),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      limit_(clock, options_.per_second, options_.burst) {}

// --- Verbs

Task<Result<Json>> RestApi::get(Resource resource, std::string ns, std::string name) {
  Call call{.verb = "get", .resource = resource.group_resource(), .method = "GET"};
  call.path = resource.path(ns, name);
  auto answer = co_await exchange(std::move(call));
  co_return answer;
}

Task<Result<List>> RestApi::list(Resource resource, std::string ns, ListOptions options) {
  Call call{.verb = "list", .resource = resource.group_resource(), .method = "GET"};
  call.path = resource.path(ns);
  call.query = selection(options);
  if (options.limit > 0) add_parameter(call.query, "limit", std::to_string(options.limit));
  add_parameter(call.query, "continue", options.continue_token);
  add_parameter(call.query, "resourceVersion", options.resource_version);
  call.accept = accept_for(options.metadata_only, "PartialObjectMetadataList");
  auto answer = co_await exchange(std::move(call));
  if (!answer) co_return fail(std::move(answer.error()));
  co_return read_list(resource, std::move(*answer));
}

Task<Result<std::unique_ptr<Watch>>> RestApi::watch(Resource resource, std::string ns,
                                                    std::string resource_version, ListOptions options) {
  // Watches of one process should not all end, and be started again, in the same moment.
  const Duration length = options_.watch_length + options_.watch_length * random_.below(1000) / 1000;
  Call call{.verb = "watch", .resource = resource.group_resource(), .method = "GET"};
  call.path = resource.path(ns);
  call.query = selection(options);
  add_parameter(call.query, "watch", "true");
  add_parameter(call.query, "allowWatchBookmarks", "true");
  add_parameter(call.query, "resourceVersion", resource_version);
  add_parameter(call.query, "timeoutSeconds",
                std::to_string(std::chrono::duration_cast<std::chrono::seconds>(length).count()));
  call.accept = accept_for(options.metadata_only, "PartialObjectMetadata");

  co_await limit_.acquire();
  auto request = make_request(call);
  if (!request) co_return fail(std::move(request.error()));
  const MonoTime since = clock_.now();
  http::ExchangeOptions exchange_options{.timeout = options_.timeout};
  auto opened = co_await client_.open(std::move(*request), exchange_options);
  Result<http::Response> head = opened ? Result<http::Response>(opened->head) : fail(opened.error());
  count(call, head, since);
  if (!opened) co_return fail(std::move(opened.error()));
  if (opened->head.status >= 400) {
    auto error =
        co_await read_refusal(call.path, std::move(*opened), clock_, clock_.now() + options_.timeout);
    co_return fail(std::move(error));
  }
  co_return std::make_unique<RestWatch>(resource, std::move(opened->body), clock_,
                                        clock_.now() + length + 30s);
}

Task<Result<Json>> RestApi::create(Resource resource, std::string ns, Json object, WriteOptions options) {
  Call call{.verb = "create", .resource = resource.group_resource(), .method = "POST"};
  call.path = resource.path(ns);
  call.query = write_query(options);
  call.content_type = "application/json";
  call.body = object.dump();
  auto answer = co_await exchange(std::move(call));
  co_return answer;
}

Task<Result<Json>> RestApi::replace(Resource resource, Json object, std::string subresource,
                                    WriteOptions options) {
  Call call{.verb = "update", .resource = resource.group_resource(), .method = "PUT"};
  call.path = resource.path(namespace_of(object), name_of(object), subresource);
  call.query = write_query(options);
  call.content_type = "application/json";
  call.body = object.dump();
  auto answer = co_await exchange(std::move(call));
  co_return answer;
}

Task<Result<Json>> RestApi::patch(Resource resource, std::string ns, std::string name, PatchType type,
                                  Json patch, std::string subresource, WriteOptions options) {
  Call call{.verb = "patch", .resource = resource.group_resource(), .method = "PATCH"};
  call.path = resource.path(ns, name, subresource);
  call.query = write_query(options);
  call.content_type = content_type_of(type);
  call.body = patch.dump();
  auto answer = co_await exchange(std::move(call));
  co_return answer;
}

Task<Result<void>> RestApi::remove(Resource resource, std::string ns, std::string name,
                                   DeleteOptions options) {
  Json body = Json::object({{"kind", "DeleteOptions"}, {"apiVersion", "v1"}});
  if (!options.uid.empty()) body.set("preconditions", "uid") = options.uid;
  if (!options.resource_version.empty()) {
    body.set("preconditions", "resourceVersion") = options.resource_version;
  }
  if (!options.propagation.empty()) body.set("propagationPolicy") = options.propagation;
  if (options.grace_seconds) body.set("gracePeriodSeconds") = *options.grace_seconds;

  Call call{.verb = "delete", .resource = resource.group_resource(), .method = "DELETE"};
  call.path = resource.path(ns, name);
  call.content_type = "application/json";
  call.body = body.dump();
  auto answer = co_await exchange(std::move(call));
  if (!answer) co_return fail(std::move(answer.error()));
  co_return Result<void>{};
}

Task<Result<Json>> RestApi::get_path(std::string path) {
  Call call{.verb = "get", .resource = path, .method = "GET", .path = path};
  auto answer = co_await exchange(std::move(call));
  co_return answer;
}

// --- Transport

Task<Result<Json>> RestApi::exchange(Call call) {
  const MonoTime deadline = clock_.now() + options_.timeout;
  auto response = co_await send_with_retries(call, deadline);
  if (!response) co_return fail(std::move(response.error()));
  if (response->status >= 300) co_return fail(response_error(call.method, call.path, *response));
  auto body = Json::parse(response->body);
  if (!body) {
    // Not a failure of the request: what answered is no Kubernetes API.
    co_return fail(Errc::internal, fmt::format("{} {}: the answer is not JSON: {}", call.method, call.path,
                                               body.error().message));
  }
  co_return std::move(*body);
}

Task<Result<http::Response>> RestApi::send_with_retries(Call call, MonoTime deadline) {
  for (int attempt = 1;; ++attempt) {
    co_await limit_.acquire();
    auto request = make_request(call);
    if (!request) co_return fail(std::move(request.error()));
    const MonoTime since = clock_.now();
    const Duration left = std::max<Duration>(deadline - since, 1ms);
    http::ExchangeOptions exchange_options{.timeout = left};
    auto outcome = co_await client_.send(std::move(*request), exchange_options);
    count(call, outcome, since);
    const std::optional<Duration> pause = pause_before_retry(call, attempt, outcome);
    if (!pause || clock_.now() + *pause >= deadline) co_return outcome;
    co_await clock_.sleep_for(*pause);
  }
}

std::optional<Duration> RestApi::pause_before_retry(const Call& call, int attempt,
                                                    const Result<http::Response>& outcome) {
  if (attempt >= options_.attempts_max) return std::nullopt;
  if (outcome) {
    const std::optional<Duration> asked = retry_after(*outcome);
    if (outcome->status == 429 && asked) return *asked;
    if (!call.is_read() || !is_overload(outcome->status)) return std::nullopt;
    if (asked) return *asked;
  } else if (!call.is_read() || outcome.error().code != Errc::unavailable) {
    return std::nullopt;
  }
  const Duration pause = first_pause * (1 << (attempt - 1));
  return pause / 2 + Duration(static_cast<Duration::rep>(random_.fraction() * pause.count()));
}

Result<http::Request> RestApi::make_request(const Call& call) {
  http::Request request;
  request.method = call.method;
  request.url = connection_.server;
  std::string& target = request.url.target;
  if (target.ends_with('/')) target.pop_back();
  target += call.path;
  if (!call.query.empty()) target += "?" + call.query;
  request.headers.set("Accept", call.accept);
  if (!call.content_type.empty()) request.headers.set("Content-Type", call.content_type);
  request.body = call.body;
  auto authorized = authorization();
  if (!authorized) return fail(std::move(authorized.error()));
  if (!authorized->empty()) request.headers.set("Authorization", std::move(*authorized));
  return request;
}

Result<std::string> RestApi::authorization() {
  const Credentials& credentials = connection_.credentials;
  if (!credentials.token_file.empty()) {
    if (token_.empty() || clock_.now() - token_read_at_ >= token_lifetime) {
      std::ifstream in(credentials.token_file);
      std::string read;
      in >> read;
      // While the file is being replaced the token in hand is still good.
      if (!read.empty()) token_ = std::move(read);
      token_read_at_ = clock_.now();
    }
    if (token_.empty()) {
      return fail(Errc::forbidden, fmt::format("no token in {}: is the service account mounted?",
                                               credentials.token_file.string()));
    }
    return "Bearer " + token_;
  }
  if (!credentials.token.empty()) return "Bearer " + credentials.token;
  if (credentials.username.empty()) return std::string{};
  return "Basic " + base::base64_encode(credentials.username + ":" + credentials.password);
}

void RestApi::count(const Call& call, const Result<http::Response>& outcome, MonoTime since) const {
  if (!options_.on_request) return;
  options_.on_request({call.verb, call.resource, outcome ? outcome->status : 0, clock_.now() - since});
}

}  // namespace serin::kube
