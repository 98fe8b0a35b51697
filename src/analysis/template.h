#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace serin::analysis {

/// What a query may name (spec 08 §5).
struct TemplateScope {
  std::string name, ns, target, service, ingress, route, interval;
  std::map<std::string, std::string> variables;
};

/// Renders a query with the rules of Go's text/template, as far as queries use them: no data, the scope's
/// functions, comments, trim markers, literals, pipelines, variables, if/else, with, range, and the functions
/// eq ne lt le gt ge and or not len index slice print printf println urlquery html js. Values are pasted
/// without escaping.
///
/// Errors (invalid) are worded as users of Go templates know them, with line and column.
base::Result<std::string> render(std::string_view text, const TemplateScope& scope);

/// The error render() would give for any scope, if the text itself is wrong: for linting.
base::Result<void> check_template(std::string_view text);

}  // namespace serin::analysis
