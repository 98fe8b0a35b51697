#include "analysis/template_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "analysis/template_lexer.h"

namespace serin::analysis {

using base::Error;
using base::fail;
using base::Result;

namespace {
bool contains(const auto& list, std::string_view word) {
  return std::ranges::find(list, word) != std::ranges::end(list);
}
}  // namespace

bool is_template_function(std::string_view name) {
  constexpr std::array names = {
      "name",  "namespace", "target", "service", "ingress", "route",    "interval", "variables", "eq",
      "ne",    "lt",        "le",     "gt",      "ge",      "and",      "or",       "not",       "len",
      "index", "slice",     "print",  "printf",  "println", "urlquery", "html",     "js"};
  return contains(names, name);
}

namespace {

/// Builds the tree from a template's segments. The first error stands; everything after it is ignored.
class Parser {
 public:
  Parser(std::string_view text, std::vector<Segment> segments)
      : text_(text), segments_(std::move(segments)) {}

  Result<std::vector<Node>> parse() {
    std::vector<Node> nodes = block(false);
    if (error_) return fail(std::move(*error_));
    return nodes;
  }

 private:
  // --- Segments

  /// Nodes up to the {{end}} or {{else}} of the enclosing block, which stays the current action.
  std::vector<Node> block(bool is_inner) {
    std::vector<Node> nodes;
    const std::size_t scope = variables_.size();
    while (!error_) {
      if (segment_ >= segments_.size()) {
        if (is_inner) refuse_at(text_.size(), "unexpected EOF");
        break;
      }
      Segment& segment = segments_[segment_++];
      if (!segment.is_action) {
        nodes.push_back({.text = std::move(segment.text)});
        continue;
      }
      tokens_ = segment.tokens;
      token_ = 0;
      if (peek_word("end") || peek_word("else")) {
        if (!is_inner) refuse(fmt::format("unexpected {{{{{}}}}}", peek().value));
        break;
      }
      nodes.push_back(action());
    }
    variables_.resize(scope);
    return nodes;
  }

  Node action() {
    constexpr std::array unsupported = {"template", "define", "block", "break", "continue"};
    if (peek().kind == Token::Kind::word && contains(unsupported, peek().value)) {
      refuse(fmt::format("{{{{{}}}}} is not supported in queries", peek().value));
      return {};
    }
    if (take_word("if")) return control(Node::Kind::branch, "if");
    if (take_word("with")) return control(Node::Kind::with, "with");
    if (take_word("range")) return control(Node::Kind::range, "range");
    Node node{.kind = Node::Kind::action, .pipeline = pipeline("command")};
    expect_end("command");
    return node;
  }

  Node control(Node::Kind kind, std::string_view context) {
    if (++depth_ > depth_max) refuse("nested too deeply");
    Node node = control_parts(kind, context);
    --depth_;
    return node;
  }

  Node control_parts(Node::Kind kind, std::string_view context) {
    const std::size_t scope = variables_.size();
    if (error_) return {};
    Node node{.kind = kind, .pipeline = pipeline(context)};
    expect_end(context);
    node.body = block(true);
    if (!error_ && take_word("else")) {
      const bool chains =
          (kind == Node::Kind::branch && take_word("if")) || (kind == Node::Kind::with && take_word("with"));
      if (chains) {
        node.otherwise.push_back(control(kind, context));  // reads up to the one {{end}} they share
        variables_.resize(scope);
        return node;
      }
      expect_end("else");
      node.otherwise = block(true);
      if (!error_ && peek_word("else")) refuse("expected end; found {{else}}");
    }
    if (!error_ && take_word("end")) expect_end("end");
    variables_.resize(scope);
    return node;
  }

  // --- Tokens of one action

  Pipeline pipeline(std::string_view context) {
    Pipeline result;
    read_variables(result, context);
    const std::size_t declared_from = variables_.size();
    if (result.declares)
      variables_.insert(variables_.end(), result.variables.begin(), result.variables.end());
    std::vector<std::string> hidden(variables_.begin() + static_cast<std::ptrdiff_t>(declared_from),
                                    variables_.end());
    variables_.resize(declared_from);  // a variable is not known in its own value
    do {
      Command next = command(context);
      if (error_) return result;
      const bool is_first = result.commands.empty();
      if (!is_first && next.operands.front().kind != Operand::Kind::function) {
        refuse_at(next.position,
                  fmt::format("non executable command in pipeline stage {}", result.commands.size() + 1));
      }
      result.commands.push_back(std::move(next));
    } while (!error_ && take_symbol("|"));
    variables_.insert(variables_.end(), hidden.begin(), hidden.end());
    return result;
  }

  /// "$x :=", "$k, $v :=" (range only), "$x =".
  void read_variables(Pipeline& into, std::string_view context) {
    if (peek().kind != Token::Kind::variable) return;
    std::size_t ahead = token_ + 1;
    const auto symbol = [&](std::string_view value) { return is_symbol(tokens_[ahead], value); };
    if (context == "range" && symbol(",") && tokens_[ahead + 1].kind == Token::Kind::variable) ahead += 2;
    if (!symbol(":=") && !symbol("=")) return;
    into.declares = symbol(":=");
    for (std::size_t i = token_; i < ahead; i += 2) into.variables.push_back(tokens_[i].value);
    token_ = ahead + 1;
    if (into.declares) return;
    for (const std::string& name : into.variables) require_variable(name);
  }

  Command command(std::string_view context) {
    Command result{.position = peek().position};
    std::size_t end = result.position;
    while (!error_ && starts_operand()) {
      result.operands.push_back(operand());
      end = tokens_[token_ - 1].position + tokens_[token_ - 1].length;
    }
    if (error_) return result;
    if (result.operands.empty()) {
      const bool at_end = peek().kind == Token::Kind::end || is_symbol(peek(), "|") || is_symbol(peek(), ")");
      refuse(at_end ? fmt::format("missing value for {}", context)
                    : fmt::format("unexpected {} in operand", go_quote(peek().value)));
      return result;
    }
    result.source = text_.substr(result.position, end - result.position);
    return result;
  }

  [[nodiscard]] bool starts_operand() const {
    const Token& token = peek();
    if (token.kind == Token::Kind::end) return false;
    return token.kind != Token::Kind::symbol || token.value == "." || token.value == "(";
  }

  Operand operand() {
    const Token token = tokens_[token_++];
    Operand result{.position = token.position,
                   .source = std::string(text_.substr(token.position, token.length))};
    switch (token.kind) {
      case Token::Kind::word:
        read_word(token, result);
        break;
      case Token::Kind::variable:
        result.kind = Operand::Kind::variable;
        result.name = token.value;
        require_variable(token.value);
        break;
      case Token::Kind::field:
        result.fields.push_back(token.value);
        break;
      case Token::Kind::text:
        result.kind = Operand::Kind::text;
        result.name = token.value;
        break;
      case Token::Kind::number:
        read_number(token, result);
        break;
      case Token::Kind::symbol:
      case Token::Kind::end:
        if (token.value == "(") read_parentheses(result);
        break;
    }
    const bool names_value = result.kind != Operand::Kind::function && result.kind != Operand::Kind::pipeline;
    while (!error_ && peek().kind == Token::Kind::field && !peek().after_space) {
      result.fields.push_back(tokens_[token_++].value);
      if (names_value) result.source += "." + result.fields.back();
    }
    return result;
  }

  void read_word(const Token& token, Operand& into) {
    if (token.value == "true" || token.value == "false") {
      into.kind = Operand::Kind::boolean;
      into.boolean = token.value == "true";
    } else if (token.value == "nil") {
      into.kind = Operand::Kind::nil;
    } else if (is_template_function(token.value)) {
      into.kind = Operand::Kind::function;
      into.name = token.value;
    } else {
      refuse_at(token.position, fmt::format("function {} not defined", go_quote(token.value)));
    }
  }

  void read_number(const Token& token, Operand& into) {
    std::string_view digits = token.value;
    if (digits.starts_with('+')) digits.remove_prefix(1);
    const char *begin = digits.data(), *end = begin + digits.size();
    into.kind = Operand::Kind::integer;
    if (const auto [at, error] = std::from_chars(begin, end, into.integer); error == std::errc{} && at == end)
      return;
    into.kind = Operand::Kind::real;
    if (const auto [at, error] = std::from_chars(begin, end, into.real); error == std::errc{} && at == end)
      return;
    refuse_at(token.position, fmt::format("bad number syntax: {}", go_quote(token.value)));
  }

  void read_parentheses(Operand& into) {
    if (++depth_ > depth_max) refuse("nested too deeply");
    into.kind = Operand::Kind::pipeline;
    if (error_) return;
    into.pipeline = std::make_shared<Pipeline>(pipeline("parenthesized pipeline"));
    if (!error_ && !take_symbol(")")) refuse("unclosed left paren");
    --depth_;
  }

  void require_variable(const std::string& name) {
    if (name == "$" || contains(variables_, name)) return;
    refuse(fmt::format("undefined variable {}", go_quote(name)));
  }

  void expect_end(std::string_view context) {
    if (error_ || peek().kind == Token::Kind::end) return;
    const std::string found = is_symbol(peek(), ")")
                                  ? "unexpected right paren"
                                  : fmt::format("unexpected {} in {}", go_quote(peek().value), context);
    refuse(found);
  }

  // --- Small things

  [[nodiscard]] const Token& peek() const { return tokens_[token_]; }
  static bool is_symbol(const Token& token, std::string_view value) {
    return token.kind == Token::Kind::symbol && token.value == value;
  }
  [[nodiscard]] bool peek_word(std::string_view word) const {
    return peek().kind == Token::Kind::word && peek().value == word;
  }
  bool take_word(std::string_view word) {
    const bool found = peek_word(word);
    if (found) ++token_;
    return found;
  }
  bool take_symbol(std::string_view value) {
    const bool found = is_symbol(peek(), value);
    if (found) ++token_;
    return found;
  }
  void refuse(std::string_view problem) { refuse_at(peek().position, problem); }
  void refuse_at(std::size_t position, std::string_view problem) {
    if (!error_) error_ = parse_error(text_, position, problem);
  }

  static constexpr int depth_max = 100;

  std::string_view text_;
  std::vector<Segment> segments_;
  int depth_ = 0;
  std::size_t segment_ = 0;
  std::vector<Token> tokens_;
  std::size_t token_ = 0;
  std::vector<std::string> variables_;  ///< declared so far, innermost last
  std::optional<Error> error_;
};

}  // namespace

Result<std::vector<Node>> parse_template(std::string_view text) {
  auto segments = split_template(text);
  if (!segments) return fail(std::move(segments.error()));
  return Parser(text, std::move(*segments)).parse();
}

}  // namespace serin::analysis
