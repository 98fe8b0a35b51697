#include "local/machinery/selectors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "local/machinery/names.h"

namespace serin::local {

using base::Errc, base::fail, base::Result;
using Operator = LabelRequirement::Operator;

namespace {

/// Splits a selector's text into words and operators.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : rest_(text) { advance(); }

  [[nodiscard]] std::string_view peek() const { return token_; }
  [[nodiscard]] bool at_end() const { return token_.empty(); }
  [[nodiscard]] bool at_word() const { return !token_.empty() && !is_special(token_.front()); }
  std::string_view take() {
    const std::string_view token = token_;
    advance();
    return token;
  }
  bool skip(std::string_view expected) {
    if (token_ != expected) return false;
    advance();
    return true;
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  static bool is_special(char c) { return std::string_view("=!(),<>").find(c) != std::string_view::npos; }

  void advance() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
    std::size_t length = 0;
    if (rest_.starts_with("==") || rest_.starts_with("!=")) {
      length = 2;
    } else if (!rest_.empty() && is_special(rest_.front())) {
      length = 1;
    } else {
      while (length < rest_.size() && !is_space(rest_[length]) && !is_special(rest_[length])) ++length;
    }
    token_ = rest_.substr(0, length);
    rest_.remove_prefix(length);
  }

  std::string_view rest_;
  std::string_view token_;
};

std::unexpected<base::Error> unexpected_token(std::string_view found, std::string_view wanted) {
  return fail(Errc::invalid,
              fmt::format("unable to parse requirement: found '{}', expected: {}", found, wanted));
}

Result<std::vector<std::string>> parse_values(Tokens& tokens) {
  std::vector<std::string> values;
  if (!tokens.skip("(")) return unexpected_token(tokens.peek(), "'('");
  while (!tokens.skip(")")) {
    if (tokens.at_word()) {
      values.emplace_back(tokens.take());
      if (tokens.peek() == ")") continue;
      if (!tokens.skip(",")) return unexpected_token(tokens.peek(), "',' or ')'");
      if (tokens.peek() == ")") values.emplace_back();
    } else if (tokens.skip(",")) {
      values.emplace_back();
    } else {
      return unexpected_token(tokens.peek(), "',', ')' or identifier");
    }
  }
  std::ranges::sort(values);
  return values;
}

Result<LabelRequirement> parse_requirement(Tokens& tokens) {
  const bool negated = tokens.skip("!");
  if (!tokens.at_word()) return unexpected_token(tokens.peek(), "!, identifier, or ','");
  LabelRequirement requirement{std::string(tokens.take()), Operator::exists, {}};
  if (negated) requirement.op = Operator::does_not_exist;
  if (negated || tokens.at_end() || tokens.peek() == ",") return requirement;

  const std::string_view op = tokens.take();
  if (op == "in" || op == "notin") {
    requirement.op = op == "in" ? Operator::in : Operator::not_in;
    Result<std::vector<std::string>> values = parse_values(tokens);
    if (!values) return fail(values.error());
    requirement.values = std::move(*values);
    return requirement;
  }
  if (op == "=" || op == "==") {
    requirement.op = Operator::in;
  } else if (op == "!=") {
    requirement.op = Operator::not_in;
  } else if (op == ">" || op == "<") {
    requirement.op = op == ">" ? Operator::greater : Operator::less;
  } else {
    return unexpected_token(op, "in, notin, =, ==, !=, gt, lt");
  }
  requirement.values.emplace_back(tokens.at_word() ? tokens.take() : std::string_view());
  return requirement;
}

std::optional<std::int64_t> integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<> check(const LabelRequirement& requirement) {
  for (const std::string& text : check_qualified_name(requirement.key)) {
    return fail(Errc::invalid,
                "unable to parse requirement: " + FieldError::invalid("key", requirement.key, text).text());
  }
  const bool compares = requirement.op == Operator::greater || requirement.op == Operator::less;
  for (std::size_t i = 0; i < requirement.values.size(); ++i) {
    const std::string& value = requirement.values[i];
    if (compares && !integer(value)) {
      return fail(Errc::invalid,
                  "unable to parse requirement: " +
                      FieldError::invalid(fmt::format("values[{}]", i), value,
                                          "for 'Gt', 'Lt' operators, the value must be an integer")
                          .text());
    }
    for (const std::string& text : check_label_value(value)) {
      return fail(
          Errc::invalid,
          "unable to parse requirement: " +
              FieldError::invalid(fmt::format("values[{}][{}]", i, requirement.key), value, text).text());
    }
  }
  return {};
}

bool holds(const LabelRequirement& requirement, const Json& labels) {
  const Json* label = labels.find(requirement.key);
  const bool listed =
      label && std::ranges::find(requirement.values, label->str()) != requirement.values.end();
  switch (requirement.op) {
    case Operator::in:
      return listed;
    case Operator::not_in:
      return !listed;
    case Operator::exists:
      return label != nullptr;
    case Operator::does_not_exist:
      return label == nullptr;
    case Operator::greater:
    case Operator::less: {
      const auto left = label ? integer(label->str()) : std::nullopt;
      const auto right = requirement.values.empty() ? std::nullopt : integer(requirement.values.front());
      if (!left || !right) return false;
      return requirement.op == Operator::greater ? *left > *right : *left < *right;
    }
  }
  return false;
}

std::string text_of(const LabelRequirement& requirement) {
  const std::string values = fmt::format("{}", fmt::join(requirement.values, ","));
  const bool one = requirement.values.size() == 1;
  switch (requirement.op) {
    case Operator::in:
      return fmt::format(fmt::runtime(one ? "{}={}" : "{} in ({})"), requirement.key, values);
    case Operator::not_in:
      return fmt::format(fmt::runtime(one ? "{}!={}" : "{} notin ({})"), requirement.key, values);
    case Operator::exists:
      return requirement.key;
    case Operator::does_not_exist:
      return "!" + requirement.key;
    case Operator::greater:
      return requirement.key + ">" + values;
    case Operator::less:
      return requirement.key + "<" + values;
  }
  return {};
}

}  // namespace

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  LabelSelector selector;
  Tokens tokens(text);
  if (tokens.at_end()) return selector;
  while (true) {
    Result<LabelRequirement> requirement = parse_requirement(tokens);
    if (!requirement) return fail(requirement.error());
    if (Result<> checked = check(*requirement); !checked) return fail(checked.error());
    selector.requirements_.push_back(std::move(*requirement));
    if (tokens.at_end()) return selector;
    if (!tokens.skip(",")) return unexpected_token(tokens.peek(), "',' or 'end of string'");
  }
}

Result<LabelSelector> LabelSelector::from_object(const Json& selector) {
  LabelSelector result;
  if (selector.is_null()) {
    result.nothing_ = true;
    return result;
  }
  for (const Json::Member& label : selector["matchLabels"].members()) {
    result.requirements_.push_back({label.key, Operator::in, {label.value.str()}});
  }
  for (const Json& expression : selector["matchExpressions"].items()) {
    LabelRequirement requirement{expression["key"].str(), Operator::exists, {}};
    const std::string& op = expression["operator"].str();
    if (op == "In") {
      requirement.op = Operator::in;
    } else if (op == "NotIn") {
      requirement.op = Operator::not_in;
    } else if (op == "DoesNotExist") {
      requirement.op = Operator::does_not_exist;
    } else if (op != "Exists") {
      return fail(Errc::invalid, fmt::format("{} is not a valid label selector operator", go_quoted(op)));
    }
    for (const Json& value : expression["values"].items()) requirement.values.push_back(value.str());
    std::ranges::sort(requirement.values);
    result.requirements_.push_back(std::move(requirement));
  }
  return result;
}

LabelSelector LabelSelector::from_map(const Json& labels) {
  LabelSelector selector;
  for (const Json::Member& label : labels.members()) {
    selector.requirements_.push_back({label.key, Operator::in, {label.value.str()}});
  }
  return selector;
}

bool LabelSelector::matches(const Json& labels) const {
  return !nothing_ && std::ranges::all_of(requirements_, [&](const LabelRequirement& requirement) {
    return holds(requirement, labels);
  });
}

std::string LabelSelector::text() const {
  std::vector<LabelRequirement> sorted = requirements_;
  std::ranges::sort(sorted, {}, &LabelRequirement::key);
  std::vector<std::string> texts;
  for (const LabelRequirement& requirement : sorted) texts.push_back(text_of(requirement));
  return fmt::format("{}", fmt::join(texts, ","));
}

Result<FieldSelector> FieldSelector::parse(std::string_view text, const std::vector<std::string>& supported) {
  FieldSelector selector;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view term = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (term.empty()) continue;
    const auto sign = term.find('=');
    if (sign == std::string_view::npos) {
      return fail(Errc::invalid, fmt::format("invalid selector: '{}'; can't understand '{}'", term, term));
    }
    const bool unequal = sign > 0 && term[sign - 1] == '!';
    std::string_view value = term.substr(sign + 1);
    if (!unequal && value.starts_with('=')) value.remove_prefix(1);
    Term parsed{std::string(term.substr(0, unequal ? sign - 1 : sign)), std::string(value), !unequal};
    const bool known = parsed.field == "metadata.name" || parsed.field == "metadata.namespace" ||
                       std::ranges::find(supported, parsed.field) != supported.end();
    if (!known) {
      return fail(Errc::invalid, fmt::format("field label not supported: {}", parsed.field));
    }
    selector.terms_.push_back(std::move(parsed));
  }
  return selector;
}

bool FieldSelector::matches(const Json& object) const {
  return std::ranges::all_of(terms_, [&](const Term& term) {
    const Json* here = &object;
    std::string_view path = term.field;
    while (true) {
      const auto dot = path.find('.');
      here = &(*here)[path.substr(0, dot)];
      if (dot == std::string_view::npos) break;
      path.remove_prefix(dot + 1);
    }
    const std::string actual = here->is_string() ? here->str()
                               : here->is_null() ? std::string()
                                                 : here->dump();
    return (actual == term.value) == term.equal;
  });
}

}  // namespace serin::local
