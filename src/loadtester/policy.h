#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "loadtester/tester.h"

namespace serin::loadtester {

/// The rules in a form to ask.
struct Tester::Policy {
  explicit Policy(const Rules& rules);

  /// Whether the caller proved that he knows the token: as bearer, or as Basic password, which is all that
  /// the user info of a webhook's URL can carry.
  [[nodiscard]] bool admits(const http::Headers& headers) const;
  [[nodiscard]] bool serves_namespace(std::string_view ns) const;
  [[nodiscard]] bool allows_command(std::string_view command) const;

 private:
  std::string token_;
  std::unique_ptr<RE2> namespace_regexp_;
  std::vector<std::unique_ptr<RE2>> allowed_commands_;
};

/// "/a//b/../c" -> "/a/c", keeping a final slash: the path Go's ServeMux redirects to.
std::string clean_path(std::string_view path);

}  // namespace serin::loadtester
