#include "local/machinery/names.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cctype>

namespace serin::local {

namespace {

using Texts = std::vector<std::string>;

constexpr const char* label_pattern = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr const char* subdomain_pattern =
    R"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)";
constexpr const char* dns1035_pattern = "[a-z]([-a-z0-9]*[a-z0-9])?";
constexpr const char* qualified_pattern = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
constexpr const char* label_value_pattern = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
constexpr const char* config_key_pattern = "[-._a-zA-Z0-9]+";

constexpr std::string_view qualified_text =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character";

bool fits(std::string_view text, const char* pattern) {
  return RE2::FullMatch({text.data(), text.size()}, pattern);
}

/// "<what> (e.g. 'a', or 'b', regex used for validation is '...')"
std::string explain(std::string_view what, std::string_view pattern,
                    std::initializer_list<std::string_view> examples) {
  std::string text = fmt::format("{} (e.g. ", what);
  bool first = true;
  for (const std::string_view example : examples) {
    if (!std::exchange(first, false)) text += " or ";
    text += fmt::format("'{}', ", example);
  }
  return text + fmt::format("regex used for validation is '{}')", pattern);
}

std::string too_long(std::size_t most) {
  return fmt::format("must be no more than {} bytes", most);
}

}  // namespace

Texts check_dns1123_label(std::string_view name) {
  Texts texts;
  if (name.size() > 63) texts.push_back(too_long(63));
  if (!fits(name, label_pattern)) {
    texts.push_back(
        fits(name, subdomain_pattern)
            ? "must not contain dots"
            : explain("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                      "and must start and end with an alphanumeric character",
                      label_pattern, {"my-name", "123-abc"}));
  }
  return texts;
}

Texts check_dns1123_subdomain(std::string_view name) {
  Texts texts;
  if (name.size() > 253) texts.push_back(too_long(253));
  if (!fits(name, subdomain_pattern)) {
    texts.push_back(
        explain("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
                "'-' or '.', and must start and end with an alphanumeric character",
                subdomain_pattern, {"example.com"}));
  }
  return texts;
}

Texts check_dns1035_label(std::string_view name) {
  Texts texts;
  if (name.size() > 63) texts.push_back("must be no more than 63 characters");
  if (!fits(name, dns1035_pattern)) {
    texts.push_back(
        explain("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start "
                "with an alphabetic character, and end with an alphanumeric character",
                dns1035_pattern, {"my-name", "abc-123"}));
  }
  return texts;
}

Texts check_qualified_name(std::string_view name) {
  Texts texts;
  const auto slash = name.find('/');
  if (slash != std::string_view::npos && name.find('/', slash + 1) != std::string_view::npos) {
    texts.push_back(
        fmt::format("a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. "
                    "'example.com/MyName')",
                    explain(qualified_text, qualified_pattern, {"MyName", "my.name", "123-abc"})));
    return texts;
  }
  if (slash != std::string_view::npos) {
    const std::string_view prefix = name.substr(0, slash);
    if (prefix.empty()) {
      texts.push_back("prefix part must be non-empty");
    } else {
      for (const std::string& text : check_dns1123_subdomain(prefix)) texts.push_back("prefix part " + text);
    }
    name = name.substr(slash + 1);
  }
  if (name.empty()) {
    texts.push_back("name part must be non-empty");
  } else if (name.size() > 63) {
    texts.push_back("name part " + too_long(63));
  }
  if (!fits(name, qualified_pattern)) {
    texts.push_back("name part " +
                    explain(qualified_text, qualified_pattern, {"MyName", "my.name", "123-abc"}));
  }
  return texts;
}

Texts check_label_value(std::string_view value) {
  Texts texts;
  if (value.size() > 63) texts.push_back(too_long(63));
  if (!fits(value, label_value_pattern)) {
    texts.push_back(
        explain("a valid label must be an empty string or consist of alphanumeric characters, '-', "
                "'_' or '.', and must start and end with an alphanumeric character",
                label_value_pattern, {"MyValue", "my_value", "12345"}));
  }
  return texts;
}

Texts check_port_name(std::string_view name) {
  Texts texts;
  if (name.size() > 15) texts.push_back("must be no more than 15 characters");
  if (!fits(name, "[-a-z0-9]*")) {
    texts.push_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!RE2::PartialMatch({name.data(), name.size()}, "[a-z]"))
    texts.push_back("must contain at least one letter (a-z)");
  if (name.find("--") != std::string_view::npos) texts.push_back("must not contain consecutive hyphens");
  if (name.starts_with('-') || name.ends_with('-')) texts.push_back("must not begin or end with a hyphen");
  return texts;
}

Texts check_port_number(std::int64_t port) {
  if (port >= 1 && port <= 65535) return {};
  return {"must be between 1 and 65535, inclusive"};
}

Texts check_env_var_name(std::string_view name) {
  const bool fine =
      !name.empty() && std::ranges::all_of(name, [](char c) { return c >= 0x20 && c < 0x7f && c != '='; });
  if (fine) return {};
  return {"a valid environment variable name must consist only of printable ASCII characters other than '='"};
}

Texts check_config_key(std::string_view key) {
  Texts texts;
  if (key.size() > 253) texts.push_back("must be no more than 253 characters");
  if (!fits(key, config_key_pattern)) {
    texts.push_back(explain("a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                            config_key_pattern, {"key.name", "KEY_NAME", "key-name"}));
  } else if (key == ".") {
    texts.push_back("must not be '.'");
  } else if (key == "..") {
    texts.push_back("must not be '..'");
  } else if (key.starts_with("..")) {
    texts.push_back("must not start with '..'");
  }
  return texts;
}

Texts check_path_segment(std::string_view name) {
  Texts texts;
  if (name == "." || name == "..") return {fmt::format("may not be '{}'", name)};
  for (const char forbidden : {'/', '%'}) {
    if (name.find(forbidden) != std::string_view::npos)
      texts.push_back(fmt::format("may not contain '{}'", forbidden));
  }
  return texts;
}

FieldErrors check_labels(const Json& labels, std::string_view path) {
  FieldErrors errors;
  for (const Json::Member& label : labels.members()) {
    for (const std::string& text : check_qualified_name(label.key)) {
      errors.push_back(FieldError::invalid(std::string(path), label.key, text));
    }
    for (const std::string& text : check_label_value(label.value.str())) {
      errors.push_back(FieldError::invalid(std::string(path), label.value, text));
    }
  }
  return errors;
}

FieldErrors check_annotations(const Json& annotations, std::string_view path) {
  constexpr std::size_t size_max = 256 * 1024;
  FieldErrors errors;
  std::size_t size = 0;
  for (const Json::Member& annotation : annotations.members()) {
    std::string key = annotation.key;
    std::ranges::transform(key, key.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const std::string& text : check_qualified_name(key)) {
      errors.push_back(FieldError::invalid(std::string(path), annotation.key, text));
    }
    size += annotation.key.size() + annotation.value.str().size();
  }
  if (size > size_max) errors.push_back(FieldError::too_long(std::string(path), size_max));
  return errors;
}

}  // namespace serin::local
