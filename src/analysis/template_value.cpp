#include "analysis/template_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <compare>
#include <optional>

#include "http/message.h"

namespace serin::analysis {

using base::Errc;
using base::fail;
using base::Result;

namespace {

using Arguments = std::vector<Value>;

const std::string* as_text(const Value& value) {
  return std::get_if<std::string>(&value.data);
}
const std::int64_t* as_int(const Value& value) {
  return std::get_if<std::int64_t>(&value.data);
}

Result<bool> equal(const Value& a, const Value& b) {
  if (a.is_nil() || b.is_nil()) return a.is_nil() && b.is_nil();
  if (std::holds_alternative<const Value::Map*>(a.data)) {
    return fail(Errc::invalid, "non-comparable type " + a.text() + ": map[string]string");
  }
  if (a.data.index() != b.data.index()) return fail(Errc::invalid, "incompatible types for comparison");
  return a.data == b.data;
}

Result<std::partial_ordering> order(const Value& a, const Value& b) {
  if (a.data.index() != b.data.index()) return fail(Errc::invalid, "incompatible types for comparison");
  if (const auto* text = as_text(a)) return *text <=> *as_text(b);
  if (const auto* number = as_int(a)) return *number <=> *as_int(b);
  if (const auto* number = std::get_if<double>(&a.data)) return *number <=> std::get<double>(b.data);
  return fail(Errc::invalid, "invalid type for comparison");
}

Result<Value> compare(std::string_view name, const Arguments& arguments) {
  if (name == "eq") {
    for (std::size_t i = 1; i < arguments.size(); ++i) {
      const auto same = equal(arguments[0], arguments[i]);
      if (!same) return fail(same.error());
      if (*same) return Value{true};
    }
    return Value{false};
  }
  if (name == "ne") {
    const auto same = equal(arguments[0], arguments[1]);
    if (!same) return fail(same.error());
    return Value{!*same};
  }
  const auto ordered = order(arguments[0], arguments[1]);
  if (!ordered) return fail(ordered.error());
  if (name == "lt") return Value{*ordered < 0};
  if (name == "le") return Value{*ordered <= 0};
  if (name == "gt") return Value{*ordered > 0};
  return Value{*ordered >= 0};
}

Result<Value> index(const Arguments& arguments) {
  Value item = arguments[0];
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (item.is_nil()) return fail(Errc::invalid, "index of untyped nil");
    if (const auto* map = std::get_if<const Value::Map*>(&item.data)) {
      const std::string* key = as_text(arguments[i]);
      if (key == nullptr) {
        return fail(Errc::invalid,
                    fmt::format("value has type {}; should be string", arguments[i].type_name()));
      }
      const auto found = (*map)->find(*key);
      item.data = found == (*map)->end() ? std::string() : found->second;
    } else if (const std::string* text = as_text(item)) {
      const std::int64_t* at = as_int(arguments[i]);
      if (at == nullptr) {
        return fail(Errc::invalid,
                    fmt::format("cannot index slice/array with type {}", arguments[i].type_name()));
      }
      if (*at < 0 || *at >= static_cast<std::int64_t>(text->size())) {
        return fail(Errc::invalid, fmt::format("index out of range: {}", *at));
      }
      item.data = std::int64_t{static_cast<unsigned char>((*text)[static_cast<std::size_t>(*at)])};
    } else {
      return fail(Errc::invalid, fmt::format("can't index item of type {}", item.type_name()));
    }
  }
  return item;
}

Result<Value> slice(const Arguments& arguments) {
  const std::string* text = as_text(arguments[0]);
  if (text == nullptr)
    return fail(Errc::invalid, fmt::format("can't slice item of type {}", arguments[0].type_name()));
  if (arguments.size() > 3) return fail(Errc::invalid, "cannot 3-index slice a string");
  std::array<std::int64_t, 2> bounds{0, static_cast<std::int64_t>(text->size())};
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::int64_t* at = as_int(arguments[i]);
    if (at == nullptr) {
      return fail(Errc::invalid,
                  fmt::format("cannot index slice/array with type {}", arguments[i].type_name()));
    }
    if (*at < 0 || *at > static_cast<std::int64_t>(text->size())) {
      return fail(Errc::invalid, fmt::format("index out of range: {}", *at));
    }
    bounds[i - 1] = *at;
  }
  if (bounds[0] > bounds[1]) {
    return fail(Errc::invalid, fmt::format("invalid slice index: {} > {}", bounds[0], bounds[1]));
  }
  return Value{
      text->substr(static_cast<std::size_t>(bounds[0]), static_cast<std::size_t>(bounds[1] - bounds[0]))};
}

Result<Value> length(const Value& of) {
  if (const auto* text = as_text(of)) return Value{static_cast<std::int64_t>(text->size())};
  if (const auto* map = std::get_if<const Value::Map*>(&of.data))
    return Value{static_cast<std::int64_t>((*map)->size())};
  if (of.is_nil()) return fail(Errc::invalid, "len of nil pointer");
  return fail(Errc::invalid, fmt::format("len of type {}", of.type_name()));
}

/// fmt.Sprint puts blanks between neighbours unless one of them is a string; Sprintln always.
std::string join(const Arguments& arguments, bool always) {
  std::string out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool strings = as_text(arguments[i]) != nullptr || (i > 0 && as_text(arguments[i - 1]) != nullptr);
    if (i > 0 && (always || !strings)) out += ' ';
    out += arguments[i].text();
  }
  return out;
}

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\0':
        out += "\xef\xbf\xbd";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string js_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '\'' || c == '"') {
      out += '\\';
      out += c;
    } else if (std::string_view("<>&=").contains(c) || static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

/// url.QueryEscape: as form fields, with '+' for a blank.
std::string url_escape(std::string_view text) {
  std::string out = http::percent_encode(text);
  for (std::size_t at = 0; (at = out.find("%20", at)) != std::string::npos; ++at) out.replace(at, 3, "+");
  return out;
}

struct Arity {
  std::string_view name;
  std::size_t least;
  std::optional<std::size_t> most;
};
constexpr std::array<Arity, 16> arities{{{"eq", 2, {}},
                                         {"ne", 2, 2},
                                         {"lt", 2, 2},
                                         {"le", 2, 2},
                                         {"gt", 2, 2},
                                         {"ge", 2, 2},
                                         {"not", 1, 1},
                                         {"len", 1, 1},
                                         {"index", 1, {}},
                                         {"slice", 1, {}},
                                         {"print", 0, {}},
                                         {"println", 0, {}},
                                         {"printf", 1, {}},
                                         {"urlquery", 0, {}},
                                         {"html", 0, {}},
                                         {"js", 0, {}}}};

}  // namespace

bool Value::is_true() const {
  return std::visit(
      [](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::monostate>)
          return false;
        else if constexpr (std::is_same_v<T, std::string>)
          return !v.empty();
        else if constexpr (std::is_same_v<T, const Map*>)
          return !v->empty();
        else
          return v != T{};
      },
      data);
}

std::string_view Value::type_name() const {
  constexpr std::array<std::string_view, 6> names = {"nil",     "bool",   "int",
                                                     "float64", "string", "map[string]string"};
  return names[data.index()];
}

std::string Value::text() const {
  if (const auto* truth = std::get_if<bool>(&data)) return *truth ? "true" : "false";
  if (const auto* number = as_int(*this)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&data)) return go_number(*number);
  if (const auto* string = as_text(*this)) return *string;
  if (is_nil()) return "<nil>";
  std::string out;
  for (const auto& [key, value] : *std::get<const Map*>(data)) {
    out += fmt::format("{}{}:{}", out.empty() ? "" : " ", key, value);
  }
  return "map[" + out + "]";
}

Result<Value> call_function(std::string_view name, const Arguments& arguments) {
  const auto* arity = std::ranges::find(arities, name, &Arity::name);
  if (arity == arities.end()) return fail(Errc::invalid, "no such function");
  if (arguments.size() < arity->least || (arity->most && arguments.size() > *arity->most)) {
    return fail(Errc::invalid, fmt::format("wrong number of args: want {}{} got {}",
                                           arity->most ? "" : "at least ", arity->least, arguments.size()));
  }
  if (name == "index") return index(arguments);
  if (name == "slice") return slice(arguments);
  if (name == "len") return length(arguments[0]);
  if (name == "not") return Value{!arguments[0].is_true()};
  if (name == "print") return Value{join(arguments, false)};
  if (name == "println") return Value{join(arguments, true) + "\n"};
  if (name == "urlquery") return Value{url_escape(join(arguments, false))};
  if (name == "html") return Value{html_escape(join(arguments, false))};
  if (name == "js") return Value{js_escape(join(arguments, false))};
  if (name == "printf") {
    const std::string* format = as_text(arguments[0]);
    if (format == nullptr) return fail(Errc::invalid, "the format must be a string");
    return Value{go_printf(*format, {arguments.begin() + 1, arguments.end()})};
  }
  return compare(name, arguments);
}

}  // namespace serin::analysis
