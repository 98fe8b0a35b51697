#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace serin::analysis {

/// A token inside {{ }}.
struct Token {
  enum class Kind { word, field, variable, text, number, symbol, end };
  Kind kind = Kind::end;
  std::string value;  ///< a field without its dot, a variable with its $, a string's contents
  std::size_t position = 0, length = 0;
  bool after_space = false;
};

/// A piece of a template: literal text, or the tokens of one action.
struct Segment {
  bool is_action = false;
  std::string text;
  std::vector<Token> tokens;  ///< with an end token last
};

/// Splits a template into text and actions; comments are dropped and trim markers applied.
base::Result<std::vector<Segment>> split_template(std::string_view text);

/// "template: tmpl:<line>: <problem>", as a parse error at this position.
base::Error parse_error(std::string_view text, std::size_t position, std::string_view problem);

/// `text` in double quotes with Go's escapes (%q).
std::string go_quote(std::string_view text);

}  // namespace serin::analysis
