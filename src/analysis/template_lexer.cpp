#include "analysis/template_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace serin::analysis {

using base::Errc;
using base::Error;
using base::fail;
using base::Result;

namespace {

constexpr std::string_view blanks = " \t\r\n";

bool is_blank(char c) {
  return blanks.contains(c);
}
bool is_word(char c) {
  return c == '_' || static_cast<unsigned char>(c) >= 0x80 ||
         std::isalnum(static_cast<unsigned char>(c)) != 0;
}

void append_utf8(std::string& into, std::uint32_t rune) {
  if (rune < 0x80) {
    into += static_cast<char>(rune);
  } else if (rune < 0x800) {
    into += static_cast<char>(0xc0 | rune >> 6);
    into += static_cast<char>(0x80 | (rune & 63));
  } else if (rune < 0x10000) {
    into += static_cast<char>(0xe0 | rune >> 12);
    into += static_cast<char>(0x80 | (rune >> 6 & 63));
    into += static_cast<char>(0x80 | (rune & 63));
  } else {
    into += static_cast<char>(0xf0 | rune >> 18);
    into += static_cast<char>(0x80 | (rune >> 12 & 63));
    into += static_cast<char>(0x80 | (rune >> 6 & 63));
    into += static_cast<char>(0x80 | (rune & 63));
  }
}

/// The value of `count` digits in `base` at the start of `text`, which it removes.
std::optional<std::uint32_t> take_digits(std::string_view& text, std::size_t count, int base) {
  std::uint32_t value = 0;
  if (text.size() < count) return std::nullopt;
  const char* begin = text.data();
  const auto [end, error] = std::from_chars(begin, begin + count, value, base);
  if (error != std::errc{} || end != begin + count || value > 0x10ffff) return std::nullopt;
  text.remove_prefix(count);
  return value;
}

/// Contents of a Go string literal, without its quotes.
std::optional<std::string> unescape(std::string_view text) {
  constexpr std::string_view names = "abfnrtv\\\"'";
  constexpr std::string_view values = "\a\b\f\n\r\t\v\\\"'";
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c != '\\') {
      out += c;
      continue;
    }
    if (text.empty()) return std::nullopt;
    const char escape = text.front();
    if (const auto at = names.find(escape); at != std::string_view::npos) {
      text.remove_prefix(1);
      out += values[at];
      continue;
    }
    const bool is_octal = escape >= '0' && escape <= '7';
    if (!is_octal) text.remove_prefix(1);
    std::optional<std::uint32_t> value;
    if (is_octal) value = take_digits(text, 3, 8);
    if (escape == 'x') value = take_digits(text, 2, 16);
    if (escape == 'u') value = take_digits(text, 4, 16);
    if (escape == 'U') value = take_digits(text, 8, 16);
    if (!value) return std::nullopt;
    if (escape == 'u' || escape == 'U') {
      append_utf8(out, *value);
    } else {
      out += static_cast<char>(*value);
    }
  }
  return out;
}

/// Walks over a template once.
class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  Result<std::vector<Segment>> split() {
    bool trim_next = false;
    while (true) {
      const std::size_t open = text_.find("{{", at_);
      std::string_view literal = text_.substr(at_, open == std::string_view::npos ? open : open - at_);
      if (trim_next) literal.remove_prefix(std::min(literal.find_first_not_of(blanks), literal.size()));
      const bool trim_here = open != std::string_view::npos && open + 3 < text_.size() &&
                             text_[open + 2] == '-' && is_blank(text_[open + 3]);
      if (trim_here) literal = literal.substr(0, literal.find_last_not_of(blanks) + 1);
      if (!literal.empty()) segments_.push_back({.text = std::string(literal)});
      if (open == std::string_view::npos) return std::move(segments_);
      at_ = open + (trim_here ? 3 : 2);
      if (!action(trim_next)) return fail(std::move(error_));
    }
  }

 private:
  bool refuse(std::size_t position, std::string_view problem) {
    error_ = parse_error(text_, position, problem);
    return false;
  }

  /// If the action ends here: goes past its end, and says whether the text after it is trimmed.
  bool take_end(bool& trims) {
    std::string_view rest = text_.substr(at_);
    trims = rest.size() > 1 && is_blank(rest[0]) &&
            rest.substr(rest.find_first_not_of(blanks) == 1 ? 1 : 0).starts_with("-}}");
    if (trims) {
      at_ += 4;
      return true;
    }
    if (!rest.starts_with("}}")) return false;
    at_ += 2;
    return true;
  }

  bool action(bool& trims) {
    const std::size_t start = at_;
    const std::size_t first = text_.find_first_not_of(blanks, at_);
    if (first != std::string_view::npos && text_.substr(first).starts_with("/*"))
      return comment(first, trims);
    Segment segment{.is_action = true};
    bool after_space = false;
    while (!take_end(trims)) {
      if (at_ >= text_.size()) return refuse(start, "unclosed action");
      if (is_blank(text_[at_])) {
        after_space = true;
        ++at_;
        continue;
      }
      Token token{.position = at_, .after_space = after_space};
      if (!take_token(token)) return false;
      token.length = at_ - token.position;
      segment.tokens.push_back(std::move(token));
      after_space = false;
    }
    segment.tokens.push_back({.position = at_, .after_space = true});
    segments_.push_back(std::move(segment));
    return true;
  }

  bool comment(std::size_t first, bool& trims) {
    const std::size_t end = text_.find("*/", first + 2);
    if (end == std::string_view::npos) return refuse(first, "unclosed comment");
    at_ = end + 2;
    if (!take_end(trims)) return refuse(first, "comment ends before closing delimiter");
    return true;
  }

  bool take_token(Token& token) {
    const char c = text_[at_];
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (c == '"' || c == '`' || c == '\'') return take_quoted(token, c);
    const bool is_sign = c == '+' || c == '-';
    if (std::isdigit(static_cast<unsigned char>(c)) ||
        ((is_sign || c == '.') && std::isdigit(static_cast<unsigned char>(next)))) {
      token.kind = Token::Kind::number;
      take_while(token, [](char d) { return is_word(d) || d == '.' || d == '+' || d == '-'; });
      return true;
    }
    if (c == '$' || (c == '.' && is_word(next))) {
      token.kind = c == '$' ? Token::Kind::variable : Token::Kind::field;
      if (c == '$') token.value = "$";
      ++at_;
      take_while(token, is_word);
      return true;
    }
    if (is_word(c)) {
      token.kind = Token::Kind::word;
      take_while(token, is_word);
      return true;
    }
    token.kind = Token::Kind::symbol;
    token.value = text_.substr(at_).starts_with(":=") ? ":=" : std::string(1, c);
    if (!std::string_view(".|(),=:=").contains(token.value)) {
      return refuse(at_, fmt::format("unexpected {} in operand", go_quote(token.value)));
    }
    at_ += token.value.size();
    return true;
  }

  void take_while(Token& token, bool (*belongs)(char)) {
    while (at_ < text_.size() && belongs(text_[at_])) token.value += text_[at_++];
  }

  bool take_quoted(Token& token, char quote) {
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote && (quote == '`' || text_[end] != '\n')) {
      end += quote != '`' && text_[end] == '\\' ? 2 : 1;
    }
    if (end >= text_.size() || text_[end] != quote) {
      const std::string_view what = quote == '`'   ? "raw quoted string"
                                    : quote == '"' ? "quoted string"
                                                   : "character constant";
      return refuse(at_, fmt::format("unterminated {}", what));
    }
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    const auto contents = quote == '`' ? std::optional(std::string(inside)) : unescape(inside);
    if (!contents || quote == '\'') return refuse(at_, "invalid syntax");
    token.kind = Token::Kind::text;
    token.value = *contents;
    at_ = end + 1;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Segment> segments_;
  Error error_;
};

}  // namespace

Result<std::vector<Segment>> split_template(std::string_view text) {
  return Splitter(text).split();
}

Error parse_error(std::string_view text, std::size_t position, std::string_view problem) {
  const auto line = 1 + std::ranges::count(text.substr(0, position), '\n');
  return {Errc::invalid, fmt::format("template: tmpl:{}: {}", line, problem)};
}

std::string go_quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    constexpr std::string_view plain = "\a\b\f\n\r\t\v\\\"";
    constexpr std::string_view names = "abfnrtv\\\"";
    if (const auto at = plain.find(c); at != std::string_view::npos) {
      out += '\\';
      out += names[at];
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", c);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace serin::analysis
