#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace serin::analysis {

struct Pipeline;

/// One operand of a command: what it is, the fields taken from it, and where it stands.
struct Operand {
  enum class Kind { dot, nil, boolean, integer, real, text, function, variable, pipeline };
  Kind kind = Kind::dot;
  std::string name;  ///< function or variable, the text of a string
  bool boolean = false;
  std::int64_t integer = 0;
  double real = 0;
  std::shared_ptr<Pipeline> pipeline;  ///< in parentheses
  std::vector<std::string> fields;     ///< ".a.b"
  std::size_t position = 0;            ///< bytes from the start of the template
  std::string source;                  ///< as written, for error messages
};

struct Command {
  std::vector<Operand> operands;
  std::size_t position = 0;
  std::string source;
};

struct Pipeline {
  std::vector<std::string> variables;  ///< what it is stored in
  bool declares = false;               ///< ":=", not "="
  std::vector<Command> commands;
};

/// A piece of a template in sequence with others.
struct Node {
  enum class Kind { text, action, branch, with, range };
  Kind kind = Kind::text;
  std::string text;
  Pipeline pipeline;
  std::vector<Node> body, otherwise;
};

/// Reads a template. Error texts are Go's: "template: tmpl:1: unclosed action".
base::Result<std::vector<Node>> parse_template(std::string_view text);

/// Whether queries may call a function of this name.
bool is_template_function(std::string_view name);

}  // namespace serin::analysis
