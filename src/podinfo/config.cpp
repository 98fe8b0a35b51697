#include "podinfo/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <functional>
#include <map>

namespace serin::podinfo {
namespace {

using base::Errc;
using base::fail;
using base::Result;

/// Puts a flag's text into its place; false if the text has the wrong form.
struct Flag {
  std::function<bool(const std::string&)> set;
  bool is_switch = false;  ///< may stand without a value
};
using Flags = std::map<std::string, Flag, std::less<>>;

Flag text(std::string& into) {
  return {[&into](const std::string& value) {
    into = value;
    return true;
  }};
}

template <class Int>
Flag number(Int& into) {
  return {[&into](const std::string& value) {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), into);
    return error == std::errc() && end == value.data() + value.size();
  }};
}

Flag duration(base::Duration& into) {
  return {[&into](const std::string& value) {
    const Result<base::Duration> parsed = base::parse_duration(value);
    if (parsed) into = *parsed;
    return parsed.has_value();
  }};
}

Flag toggle(bool& into) {
  return {[&into](const std::string& value) {
            // The spellings that Go's flags take.
            const auto is_one_of = [&](std::initializer_list<std::string_view> spellings) {
              return std::ranges::find(spellings, value) != spellings.end();
            };
            into = is_one_of({"true", "1", "t", "T", "TRUE", "True"});
            return into || is_one_of({"false", "0", "f", "F", "FALSE", "False"});
          },
          true};
}

Flag list(std::vector<std::string>& into) {
  return {[&into](const std::string& value) {
    for (std::size_t begin = 0; begin <= value.size();) {
      const std::size_t end = std::min(value.find(',', begin), value.size());
      if (end > begin) into.push_back(value.substr(begin, end - begin));
      begin = end + 1;
    }
    return true;
  }};
}

Flags flags_of(Config& config, std::string& ignored, bool& ignored_switch) {
  Flags flags{
      {"host", text(config.host)},
      {"port", number(config.port)},
      {"port-metrics", number(config.port_metrics)},
      {"level", text(config.level)},
      {"backend-url", list(config.backend_urls)},
      {"http-client-timeout", duration(config.http_client_timeout)},
      {"http-server-timeout", duration(config.http_server_timeout)},
      {"server-shutdown-timeout", duration(config.shutdown_timeout)},
      {"http-server-shutdown-timeout", duration(config.shutdown_timeout)},  // its name in 6.0.x
      {"data-path", text(config.data_path)},
      {"config-path", text(config.config_path)},
      {"ui-logo", text(config.ui_logo)},
      {"ui-color", text(config.ui_color)},
      {"ui-message", text(config.ui_message)},
      {"random-delay", toggle(config.random_delay)},
      {"random-delay-min", number(config.random_delay_min)},
      {"random-delay-max", number(config.random_delay_max)},
      {"random-delay-unit", text(config.random_delay_unit)},
      {"random-error", toggle(config.random_error)},
      {"unhealthy", toggle(config.unhealthy)},
      {"unready", toggle(config.unready)},
      {"stress-cpu", number(config.stress_cpu)},
      {"stress-memory", number(config.stress_memory)},
      {"version", toggle(config.print_version)},
      {"h2c", toggle(ignored_switch)},
  };
  for (const char* name : {"grpc-port", "grpc-service-name", "secure-port", "cert-path", "prefix", "config",
                           "ui-path", "cache-server", "otel-service-name"}) {
    flags[name] = text(ignored);
  }
  return flags;
}

std::string variable_name(std::string_view flag) {
  std::string name = "PODINFO_";
  for (const unsigned char c : flag) name += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return name;
}

Result<void> read_environment(const Flags& flags, const std::vector<std::string>& environment) {
  for (const auto& [name, flag] : flags) {
    const std::string value = variable(environment, variable_name(name));
    if (!value.empty() && !flag.set(value)) {
      return fail(Errc::invalid, fmt::format("invalid value \"{}\" of {}", value, variable_name(name)));
    }
  }
  return {};
}

Result<void> read_flags(const Flags& flags, const std::vector<std::string>& args) {
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (!args[i].starts_with("--")) return fail(Errc::invalid, "unknown shorthand flag: " + args[i]);
    const auto equals = args[i].find('=');
    const std::string name = args[i].substr(2, equals == std::string::npos ? equals : equals - 2);
    const auto flag = flags.find(name);
    if (flag == flags.end()) return fail(Errc::invalid, "unknown flag: --" + name);
    std::string value = "true";
    if (equals != std::string::npos) {
      value = args[i].substr(equals + 1);
    } else if (!flag->second.is_switch) {
      if (i + 1 == args.size()) return fail(Errc::invalid, "flag needs an argument: --" + name);
      value = args[++i];
    }
    if (!flag->second.set(value)) {
      return fail(Errc::invalid, fmt::format("invalid argument \"{}\" for \"--{}\" flag", value, name));
    }
  }
  return {};
}

}  // namespace

std::string variable(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& entry : environment) {
    if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) {
      return entry.substr(name.size() + 1);
    }
  }
  return {};
}

base::Result<Config> parse_config(const std::vector<std::string>& args,
                                  const std::vector<std::string>& environment) {
  Config config;
  std::string ignored;
  bool ignored_switch = false;
  const Flags flags = flags_of(config, ignored, ignored_switch);
  if (auto read = read_environment(flags, environment); !read) return fail(read.error());
  const std::string secret = variable(environment, "PODINFO_JWT_SECRET");
  if (!secret.empty()) config.jwt_secret = secret;
  std::vector<std::string> words = args;
  std::ranges::replace(words, std::string("-v"), std::string("--version"));
  if (auto read = read_flags(flags, words); !read) return fail(read.error());
  if (config.random_delay_unit != "s" && config.random_delay_unit != "ms") {
    return fail(Errc::invalid, "`--random-delay-unit` accepted values are: s, ms");
  }
  if (config.random_delay_max < config.random_delay_min) {
    return fail(Errc::invalid, "`--random-delay-max` should be greater than `--random-delay-min`");
  }
  return config;
}

}  // namespace serin::podinfo
