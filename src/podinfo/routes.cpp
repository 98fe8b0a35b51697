#include "podinfo/routes.h"

#include <algorithm>

namespace serin::podinfo {

bool Service::Route::allows(std::string_view method) const {
  if (methods.empty()) return true;
  for (std::size_t begin = 0; begin < methods.size();) {
    const std::size_t end = std::min(methods.find(' ', begin), methods.size());
    if (methods.substr(begin, end - begin) == method) return true;
    begin = end + 1;
  }
  return false;
}

bool Service::Route::matches(std::string_view asked, std::string& parameter) const {
  if (path.ends_with('*')) return asked.starts_with(path.substr(0, path.size() - 1));
  const auto brace = path.find('{');
  if (brace == std::string_view::npos) return asked == path;
  if (!asked.starts_with(path.substr(0, brace))) return false;
  const std::string_view rest = asked.substr(brace);
  const bool digits = path.substr(brace) == "{n}";
  const auto fits = [digits](char c) { return digits ? c >= '0' && c <= '9' : c != '/'; };
  if (rest.empty() || !std::ranges::all_of(rest, fits)) return false;
  parameter = rest;
  return true;
}

const std::vector<Service::Route>& Service::routes() {
  static const std::vector<Route> table = {
      {"GET", "/", "root", &Service::index},
      {"GET", "/api/info", "api_info", &Service::info},
      {"GET", "/version", "version", &Service::show_version},
      {"GET", "/healthz", "healthz", &Service::healthz, true},
      {"GET", "/readyz", "readyz", &Service::readyz, true},
      {"POST", "/readyz/enable", "readyz_enable", &Service::enable_ready},
      {"POST", "/readyz/disable", "readyz_disable", &Service::disable_ready},
      {"POST", "/fault_injection/enable", "fault_injection_enable", &Service::fault_injection, true},
      {"POST", "/fault_injection/disable", "fault_injection_disable", &Service::fault_injection, true},
      {"GET", "/fault_injection/status", "fault_injection_status", &Service::fault_injection, true},
      {"GET POST PUT", "/status/{n}", "status", &Service::answer_status},
      {"GET", "/delay/{n}", "delay", &Service::delay},
      {"GET POST", "/env", "env", &Service::env},
      {"GET POST", "/headers", "headers", &Service::headers},
      {"", "/echo", "echo", &Service::echo},
      {"", "/echo/*", "echo", &Service::echo},
      {"", "/api/echo", "api_echo", &Service::echo},
      {"", "/api/echo/*", "api_echo", &Service::echo},
      {"POST", "/token", "token", &Service::make_token},
      {"GET", "/token/validate", "token_validate", &Service::validate_token},
      {"GET", "/configs", "configs", &Service::configs},
      {"POST PUT", "/store", "store", &Service::store_write},
      {"GET", "/store/{x}", "store", &Service::store_read},
      {"GET POST PUT DELETE", "/cache/{x}", "cache", &Service::cache},
      {"", "/chunked", "chunked", &Service::chunked},
      {"", "/chunked/{n}", "chunked_wait_0_9", &Service::chunked},
      {"GET", "/panic", "panic", &Service::panic},
      {"GET", "/metrics", "metrics", &Service::metrics, true},
  };
  return table;
}

}  // namespace serin::podinfo
