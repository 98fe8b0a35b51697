#include "analysis/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "analysis/template_tree.h"
#include "analysis/template_value.h"

namespace serin::analysis {

using base::Errc;
using base::Error;
using base::fail;
using base::Result;

namespace {

constexpr std::size_t output_max = 1u << 20;
constexpr int steps_max = 100'000;  // a handful of nested ranges must not hold the controller up
constexpr std::size_t quoted_source_max = 20;

/// Runs a tree. The first error stands; what is evaluated after it does not matter.
class Renderer {
 public:
  Renderer(std::string_view text, const TemplateScope& scope) : text_(text), scope_(scope) {}

  Result<std::string> render(const std::vector<Node>& nodes) {
    run(nodes, Value{});
    if (error_) return fail(std::move(*error_));
    return std::move(out_);
  }

 private:
  void run(const std::vector<Node>& nodes, const Value& dot) {
    for (const Node& node : nodes) {
      if (error_) return;
      if (out_.size() > output_max || ++steps_ > steps_max) {
        error_ = Error{Errc::invalid, "template: tmpl: the query becomes too long"};
        return;
      }
      const std::size_t variables = variables_.size();
      run_one(node, dot);
      if (node.kind != Node::Kind::action) variables_.resize(variables);
    }
  }

  void run_one(const Node& node, const Value& dot) {
    if (node.kind == Node::Kind::text) {
      out_ += node.text;
      return;
    }
    const Value value = evaluate(node.pipeline, dot);
    if (error_) return;
    switch (node.kind) {
      case Node::Kind::text:
        break;
      case Node::Kind::action:
        if (!node.pipeline.variables.empty()) assign(node.pipeline, value);
        if (node.pipeline.variables.empty()) out_ += value.is_nil() ? "<no value>" : value.text();
        break;
      case Node::Kind::branch:
      case Node::Kind::with:
        if (!node.pipeline.variables.empty()) assign(node.pipeline, value);
        run_inner(value.is_true() ? node.body : node.otherwise,
                  node.kind == Node::Kind::with && value.is_true() ? value : dot);
        break;
      case Node::Kind::range:
        run_range(node, value, dot);
        break;
    }
  }

  void run_inner(const std::vector<Node>& nodes, const Value& dot) {
    const std::size_t variables = variables_.size();
    run(nodes, dot);
    variables_.resize(variables);
  }

  void run_range(const Node& node, const Value& over, const Value& dot) {
    const auto* map = std::get_if<const Value::Map*>(&over.data);
    if (map == nullptr && !over.is_nil()) {
      const Command& last = node.pipeline.commands.back();
      refuse(last.position, last.source, fmt::format("range can't iterate over {}", over.text()));
      return;
    }
    if (map == nullptr || (*map)->empty()) {
      run_inner(node.otherwise, dot);
      return;
    }
    const auto& names = node.pipeline.variables;
    for (const auto& [key, value] : **map) {
      if (error_) return;
      const std::size_t variables = variables_.size();
      if (names.size() == 2) variables_.emplace_back(names[0], Value{key});
      if (!names.empty()) variables_.emplace_back(names.back(), Value{value});
      run(node.body, Value{value});
      variables_.resize(variables);
    }
  }

  void assign(const Pipeline& pipeline, const Value& value) {
    const std::string& name = pipeline.variables.front();
    if (pipeline.declares) {
      variables_.emplace_back(name, value);
    } else {
      find_variable(name) = value;
    }
  }

  Value& find_variable(const std::string& name) {
    const auto found = std::ranges::find(variables_.rbegin(), variables_.rend(), name,
                                         [](const auto& variable) { return variable.first; });
    return found == variables_.rend() ? root_ : found->second;  // the parser knows that others exist
  }

  // --- Expressions

  Value evaluate(const Pipeline& pipeline, const Value& dot) {
    std::optional<Value> piped;
    for (const Command& command : pipeline.commands) {
      if (error_) return {};
      piped = evaluate(command, dot, piped);
    }
    return piped.value_or(Value{});
  }

  Value evaluate(const Command& command, const Value& dot, const std::optional<Value>& piped) {
    const Operand& first = command.operands.front();
    if (first.kind == Operand::Kind::function && first.fields.empty()) return call(command, dot, piped);
    if (first.kind == Operand::Kind::nil)
      return refuse(command.position, command.source, "nil is not a command");
    if (command.operands.size() > 1 || piped) {
      return refuse(first.position, first.source,
                    fmt::format("can't give argument to non-function {}", first.source));
    }
    return evaluate(first, dot);
  }

  Value evaluate(const Operand& operand, const Value& dot) {
    Value value;
    switch (operand.kind) {
      case Operand::Kind::dot:
        value = dot;
        break;
      case Operand::Kind::nil:
        break;
      case Operand::Kind::boolean:
        value.data = operand.boolean;
        break;
      case Operand::Kind::integer:
        value.data = operand.integer;
        break;
      case Operand::Kind::real:
        value.data = operand.real;
        break;
      case Operand::Kind::text:
        value.data = operand.name;
        break;
      case Operand::Kind::variable:
        value = find_variable(operand.name);
        break;
      case Operand::Kind::pipeline:
        value = evaluate(*operand.pipeline, dot);
        break;
      case Operand::Kind::function:
        value = call({.operands = {{.kind = Operand::Kind::function,
                                    .name = operand.name,
                                    .position = operand.position,
                                    .source = operand.source}},
                      .position = operand.position,
                      .source = operand.source},
                     dot, std::nullopt);
        break;
    }
    for (const std::string& field : operand.fields) {
      if (error_) return {};
      value = take_field(operand, value, field);
    }
    return value;
  }

  Value take_field(const Operand& operand, const Value& from, const std::string& field) {
    if (from.is_nil()) {
      return refuse(operand.position, operand.source,
                    fmt::format("nil data; no entry for key \"{}\"", field));
    }
    const auto* map = std::get_if<const Value::Map*>(&from.data);
    if (map == nullptr) {
      return refuse(operand.position, operand.source,
                    fmt::format("can't evaluate field {} in type {}", field, from.type_name()));
    }
    const auto found = (*map)->find(field);
    if (found != (*map)->end()) return Value{found->second};
    return refuse(operand.position, operand.source, fmt::format("map has no entry for key \"{}\"", field));
  }

  Value call(const Command& command, const Value& dot, const std::optional<Value>& piped) {
    const Operand& function = command.operands.front();
    if (function.name == "and" || function.name == "or") return call_logic(command, dot, piped);
    std::vector<Value> arguments;
    for (std::size_t i = 1; i < command.operands.size(); ++i) {
      arguments.push_back(evaluate(command.operands[i], dot));
      if (error_) return {};
    }
    if (piped) arguments.push_back(*piped);
    if (const std::optional<Value> own = scope_value(function.name)) {
      if (arguments.empty()) return *own;
      return refuse(
          function.position, function.source,
          fmt::format("wrong number of args for {}: want 0 got {}", function.name, arguments.size()));
    }
    auto result = call_function(function.name, arguments);
    if (result) return std::move(*result);
    constexpr std::string_view arity = "wrong number of args: ";
    std::string_view problem = result.error().message;
    if (problem.starts_with(arity)) {
      problem.remove_prefix(arity.size());
      return refuse(function.position, function.source,
                    fmt::format("wrong number of args for {}: {}", function.name, problem));
    }
    return refuse(command.position, command.source,
                  fmt::format("error calling {}: {}", function.name, problem));
  }

  /// `and` and `or` evaluate no more than they need.
  Value call_logic(const Command& command, const Value& dot, const std::optional<Value>& piped) {
    const bool stops_at = command.operands.front().name == "or";
    Value value;
    if (command.operands.size() == 1 && !piped) {
      const Operand& function = command.operands.front();
      return refuse(function.position, function.source,
                    fmt::format("wrong number of args for {}: want at least 1 got 0", function.name));
    }
    for (std::size_t i = 1; i < command.operands.size(); ++i) {
      value = evaluate(command.operands[i], dot);
      if (error_ || value.is_true() == stops_at) return value;
    }
    return piped ? *piped : value;
  }

  std::optional<Value> scope_value(std::string_view name) const {
    if (name == "name") return Value{scope_.name};
    if (name == "namespace") return Value{scope_.ns};
    if (name == "target") return Value{scope_.target};
    if (name == "service") return Value{scope_.service};
    if (name == "ingress") return Value{scope_.ingress};
    if (name == "route") return Value{scope_.route};
    if (name == "interval") return Value{scope_.interval};
    if (name == "variables") return Value{&scope_.variables};
    return std::nullopt;
  }

  // --- Errors

  Value refuse(std::size_t position, std::string source, std::string_view problem) {
    if (error_) return {};
    const std::string_view before = text_.substr(0, position);
    const auto line = 1 + std::ranges::count(before, '\n');
    const std::size_t newline = before.rfind('\n');
    const std::size_t column = newline == std::string_view::npos ? position : position - newline - 1;
    if (source.size() > quoted_source_max) source = source.substr(0, quoted_source_max) + "...";
    error_ = Error{Errc::invalid, fmt::format("template: tmpl:{}:{}: executing \"tmpl\" at <{}>: {}", line,
                                              column, source, problem)};
    return {};
  }

  std::string_view text_;
  const TemplateScope& scope_;
  std::string out_;
  int steps_ = 0;
  Value root_;  ///< "$"
  std::vector<std::pair<std::string, Value>> variables_;
  std::optional<Error> error_;
};

}  // namespace

Result<std::string> render(std::string_view text, const TemplateScope& scope) {
  auto tree = parse_template(text);
  if (!tree) return fail(tree.error().within("template parsing failed"));
  auto rendered = Renderer(text, scope).render(*tree);
  if (!rendered) return fail(rendered.error().within("template excution failed"));
  return rendered;
}

Result<void> check_template(std::string_view text) {
  if (auto tree = parse_template(text); !tree) return fail(tree.error().within("template parsing failed"));
  return {};
}

}  // namespace serin::analysis
