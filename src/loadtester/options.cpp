#include "loadtester/options.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace serin::loadtester {
namespace {

using base::Errc;
using base::fail;
using base::Result;

Result<void> check_regexp(std::string_view flag, const std::string& pattern) {
  const RE2 regexp(pattern, RE2::Quiet);
  if (regexp.ok()) return {};
  return fail(Errc::invalid,
              fmt::format("invalid value \"{}\" for flag -{}: {}", pattern, flag, regexp.error()));
}

/// The names of a comma list, trimmed.
std::vector<std::string> split_names(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view name = list.substr(0, comma);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (!name.empty()) names.emplace_back(name);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return names;
}

template <class Number>
bool read_number(const std::string& text, Number& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size();
}

Result<void> apply(Options& options, const std::string& flag, std::string value) {
  const auto invalid = [&](std::string_view why) {
    return fail(Errc::invalid, fmt::format("invalid value \"{}\" for flag -{}: {}", value, flag, why));
  };
  if (flag == "port") {
    if (!read_number(value, options.port)) return invalid("not a port (0 to 65535)");
  } else if (flag == "timeout") {
    const Result<base::Duration> duration = base::parse_duration(value);
    if (!duration) return invalid("parse error");
    options.timeout = *duration;
  } else if (flag == "log-level") {
    options.log_level = std::move(value);
  } else if (flag == "zap-encoding") {
    if (value != "json" && value != "console") return invalid("must be json or console");
    options.log_encoding = std::move(value);
  } else if (flag == "namespace-regexp") {
    if (auto checked = check_regexp(flag, value); !checked) return checked;
    options.namespace_regexp = std::move(value);
  } else if (flag == "allow-command") {
    if (auto checked = check_regexp(flag, value); !checked) return checked;
    options.allowed_commands.push_back(std::move(value));
  } else if (flag == "allow-commands") {
    for (std::string& name : split_names(value)) options.allowed_programs.push_back(std::move(name));
    if (options.allowed_programs.empty()) return invalid("names no command");
  } else if (flag == "max-tasks") {
    if (!read_number(value, options.tasks_max) || options.tasks_max == 0)
      return invalid("not a number above 0");
  } else if (flag == "auth-token") {
    if (value.empty()) return invalid("must not be empty");
    options.auth_token = std::move(value);
  } else if (flag == "token-file") {
    options.token_file = std::move(value);
  } else if (flag == "gate-store") {
    options.gate_store = std::move(value);
  }
  return {};
}

bool takes_value(std::string_view flag) {
  constexpr std::string_view flags[] = {"port",          "log-level",      "timeout",    "auth-token",
                                        "zap-encoding",  "token-file",     "gate-store", "namespace-regexp",
                                        "allow-command", "allow-commands", "max-tasks"};
  return std::ranges::find(flags, flag) != std::ranges::end(flags);
}

/// The flags that may stand without a value.
bool is_switch(std::string_view flag) {
  return flag == "zap-replace-globals" || flag == "help" || flag == "h";
}

}  // namespace

base::Result<Options> parse_options(const std::vector<std::string>& args) {
  Options options;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string_view text = args[i];
    if (!text.starts_with('-') || text == "-") break;  // Go's flag package stops at the first other word
    text.remove_prefix(text.starts_with("--") ? 2 : 1);
    if (text.empty()) break;
    const auto equals = text.find('=');
    const std::string flag(text.substr(0, equals));
    if (is_switch(flag)) {
      options.help |= flag != "zap-replace-globals";
      continue;
    }
    if (!takes_value(flag)) return fail(Errc::invalid, "flag provided but not defined: -" + flag);
    std::optional<std::string> value;
    if (equals != std::string_view::npos)
      value = std::string(text.substr(equals + 1));
    else if (i + 1 < args.size())
      value = args[++i];
    if (!value) return fail(Errc::invalid, fmt::format("flag needs an argument: -{}", flag));
    if (auto applied = apply(options, flag, std::move(*value)); !applied) return fail(applied.error());
  }
  return options;
}

std::string usage() {
  return R"(Usage of loadtester:
  -port string               Port to listen on. (default "9090")
  -log-level string          Log level can be: debug, info, warning, error. (default "debug")
  -timeout duration          Load test exec timeout. (default 1h0m0s)
  -namespace-regexp string   Only payloads whose namespace matches are served. Empty: all.
  -zap-encoding string       Log encoding: json or console. (default "json")
  -zap-replace-globals       Accepted, without effect.
  -auth-token string         Callers must send this as bearer token, or as the password of
                             http://user:PASSWORD@host/ (what a Canary's webhook URL can carry); everybody else
                             gets 401. The variable LOADTESTER_AUTH_TOKEN does the same, out of sight of ps.
  -token-file path           The same, read from a file at start.
  -allow-commands names      Comma list: only commands are run that run nothing but these programs, and use no
                             more of the shell than quotes, pipes and lists. May be given several times.
  -allow-command regexp      Commands that match as a whole are run, too. May be given several times.
  -gate-store path           File that keeps gates open over a restart. (default: memory only)
  -max-tasks number          How many tasks may run at a time. (default 1000)
)";
}

}  // namespace serin::loadtester
