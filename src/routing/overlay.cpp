#include "routing/overlay.h"

#include <algorithm>

namespace serin::routing {
namespace {

bool named(const Json& list) {
  return !list.empty() &&
         std::ranges::all_of(list.items(), [](const Json& element) { return element.contains("name"); });
}

const Json& partner(const Json& list, const Json& element) {
  for (const Json& candidate : list.items()) {
    if (candidate["name"] == element["name"]) return candidate;
  }
  return list.at(list.size());  // null
}

/// Every wanted element has a live one of its own that is as wanted, in whatever order.
bool satisfied(const Json& live, const Json& wanted) {
  if (live.size() != wanted.size()) return false;
  std::vector<const Json*> free;
  for (const Json& element : live.items()) free.push_back(&element);
  return std::ranges::all_of(wanted.items(), [&](const Json& element) {
    const auto found = std::ranges::find_if(
        free, [&](const Json* candidate) { return overlaid(*candidate, element) == *candidate; });
    if (found == free.end()) return false;
    free.erase(found);
    return true;
  });
}

Json overlaid_list(const Json& live, const Json& wanted) {
  const bool by_name = named(wanted);
  if (by_name && satisfied(live, wanted)) return live;
  Json result = Json::array();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Json& element = wanted.at(i);
    if (by_name) {
      result.push_back(overlaid(partner(live, element), element));
    } else {
      result.push_back(live.size() == wanted.size() ? overlaid(live.at(i), element) : created(element));
    }
  }
  return result;
}

}  // namespace

Json overlaid(const Json& live, const Json& wanted) {
  if (wanted.is_array()) return overlaid_list(live, wanted);
  if (!wanted.is_object()) return wanted;
  Json result = live.is_object() ? live : Json::object();
  for (const Json::Member& member : wanted.members()) {
    if (member.value.is_null()) {
      result.erase(member.key);
    } else {
      result.set(member.key) = overlaid(live[member.key], member.value);
    }
  }
  return result;
}

Json created(const Json& wanted) {
  return overlaid(Json(), wanted);
}

}  // namespace serin::routing
