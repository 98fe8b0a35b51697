#include "cli/flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

namespace serin::cli {
namespace {

using base::Errc;
using base::fail;
using base::Result;

Result<void> parse_error() {
  return fail(Errc::invalid, "parse error");
}

template <class Number>
Result<void> read(const std::string& value, Number& into) {
  const char* end = value.data() + value.size();
  const auto [stopped, error] = std::from_chars(value.data(), end, into);
  if (error == std::errc::result_out_of_range) return fail(Errc::invalid, "value out of range");
  return error == std::errc() && stopped == end ? Result<void>() : parse_error();
}

/// As Go's strconv.ParseBool.
Result<void> read_bool(std::string_view value, bool& into) {
  constexpr std::string_view yes[] = {"1", "t", "T", "true", "TRUE", "True"};
  constexpr std::string_view no[] = {"0", "f", "F", "false", "FALSE", "False"};
  into = std::ranges::find(yes, value) != std::end(yes);
  return into || std::ranges::find(no, value) != std::end(no) ? Result<void>() : parse_error();
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return parts;
}

}  // namespace

Flags& Flags::add(Flag flag) {
  flags_.push_back(std::move(flag));
  return *this;
}

Flags& Flags::text(std::string_view name, std::string& into, std::string_view meaning) {
  return add({std::string(name), "string", std::string(meaning), into, false,
              [&into](std::string value) -> Result<void> {
                into = std::move(value);
                return {};
              }});
}

Flags& Flags::toggle(std::string_view name, bool& into, std::string_view meaning) {
  return add({std::string(name), "", std::string(meaning), into ? "true" : "", true,
              [&into](const std::string& value) { return read_bool(value, into); }});
}

Flags& Flags::integer(std::string_view name, int& into, std::string_view meaning) {
  return add({std::string(name), "int", std::string(meaning), std::to_string(into), false,
              [&into](const std::string& value) { return read(value, into); }});
}

Flags& Flags::number(std::string_view name, double& into, std::string_view meaning) {
  return add({std::string(name), "float", std::string(meaning), fmt::format("{}", into), false,
              [&into](const std::string& value) { return read(value, into); }});
}

Flags& Flags::port(std::string_view name, std::uint16_t& into, std::string_view meaning) {
  return add({std::string(name), "port", std::string(meaning), std::to_string(into), false,
              [&into](const std::string& value) { return read(value, into); }});
}

Flags& Flags::duration(std::string_view name, base::Duration& into, std::string_view meaning) {
  return add({std::string(name), "duration", std::string(meaning), base::format_duration(into), false,
              [&into](const std::string& value) -> Result<void> {
                const Result<base::Duration> read_value = base::parse_duration(value);
                if (!read_value) return parse_error();
                into = *read_value;
                return {};
              }});
}

Flags& Flags::list(std::string_view name, std::vector<std::string>& into, std::string_view meaning) {
  return add({std::string(name), "string", std::string(meaning), fmt::format("{}", fmt::join(into, ",")),
              false, [&into](const std::string& value) -> Result<void> {
                into = split(value);
                return {};
              }});
}

Flags& Flags::without_effect(std::string_view name, std::string_view why, bool is_switch) {
  return add(
      {std::string(name), is_switch ? "" : "string", fmt::format("no effect: {}", why), "", is_switch,
       [this, line = fmt::format("-{} has no effect: {}", name, why)](const std::string&) -> Result<void> {
         if (std::ranges::find(ignored_, line) == ignored_.end()) ignored_.push_back(line);
         return {};
       }});
}

const Flags::Flag* Flags::find(std::string_view name) const {
  const auto found = std::ranges::find(flags_, name, &Flag::name);
  return found == flags_.end() ? nullptr : &*found;
}

Result<void> Flags::parse(const std::vector<std::string>& args) {
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string_view word = args[i];
    const std::size_t dashes = word.starts_with("--") ? 2 : 1;
    if (!word.starts_with('-') || word.size() == dashes) {
      return fail(Errc::invalid, fmt::format("unexpected argument: {}", word));
    }
    word.remove_prefix(dashes);
    const std::size_t equals = word.find('=');
    const std::string name(word.substr(0, equals));
    if (name == "h" || name == "help") {
      help_ = true;
      return {};
    }
    const Flag* flag = find(name);
    if (!flag) return fail(Errc::invalid, fmt::format("flag provided but not defined: -{}", name));
    std::optional<std::string> value;
    if (equals != std::string_view::npos) value = std::string(word.substr(equals + 1));
    if (!value && flag->is_switch) value = "true";
    if (!value && i + 1 < args.size()) value = args[++i];
    if (!value) return fail(Errc::invalid, fmt::format("flag needs an argument: -{}", name));
    if (const Result<void> done = flag->set(*value); !done) {
      return fail(Errc::invalid,
                  fmt::format("invalid {}value \"{}\" for flag -{}: {}", flag->is_switch ? "boolean " : "",
                              *value, name, done.error().message));
    }
  }
  return {};
}

std::string Flags::usage() const {
  std::string text = fmt::format("Usage of {}:\n", program_);
  for (const Flag& flag : flags_) {
    text +=
        fmt::format("  -{}{}{}\n    \t{}", flag.name, flag.kind.empty() ? "" : " ", flag.kind, flag.meaning);
    if (!flag.otherwise.empty()) text += fmt::format(" (default {})", flag.otherwise);
    text += '\n';
  }
  return text;
}

int exit_code_after_parsing(Flags& flags, const std::vector<std::string>& args) {
  const Result<void> parsed = flags.parse(args);
  if (!parsed) {
    fmt::print(stderr, "{}\n{}", parsed.error().message, flags.usage());
    return 2;
  }
  if (!flags.help()) return -1;
  fmt::print("{}", flags.usage());
  return 0;
}

}  // namespace serin::cli
