#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace serin::podinfo {

/// How podinfo was started (spec 11 §8): flags over PODINFO_* variables over defaults.
struct Config {
  std::string host;
  std::uint16_t port = 9898;
  std::uint16_t port_metrics = 0;  ///< 0: no listener of its own
  std::string level = "info";
  std::vector<std::string> backend_urls;
  base::Duration http_client_timeout = std::chrono::minutes(2);
  base::Duration http_server_timeout = std::chrono::seconds(30);
  base::Duration shutdown_timeout = std::chrono::seconds(5);
  std::string data_path = "/data";
  std::string config_path;
  std::string ui_logo = "https://raw.githubusercontent.com/stefanprodan/podinfo/gh-pages/cuddle_clap.gif";
  std::string ui_color = "#34577c";
  std::string ui_message;  ///< empty: "greetings from podinfo v<version>"
  std::string jwt_secret = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
  bool random_delay = false;
  int random_delay_min = 0;
  int random_delay_max = 5;
  std::string random_delay_unit = "s";  ///< "s" or "ms"
  bool random_error = false;
  bool unhealthy = false;
  bool unready = false;
  int stress_cpu = 0;     ///< cores kept busy
  int stress_memory = 0;  ///< MB held
  bool print_version = false;
};

/// Reads the words after the program's name and the environment ("NAME=value" each). Flags of podinfo without
/// a part in this stand-in (gRPC, TLS, Redis, tracing) are read and have no effect. Errors (invalid) have
/// podinfo's texts.
base::Result<Config> parse_config(const std::vector<std::string>& args,
                                  const std::vector<std::string>& environment);

/// The value of a variable; empty if unset.
std::string variable(const std::vector<std::string>& environment, std::string_view name);

}  // namespace serin::podinfo
