#pragma once

#include <string>

#include "base/json.h"
#include "http/message.h"

namespace serin::podinfo {

/// podinfo's JSON answers: two blanks a level, no line break at the end (spec 11 §9).
inline http::Response json_response(int status, const base::Json& body) {
  return {status,
          {{"Content-Type", "application/json; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}},
          body.dump_pretty(2)};
}
inline http::Response text_response(int status, std::string body) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
}
inline http::Response empty_response(int status) {
  return {status, {}, {}};
}
/// Bytes of a caller, sent back so that no browser runs them.
inline http::Response raw_response(int status, std::string body) {
  return {status,
          {{"Content-Type", "application/octet-stream"},
           {"X-Content-Type-Options", "nosniff"},
           {"Content-Security-Policy", "default-src 'none'"}},
          std::move(body)};
}
/// A handler's error: the HTTP status stays 200, the code is in the body.
inline http::Response error_response(int code, std::string message) {
  return json_response(200, base::Json::object({{"code", code}, {"message", std::move(message)}}));
}

/// The page of "/" for browsers (ui_page.cpp).
std::string ui_page(std::string_view hostname);

}  // namespace serin::podinfo
