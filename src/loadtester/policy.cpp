#include "loadtester/policy.h"

#include <algorithm>
#include <optional>

#include "base/base64.h"
#include "loadtester/shell_words.h"

namespace serin::loadtester {
namespace {

/// Compares without telling by the time it takes how much of a guess was right.
bool same_secret(std::string_view guess, std::string_view secret) {
  unsigned difference = guess.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < guess.size(); ++i) {
    difference |= static_cast<unsigned char>(guess[i] ^ secret[i % secret.size()]);
  }
  return difference == 0;
}

}  // namespace

Policy::Policy(const Rules& rules)
    : token_(rules.token), limited_(rules.limit_commands()), allowed_programs_(rules.allowed_programs) {
  if (!rules.namespace_regexp.empty()) namespace_regexp_ = std::make_unique<RE2>(rules.namespace_regexp);
  for (const std::string& pattern : rules.allowed_commands) {
    allowed_commands_.push_back(std::make_unique<RE2>(pattern));
  }
}

bool Policy::admits(const http::Headers& headers) const {
  if (token_.empty()) return true;
  const std::string_view credentials = headers.get("Authorization");
  if (credentials.starts_with("Bearer ")) return same_secret(credentials.substr(7), token_);
  if (!credentials.starts_with("Basic ")) return false;
  const base::Result<std::string> pair = base::base64_decode(credentials.substr(6));
  if (!pair) return false;
  const auto colon = pair->find(':');
  return colon != std::string::npos && same_secret(std::string_view(*pair).substr(colon + 1), token_);
}

bool Policy::serves_namespace(std::string_view ns) const {
  return !namespace_regexp_ || RE2::PartialMatch(ns, *namespace_regexp_);
}

bool Policy::allows(const Job& job) const {
  if (!limited_) return true;
  const std::string command = job.whole_command();
  const auto matches = [&command](const auto& regexp) { return RE2::FullMatch(command, *regexp); };
  if (std::ranges::any_of(allowed_commands_, matches)) return true;
  const std::optional<std::vector<std::string>> programs =
      job.for_shell() ? programs_of(job.command) : std::vector{job.program()};
  const auto is_allowed = [this](const std::string& program) {
    return std::ranges::find(allowed_programs_, program) != allowed_programs_.end();
  };
  return programs && !programs->empty() && std::ranges::all_of(*programs, is_allowed);
}

bool comes_from_web_page(const http::Headers& headers) {
  const std::string_view site = headers.get("Sec-Fetch-Site");
  return headers.contains("Origin") || (!site.empty() && site != "none");
}

std::string clean_path(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    begin = end + 1;
  }
  std::string clean;
  for (const std::string_view part : parts) clean.append("/").append(part);
  if (clean.empty() || path.ends_with('/')) clean += '/';
  return clean;
}

}  // namespace serin::loadtester
