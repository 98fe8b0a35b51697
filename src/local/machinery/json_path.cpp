#include <charconv>
#include <optional>

#include "local/machinery/tables.h"

namespace serin::local {

namespace {

using Values = std::vector<const Json*>;

/// One bracket's content: 'name', a number, *, or ?(@.field==value).
class Bracket {
 public:
  explicit Bracket(std::string_view text) : text_(text) {}

  [[nodiscard]] Values select(const Values& from) const {
    Values result;
    for (const Json* value : from) {
      if (text_ == "*") {
        for (const Json& element : value->items()) result.push_back(&element);
        for (const Json::Member& member : value->members()) result.push_back(&member.value);
      } else if (text_.starts_with("?(")) {
        filter(*value, result);
      } else if (text_.starts_with('\'') || text_.starts_with('"')) {
        if (const Json* member = value->find(text_.substr(1, text_.size() - 2))) result.push_back(member);
      } else {
        index(*value, result);
      }
    }
    return result;
  }

 private:
  void index(const Json& value, Values& result) const {
    std::int64_t at = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), at);
    if (error != std::errc() || end != text_.data() + text_.size()) return;
    const auto size = static_cast<std::int64_t>(value.items().size());
    if (at < 0) at += size;
    if (at >= 0 && at < size) result.push_back(&value.at(static_cast<std::size_t>(at)));
  }

  void filter(const Json& value, Values& result) const {
    const std::string_view condition = text_.substr(2, text_.size() - 3);
    const bool unequal = condition.find("!=") != std::string_view::npos;
    const auto sign = condition.find(unequal ? "!=" : "==");
    std::string_view path = trim(condition.substr(0, sign));
    if (!path.starts_with("@")) return;
    path.remove_prefix(1);
    for (const Json& element : value.items()) {
      const std::vector<Json> found = json_path(element, path);
      const bool there = !found.empty();
      if (sign == std::string_view::npos
              ? there
              : there && equals(found.front(), trim(condition.substr(sign + 2))) != unequal) {
        result.push_back(&element);
      }
    }
  }

  static bool equals(const Json& value, std::string_view literal) {
    const bool text = literal.starts_with('\'') || literal.starts_with('"');
    if (text) return value.is_string() && value.str() == literal.substr(1, literal.size() - 2);
    return !value.is_string() && value.dump() == literal;
  }

  static std::string_view trim(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
  }

  std::string_view text_;
};

/// The end of a bracket that starts at 0: brackets inside quotes and filters don't count.
std::size_t bracket_end(std::string_view path) {
  char quote = 0;
  int depth = 0;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (quote) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '[') {
      ++depth;
    } else if (c == ']' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

Values child(const Values& from, const std::string& name) {
  if (name == "*") return Bracket("*").select(from);
  Values result;
  for (const Json* value : from) {
    if (const Json* member = value->find(name)) result.push_back(member);
  }
  return result;
}

/// The next name; a dot or bracket behind a backslash belongs to it.
std::string take_name(std::string_view& path) {
  std::string name;
  while (!path.empty() && path.front() != '.' && path.front() != '[') {
    if (path.front() == '\\' && path.size() > 1) path.remove_prefix(1);
    name += path.front();
    path.remove_prefix(1);
  }
  return name;
}

}  // namespace

std::vector<Json> json_path(const Json& object, std::string_view path) {
  if (path.starts_with('{') && path.ends_with('}')) path = path.substr(1, path.size() - 2);
  if (path.starts_with('$')) path.remove_prefix(1);
  Values values{&object};
  while (!path.empty() && !values.empty()) {
    if (path.front() == '[') {
      const auto end = bracket_end(path);
      if (end == std::string_view::npos) return {};
      values = Bracket(path.substr(1, end - 1)).select(values);
      path.remove_prefix(end + 1);
      continue;
    }
    if (path.front() == '.') path.remove_prefix(1);
    if (path.empty() || path.front() == '[') continue;
    values = child(values, take_name(path));
  }
  std::vector<Json> result;
  for (const Json* value : values) result.push_back(*value);
  return result;
}

}  // namespace serin::local
