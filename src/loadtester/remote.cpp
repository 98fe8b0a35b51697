#include "loadtester/remote.h"

#include <fmt/format.h>

namespace serin::loadtester {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

constexpr http::ExchangeOptions exchange{.timeout = std::chrono::seconds(60), .body_max = 1u << 20};
/// How much of an error's body is repeated.
constexpr std::size_t excerpt_max = 512;

}  // namespace

base::Task<Result<Json>> fetch_json(http::Client& client, http::Request request) {
  Result<http::Response> response = co_await client.send(std::move(request), exchange);
  if (!response) co_return fail(response.error());
  if (response->status >= 400) {
    co_return fail(Errc::rejected,
                   fmt::format("{} {}: {}", response->status, http::reason_phrase(response->status),
                               response->body.substr(0, excerpt_max)));
  }
  Result<Json> json = Json::parse(response->body);
  if (!json) co_return fail(json.error());
  co_return std::move(*json);
}

Result<http::Url> parse_server(const Metadata& metadata) {
  const auto server = metadata.find("server");
  return http::Url::parse(server == metadata.end() ? std::string() : server->second);
}

}  // namespace serin::loadtester
