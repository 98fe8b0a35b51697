#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "http/message.h"
#include "loadtester/job.h"

namespace serin::loadtester {

/// Who may do what (spec 09 §6). The regular expressions must be valid.
struct Rules {
  std::string namespace_regexp;               ///< empty: every namespace
  std::string token;                          ///< empty: nobody has to prove anything
  std::vector<std::string> allowed_commands;  ///< regular expressions over whole commands
  std::vector<std::string> allowed_programs;  ///< names; with both lists empty every command is allowed
  base::Duration timeout = std::chrono::hours(1);
  std::size_t tasks_max = 1000;  ///< how many tasks may run at a time

  [[nodiscard]] bool limit_commands() const { return !allowed_commands.empty() || !allowed_programs.empty(); }
};

/// The rules in a form to ask.
class Policy {
 public:
  explicit Policy(const Rules& rules);

  /// Whether the caller proved that he knows the token: as bearer, or as Basic password, which is all that
  /// the user info of a webhook's URL can carry.
  [[nodiscard]] bool admits(const http::Headers& headers) const;
  [[nodiscard]] bool serves_namespace(std::string_view ns) const;
  /// Whether a regular expression matches the whole command, or everything it runs is an allowed program.
  [[nodiscard]] bool allows(const Job& job) const;

 private:
  std::string token_;
  std::unique_ptr<RE2> namespace_regexp_;
  bool limited_;
  std::vector<std::unique_ptr<RE2>> allowed_commands_;
  std::vector<std::string> allowed_programs_;
};

/// Whether a browser sent this on behalf of a web page: none has any business with gates and commands.
bool comes_from_web_page(const http::Headers& headers);

/// "/a//b/../c" -> "/a/c", keeping a final slash: the path Go's ServeMux redirects to.
std::string clean_path(std::string_view path);

}  // namespace serin::loadtester
