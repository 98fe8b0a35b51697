// The routes of podinfo that do something: statuses, delays, echoes, tokens, files.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "podinfo/responses.h"
#include "podinfo/service.h"
#include "podinfo/token.h"

namespace serin::podinfo {

using base::Json;
using base::Result;
using base::Task;
using http::Request;
using http::Response;

namespace {

namespace fs = std::filesystem;

constexpr base::Duration token_lifetime = std::chrono::minutes(1);
/// More is no wait that anybody ends.
constexpr int seconds_max = 86'400;

/// The digits as a number, no more than `most`.
int number_of(const std::string& digits, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end != digits.data() ? std::min(value, most) : most;
}

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

/// POSTs to one backend; the answer as a JSON string, as the reference shows it.
Task<void> ask_backend(http::Client& client, std::string url, http::Headers headers, std::string body,
                       base::Duration timeout, Json& into) {
  const auto failed = [&](std::string_view why) {
    into = fmt::format("backend {} call failed {}", url, why);
  };
  Result<http::Url> parsed = http::Url::parse(url);
  if (!parsed) {
    failed(parsed.error().message);
    co_return;
  }
  Request request{"POST", *parsed, std::move(headers), std::move(body)};
  const Result<Response> response = co_await client.send(std::move(request), {.timeout = timeout});
  if (!response) {
    failed(response.error().message);
  } else if (response->status >= 400) {
    into = fmt::format("backend {} response status code {}", url, response->status);
  } else {
    into = response->body;
  }
}

/// What a request passes on to the next service, so that a mesh sees one trace.
http::Headers forwarded(const http::Headers& from, const std::string& version) {
  http::Headers headers;
  for (const char* name : {"x-request-id", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled",
                           "x-b3-flags", "x-ot-span-context"}) {
    if (from.contains(name)) headers.set(name, std::string(from.get(name)));
  }
  headers.set("X-API-Version", version);
  headers.set("X-API-Revision", "unknown");
  return headers;
}

}  // namespace

Task<void> Service::answer_status(Call& call) {
  const int status = number_of(call.parameter, 1000);
  if (status < 100 || status > 999) {
    call.responder.abandon();
    co_return;
  }
  const bool empty = status == 204 || status == 304;
  const Json body = Json::object({{"status", status}});
  co_await send(call, empty ? empty_response(status) : json_response(status, body));
}

Task<void> Service::delay(Call& call) {
  const int seconds = number_of(call.parameter, seconds_max);
  co_await clock_.sleep_for(std::chrono::seconds(seconds));
  if (std::chrono::seconds(seconds) >= config_.http_server_timeout) {
    call.responder.abandon();  // the reference's write deadline has passed
    co_return;
  }
  co_await send(call, json_response(200, Json::object({{"delay", seconds}})));
}

Task<void> Service::env(Call& call) {
  Json list = Json::array();
  for (const std::string& entry : identity_.environment) list.push_back(entry);
  co_await send(call, json_response(200, list));
}

Task<void> Service::headers(Call& call) {
  Json map = Json::object();
  for (const auto& [name, value] : call.request.headers) map.set(name).push_back(value);
  map.set("X-Api-Version").push_back(identity_.version);
  map.set("X-Api-Revision").push_back("unknown");
  co_await send(call, json_response(200, base::sorted(map)));
}

Task<void> Service::echo(Call& call) {
  if (!config_.backend_urls.empty()) {
    co_await echo_backends(call);
    co_return;
  }
  Response response = raw_response(202, call.request.body);
  response.headers.set("X-Color", config_.ui_color);
  co_await send(call, std::move(response));
}

Task<void> Service::echo_backends(Call& call) {
  const base::Executor executor = co_await boost::asio::this_coro::executor;
  const std::size_t count = config_.backend_urls.size();
  std::vector<Json> answers(count);
  base::TaskGroup group(executor);
  for (std::size_t i = 0; i < count; ++i) {
    group.spawn(ask_backend(client_, config_.backend_urls[i],
                            forwarded(call.request.headers, identity_.version), call.request.body,
                            config_.http_client_timeout, answers[i]));
  }
  co_await group.join();
  Response response = json_response(200, Json(std::move(answers)));
  response.headers.set("X-Color", config_.ui_color);
  co_await send(call, std::move(response));
}

Task<void> Service::make_token(Call& call) {
  const Claims claims{
      call.request.body.empty() ? "anonymous" : call.request.body,
      clock_.wall_now() + std::chrono::duration_cast<std::chrono::milliseconds>(token_lifetime)};
  const Json body = Json::object({{"token", sign_token(claims, config_.jwt_secret)},
                                  {"expires_at", base::format_rfc3339(claims.expires)}});
  co_await send(call, json_response(200, body));
}

Task<void> Service::validate_token(Call& call) {
  const std::string_view credentials = call.request.headers.get("Authorization");
  if (!credentials.starts_with("Bearer ")) {
    co_await send(call, error_response(401, "authorization bearer header required"));
    co_return;
  }
  const Result<Claims> claims = verify_token(credentials.substr(7), config_.jwt_secret, clock_.wall_now());
  if (!claims) {
    co_await send(call, error_response(401, claims.error().message));
    co_return;
  }
  const Json body =
      Json::object({{"token_name", claims->name}, {"expires_at", base::format_rfc3339(claims->expires)}});
  co_await send(call, json_response(200, body));
}

Task<void> Service::configs(Call& call) {
  Json files = Json::object();
  std::error_code error;
  if (!config_.config_path.empty()) {
    for (const fs::directory_entry& entry : fs::directory_iterator(config_.config_path, error)) {
      const std::string name = entry.path().filename().string();
      if (name.find("..") != std::string::npos || !entry.is_regular_file(error)) continue;
      if (auto content = read_file(entry.path())) files.set(name) = std::move(*content);
    }
  }
  co_await send(call, json_response(200, base::sorted(files)));
}

Task<void> Service::store_write(Call& call) {
  const std::string hash = sha1_hex(call.request.body);
  std::ofstream file(fs::path(config_.data_path) / hash, std::ios::binary | std::ios::trunc);
  file << call.request.body;
  file.close();
  const Json body = Json::object({{"hash", hash}});
  co_await send(call, file ? json_response(202, body) : error_response(500, "writing file failed"));
}

Task<void> Service::store_read(Call& call) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (call.parameter.size() != 40 || !std::ranges::all_of(call.parameter, is_hex)) {
    co_await send(call, error_response(400, "invalid hash"));
    co_return;
  }
  std::optional<std::string> content = read_file(fs::path(config_.data_path) / call.parameter);
  co_await send(
      call, content ? raw_response(202, std::move(*content)) : error_response(500, "reading file failed"));
}

Task<void> Service::cache(Call& call) {
  co_await send(call, error_response(400, "cache server is offline"));
}

Task<void> Service::chunked(Call& call) {
  const int seconds = call.parameter.empty() ? 10 + static_cast<int>(random_.below(20))
                                             : number_of(call.parameter, seconds_max);
  Response head{200, {{"Content-Type", "application/json; charset=utf-8"}}, {}};
  const Result<void> started = co_await call.responder.start(std::move(head));
  if (!started) co_return;
  call.status = 200;
  co_await clock_.sleep_for(std::chrono::seconds(seconds));
  const Result<void> written =
      co_await call.responder.write(Json::object({{"delay", seconds}}).dump_pretty(2));
  if (written) co_await call.responder.finish();
}

}  // namespace serin::podinfo
