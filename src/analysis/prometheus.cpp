#include "analysis/prometheus.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"

namespace serin::analysis {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;

namespace {

constexpr std::size_t body_max = 1u << 20;
constexpr std::size_t quoted_body_max = 512;
constexpr std::size_t get_query_max = 2048;  // longer ones would make URLs that proxies refuse

/// What an Event may show of an answer.
std::string quoted(std::string_view body) {
  return base::one_line(body, quoted_body_max);
}

/// The address as texts may show it.
std::string without_user(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string(address) : "xxxxx" + std::string(address.substr(at));
}

/// Statuses that say nothing about the question: the server is broken, busy or on its way up.
bool is_passing(int status) {
  return status >= 500 || status == 429 || status == 408;
}

/// A field value may hold no control characters (RFC 9110 §5.5).
bool fits_header(std::string_view value) {
  return std::ranges::none_of(value, [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

/// Remote stores warn when they could read only a part. What begins with "PromQL" is about the query's style.
std::string_view warning_of_part(const Json& answer) {
  for (const Json& warning : answer["warnings"].items()) {
    if (!warning.str().starts_with("PromQL ")) return warning.str();
  }
  return {};
}

/// A sample value as Prometheus writes it: "1.5", "NaN", "+Inf".
std::optional<double> read_sample(const Json& sample) {
  const Json& text = sample.at(1);
  if (!text.is_string() || sample.size() != 2) return std::nullopt;
  std::string_view digits = text.str();
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

Result<Measurement> measure(const Json& sample, std::string_view body) {
  const std::optional<double> value = read_sample(sample);
  if (!value) {
    return fail(Errc::internal,
                fmt::format("error unmarshaling result: not a sample of a number, '{}'", quoted(body)));
  }
  // A division by zero: nothing was measured, which may be different the next time.
  if (std::isinf(*value)) return fail(Errc::unavailable, "value is not finite");
  if (std::isnan(*value)) return Measurement{};
  return Measurement{value};
}

}  // namespace

Result<PrometheusOptions> prometheus_options(ProviderSettings settings) {
  PrometheusOptions options{.address = std::move(settings.address), .name = std::move(settings.type)};
  options.headers = std::move(settings.headers);
  if (!settings.secret) return options;
  std::map<std::string, std::string>& secret = *settings.secret;
  const auto lacks = [&](std::string_view key) {
    return fail(Errc::invalid, fmt::format("{} credentials does not contain a {}", options.name, key));
  };
  options.token = std::move(secret["token"]);
  if (!options.token.empty()) return options;
  options.username = std::move(secret["username"]);
  options.password = std::move(secret["password"]);
  if (options.username.empty()) return lacks("username");
  if (options.password.empty()) return lacks("password");
  return options;
}

Result<Prometheus> Prometheus::make(http::Client& client, PrometheusOptions options) {
  auto url = http::Url::parse(options.address);
  if (!url) {
    return fail(Errc::invalid,
                fmt::format("{} address {} is not a valid URL", options.name, without_user(options.address)));
  }
  if (!fits_header(options.token)) {
    return fail(Errc::invalid, fmt::format("{} credentials: the token holds a line break or control "
                                           "character, store it in the secret without",
                                           options.name));
  }
  std::string& path = url->target;
  path = path.substr(0, path.find('?'));
  if (path.ends_with('/')) path.pop_back();
  path += "/api/v1/query";
  return Prometheus(client, std::move(options), std::move(*url));
}

http::Request Prometheus::make_request(std::string_view promql) const {
  http::Request request{.url = url_};
  const std::string query = "query=" + http::percent_encode(promql);
  if (promql.size() <= get_query_max) {
    request.url.target += "?" + query;
  } else {
    request.method = "POST";
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    request.body = query;
  }
  for (const auto& [name, values] : options_.headers) {
    for (const std::string& value : values) request.headers.add(name, value);
  }
  if (!options_.token.empty()) {
    request.headers.set("Authorization", "Bearer " + options_.token);
  } else if (!options_.username.empty()) {
    request.headers.set("Authorization",
                        "Basic " + base::base64_encode(options_.username + ":" + options_.password));
  }
  return request;
}

Task<Result<Measurement>> Prometheus::query(std::string promql) const {
  http::Request request = make_request(promql);
  const http::ExchangeOptions limits{.timeout = options_.timeout, .body_max = body_max, .redirects_max = 10};
  auto response = co_await client_->send(std::move(request), limits);
  if (!response) co_return fail(response.error().within("request failed"));
  if (response->status >= 400) {
    co_return fail(is_passing(response->status) ? Errc::unavailable : Errc::rejected,
                   fmt::format("error response: Status {} {}: {}", response->status,
                               http::reason_phrase(response->status), quoted(response->body)));
  }
  co_return read_query_result(response->body);
}

Task<Result<void>> Prometheus::check_online() const {
  auto one = co_await query("vector(1)");
  if (!one) co_return fail(one.error().within("running query failed"));
  if (one->value != 1.0) co_return fail(Errc::internal, "value is not 1 for query: vector(1)");
  co_return Result<void>{};
}

Result<Measurement> read_query_result(std::string_view body) {
  const auto answer = Json::parse(body);
  if (!answer) {
    return fail(Errc::internal,
                fmt::format("error unmarshaling result: {}, '{}'", answer.error().message, quoted(body)));
  }
  if ((*answer)["status"] == Json("error")) {
    return fail(Errc::rejected, fmt::format("error response: {}: {}", quoted((*answer)["errorType"].str()),
                                            quoted((*answer)["error"].str())));
  }
  if (const std::string_view warning = warning_of_part(*answer); !warning.empty()) {
    return fail(Errc::unavailable, fmt::format("the answer is partial: {}", quoted(warning)));
  }
  const Json& result = answer->get("data", "result");
  const std::string& type = answer->get("data", "resultType").str();
  if (!result.is_array()) {
    return fail(Errc::internal,
                fmt::format("error unmarshaling result: data.result is no list, '{}'", quoted(body)));
  }
  if (type == "scalar") return measure(result, body);
  if (type == "string") return fail(Errc::rejected, "query returned a string; a number is needed");
  if (type == "matrix") return fail(Errc::rejected, "query returned multiple values");
  if (result.empty()) return Measurement{};
  if (result.size() > 1) {
    return fail(Errc::rejected,
                fmt::format("query returned {} series; aggregate them to one, for example with sum()",
                            result.size()));
  }
  const Json& series = result.at(0);
  if (series.contains("values")) return fail(Errc::rejected, "query returned multiple values");
  if (series.contains("histogram"))
    return fail(Errc::rejected, "query returned a histogram; a number is needed");
  return measure(series["value"], body);
}

}  // namespace serin::analysis
