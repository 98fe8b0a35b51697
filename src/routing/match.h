#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace serin::routing {

using base::Json;

/// What a condition looks at.
enum class Subject { uri, method, header, query, other };

/// One condition of a match item, and where the spec says it.
struct Condition {
  Subject subject = Subject::other;
  std::string name;   ///< of the header or query parameter
  std::string kind;   ///< "exact", "prefix", "suffix", "regex"
  std::string value;  ///< never empty
  std::string path;   ///< "spec.analysis.match[0].headers.x-canary"
  bool operator==(const Condition&) const = default;
};

/// One of spec.service.match[] or spec.analysis.match[]: all conditions must hold (spec 05 §1.6). Those of
/// one subject are in the order of their names, so that the same spec gives the same objects.
struct MatchItem {
  std::string path;
  std::vector<Condition> conditions;
  [[nodiscard]] std::vector<Condition> of(Subject subject) const;
};

/// A list of which one item must hold, and what is wrong with it.
struct Matches {
  std::vector<MatchItem> items;
  std::vector<std::string> problems;  ///< with field and remedy
};

/// Reads a match list; null is an empty one. `path`: where the spec has it.
Matches read_matches(const Json& list, const std::string& path);

/// The kinds of conditions a provider has on a subject.
using Supported = std::vector<std::pair<Subject, std::vector<std::string_view>>>;

/// matches.problems, and each condition that `provider` cannot express.
std::vector<std::string> problems_of(const Matches& matches, std::string_view provider,
                                     const Supported& supported);

}  // namespace serin::routing
