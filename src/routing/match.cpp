#include "routing/match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <tuple>

namespace serin::routing {
namespace {

/// Kind and value of {exact: always}; nullopt unless there is exactly one.
std::optional<std::pair<std::string, std::string>> read_test(const Json& test) {
  std::optional<std::pair<std::string, std::string>> result;
  for (const char* kind : {"exact", "prefix", "suffix", "regex"}) {
    const std::string& value = test[kind].str();
    if (value.empty()) continue;
    if (result) return std::nullopt;
    result.emplace(kind, value);
  }
  return result;
}

class Reader {
 public:
  explicit Reader(Matches& matches) : matches_(matches) {}

  void read(const Json& json, const std::string& path) {
    MatchItem item{path, {}};
    for (const Json::Member& member : json.members()) {
      const std::string here = path + "." + member.key;
      if (member.key == "uri") {
        condition(item, Subject::uri, "", member.value, here);
      } else if (member.key == "method") {
        condition(item, Subject::method, "", member.value, here);
      } else if (member.key == "headers") {
        conditions(item, Subject::header, member.value, here);
      } else if (member.key == "queryParams") {
        conditions(item, Subject::query, member.value, here);
      } else if (member.key != "name" && !(member.value.is_null() || member.value.empty())) {
        item.conditions.push_back({Subject::other, "", "", "", here});
      }
    }
    if (!json.is_object()) matches_.problems.push_back(fmt::format("{}: has to be an object", path));
    std::ranges::sort(item.conditions, {},
                      [](const Condition& c) { return std::tuple(c.subject, c.name, c.path); });
    matches_.items.push_back(std::move(item));
  }

 private:
  void conditions(MatchItem& item, Subject subject, const Json& tests, const std::string& path) {
    for (const Json::Member& test : tests.members())
      condition(item, subject, test.key, test.value, path + "." + test.key);
  }

  void condition(MatchItem& item, Subject subject, const std::string& name, const Json& json,
                 const std::string& path) {
    const auto test = read_test(json);
    if (test) {
      item.conditions.push_back({subject, name, test->first, test->second, path});
    } else {
      matches_.problems.push_back(
          fmt::format("{}: needs one of exact, prefix, suffix and regex, with a text", path));
    }
  }

  Matches& matches_;
};

}  // namespace

std::vector<Condition> MatchItem::of(Subject subject) const {
  std::vector<Condition> result;
  std::ranges::copy_if(conditions, std::back_inserter(result),
                       [&](const Condition& condition) { return condition.subject == subject; });
  return result;
}

Matches read_matches(const Json& list, const std::string& path) {
  Matches matches;
  if (!list.is_null() && !list.is_array())
    matches.problems.push_back(fmt::format("{}: has to be a list", path));
  for (std::size_t i = 0; i < list.items().size(); ++i)
    Reader(matches).read(list.at(i), fmt::format("{}[{}]", path, i));
  return matches;
}

std::vector<std::string> problems_of(const Matches& matches, std::string_view provider,
                                     const Supported& supported) {
  std::vector<std::string> problems = matches.problems;
  for (const MatchItem& item : matches.items) {
    for (const Condition& condition : item.conditions) {
      const auto found =
          std::ranges::find_if(supported, [&](const auto& row) { return row.first == condition.subject; });
      if (found == supported.end()) {
        problems.push_back(fmt::format("{}: {} cannot match on it, remove it", condition.path, provider));
      } else if (std::ranges::find(found->second, condition.kind) == found->second.end()) {
        problems.push_back(fmt::format("{}.{}: {} cannot match this way, use {}", condition.path,
                                       condition.kind, provider, fmt::join(found->second, " or ")));
      }
    }
  }
  return problems;
}

}  // namespace serin::routing
