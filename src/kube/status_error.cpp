#include "kube/status_error.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace serin::kube {

using base::Errc;
using base::Error;
using base::Json;

namespace {

constexpr std::size_t quoted_body_max = 256;

constexpr std::array<std::pair<std::string_view, Errc>, 16> code_of_reason{{
    {"NotFound", Errc::not_found},
    {"AlreadyExists", Errc::already_exists},
    {"Conflict", Errc::conflict},
    {"Expired", Errc::gone},
    {"Gone", Errc::gone},
    {"Invalid", Errc::invalid},
    {"BadRequest", Errc::invalid},
    {"RequestEntityTooLarge", Errc::invalid},
    {"Unauthorized", Errc::forbidden},
    {"Forbidden", Errc::forbidden},
    {"Timeout", Errc::timeout},
    {"ServerTimeout", Errc::unavailable},
    {"TooManyRequests", Errc::unavailable},
    {"ServiceUnavailable", Errc::unavailable},
    {"InternalError", Errc::unavailable},
    {"StoreReadError", Errc::unavailable},
}};

Errc code_of(int http_status) {
  switch (http_status) {
    case 400:
    case 413:
    case 422:
      return Errc::invalid;
    case 401:
    case 403:
      return Errc::forbidden;
    case 404:
      return Errc::not_found;
    case 408:
    case 504:
      return Errc::timeout;
    case 409:
      return Errc::conflict;
    case 410:
      return Errc::gone;
    case 429:
      return Errc::unavailable;
    default:
      return http_status >= 500 ? Errc::unavailable : Errc::rejected;
  }
}

}  // namespace

Error status_error(const Json& status) {
  const std::string& reason = status["reason"].str();
  const int http_status = static_cast<int>(status["code"].int_or(500));
  Errc code = code_of(http_status);
  for (const auto& [name, mapped] : code_of_reason) {
    if (name == reason) code = mapped;
  }
  std::string message = status["message"].str_or(reason);
  if (message.empty()) message = fmt::format("{} {}", http_status, http::reason_phrase(http_status));
  return {code, std::move(message)};
}

Error response_error(std::string_view method, std::string_view path, const http::Response& response) {
  if (const auto body = Json::parse(response.body); body && (*body)["kind"].str() == "Status") {
    Json status = *body;
    if (!status["code"].as_int()) status.set("code") = response.status;
    return status_error(status);
  }
  std::string text =
      fmt::format("{} {}: {} {}", method, path, response.status, http::reason_phrase(response.status));
  std::string_view body = response.body;
  body = body.substr(0, body.find_last_not_of(" \r\n") + 1).substr(0, quoted_body_max);
  if (!body.empty()) text += fmt::format(": {}", body);
  return {code_of(response.status), std::move(text)};
}

}  // namespace serin::kube
