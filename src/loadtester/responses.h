#pragma once

#include <string>
#include <utility>

#include "http/message.h"

namespace serin::loadtester {

inline http::Response text_response(int status, std::string text) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(text)};
}
inline http::Response empty_response(int status) {
  return {status, {}, {}};
}

}  // namespace serin::loadtester
