#include "local/machinery/patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace serin::local {

namespace {

using base::Result;

/// A patch that is well formed but cannot be applied, as the API server answers it.
std::unexpected<StatusError> not_applicable(std::string why) {
  Json details = Json::object(
      {{"causes",
        Json::array({Json::object({{"reason", "UnexpectedServerResponse"}, {"message", std::move(why)}})})}});
  return std::unexpected(StatusError{
      422, "Invalid", "the server rejected our request due to an error in our request", std::move(details)});
}

std::string unescape(std::string_view token) {
  std::string text;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
      text += token[++i] == '0' ? '~' : '/';
    } else {
      text += token[i];
    }
  }
  return text;
}

std::optional<std::vector<std::string>> parse_pointer(std::string_view pointer) {
  std::vector<std::string> tokens;
  if (pointer.empty()) return tokens;
  if (pointer.front() != '/') return std::nullopt;
  pointer.remove_prefix(1);
  while (true) {
    const auto slash = pointer.find('/');
    tokens.push_back(unescape(pointer.substr(0, slash)));
    if (slash == std::string_view::npos) return tokens;
    pointer.remove_prefix(slash + 1);
  }
}

/// An array's index below `bound`; "-" is `bound - 1` where adding (one past the last element).
std::optional<std::size_t> parse_index(std::string_view token, std::size_t bound, bool adding) {
  if (adding && token == "-") return bound - 1;
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  const bool whole = error == std::errc() && end == token.data() + token.size();
  if (!whole || index >= bound || (token.size() > 1 && token.front() == '0')) return std::nullopt;
  return index;
}

Json* child(Json& container, const std::string& token) {
  if (container.is_object()) return container.find(token);
  if (!container.is_array()) return nullptr;
  const auto index = parse_index(token, container.size(), false);
  return index ? &container.make_array()[*index] : nullptr;
}

Json* walk(Json& root, const std::vector<std::string>& tokens, std::size_t count) {
  Json* here = &root;
  for (std::size_t i = 0; i < count && here; ++i) here = child(*here, tokens[i]);
  return here;
}

bool add_at(Json& root, const std::vector<std::string>& tokens, Json value) {
  if (tokens.empty()) {
    root = std::move(value);
    return true;
  }
  Json* parent = walk(root, tokens, tokens.size() - 1);
  if (!parent) return false;
  if (parent->is_object()) {
    parent->set(tokens.back()) = std::move(value);
    return true;
  }
  if (!parent->is_array()) return false;
  const auto index = parse_index(tokens.back(), parent->size() + 1, true);
  if (!index) return false;
  Json::Array& elements = parent->make_array();
  elements.insert(elements.begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
  return true;
}

bool remove_at(Json& root, const std::vector<std::string>& tokens) {
  if (tokens.empty()) return false;
  Json* parent = walk(root, tokens, tokens.size() - 1);
  if (!parent) return false;
  if (parent->is_object()) return parent->erase(tokens.back());
  if (!parent->is_array()) return false;
  const auto index = parse_index(tokens.back(), parent->size(), false);
  if (!index) return false;
  Json::Array& elements = parent->make_array();
  elements.erase(elements.begin() + static_cast<std::ptrdiff_t>(*index));
  return true;
}

/// One operation of a JSON patch; the error's text if it can't be done.
std::optional<std::string> operate(Json& root, const Json& operation) {
  const std::string& op = operation["op"].str();
  const std::string& path = operation["path"].str();
  const auto tokens = parse_pointer(path);
  if (!tokens)
    return fmt::format("{} operation does not apply: doc is missing path: {}: missing value", op, path);
  const auto missing = [&] {
    return fmt::format("{} operation does not apply: doc is missing path: {}: missing value", op,
                       go_quoted(path));
  };
  Json* here = walk(root, *tokens, tokens->size());
  if (op == "add") return add_at(root, *tokens, operation["value"]) ? std::nullopt : std::optional(missing());
  if (op == "remove") return remove_at(root, *tokens) ? std::nullopt : std::optional(missing());
  if (op == "replace") {
    if (!here) return missing();
    *here = operation["value"];
    return std::nullopt;
  }
  if (op == "test") {
    const Json& expected = operation["value"];
    if (here ? *here == expected : expected.is_null()) return std::nullopt;
    return fmt::format("testing value {} failed: test failed", path);
  }
  const auto from = parse_pointer(operation["from"].str());
  Json* source = from ? walk(root, *from, from->size()) : nullptr;
  if (!source) return missing();
  Json value = *source;
  if (op == "move") remove_at(root, *from);
  return add_at(root, *tokens, std::move(value)) ? std::nullopt : std::optional(missing());
}

// --- strategic merge

constexpr std::string_view directive = "$patch";
constexpr std::string_view order_prefix = "$setElementOrder/";
constexpr std::string_view delete_prefix = "$deleteFromPrimitiveList/";
constexpr std::string_view retain_keys = "$retainKeys";

const Type& any_type() {
  static const Type any;
  return any;
}

/// What the schema says of a member.
struct Member {
  const Type* type = &any_type();
  std::string_view strategy;
  std::string_view merge_key;

  [[nodiscard]] bool has(std::string_view wanted) const {
    return strategy.find(wanted) != std::string_view::npos;
  }
};

Member member_of(const Type& type, std::string_view name) {
  if (type.kind == Type::Kind::map && type.element) return {type.element, {}, {}};
  const Type::Field* field = type.field(name);
  if (!field) return {};
  return {field->type, field->patch_strategy, field->patch_merge_key};
}

class Merger {
 public:
  std::string error;

  Json merge_objects(Json original, const Json& patch, const Type& type) {
    const std::string& action = patch[directive].str();
    if (action == "delete") return Json::object();
    if (action == "replace") {
      Json result = patch;
      result.erase(directive);
      return result;
    }
    if (!action.empty() && action != "merge") error = fmt::format("unknown patch type: {}", action);
    original.make_object();
    keep_only_retained(original, patch);
    delete_primitives(original, patch);
    for (const Json::Member& member : patch.members()) {
      if (!member.key.starts_with("$")) merge_member(original, patch, member, type);
    }
    reorder_untouched(original, patch, type);
    return original;
  }

 private:
  void keep_only_retained(Json& original, const Json& patch) {
    const Json* kept = patch.find(retain_keys);
    if (!kept) return;
    std::vector<std::string> gone;
    for (const Json::Member& member : original.members()) {
      if (std::ranges::find(kept->items(), Json(member.key)) == kept->items().end())
        gone.push_back(member.key);
    }
    for (const std::string& key : gone) original.erase(key);
  }

  void delete_primitives(Json& original, const Json& patch) {
    for (const Json::Member& member : patch.members()) {
      if (!member.key.starts_with(delete_prefix)) continue;
      Json* list = original.find(std::string_view(member.key).substr(delete_prefix.size()));
      if (!list) continue;
      std::erase_if(list->make_array(), [&](const Json& element) {
        return std::ranges::find(member.value.items(), element) != member.value.items().end();
      });
    }
  }

  void merge_member(Json& original, const Json& patch, const Json::Member& member, const Type& type) {
    if (member.value.is_null()) {
      original.erase(member.key);
      return;
    }
    const Member schema = member_of(type, member.key);
    if (member.value.is_object() && !schema.has("replace")) {
      const Json* old = original.find(member.key);
      Json merged =
          merge_objects(old && old->is_object() ? *old : Json::object(), member.value, *schema.type);
      original.set(member.key) = std::move(merged);
      return;
    }
    if (member.value.is_array() && schema.has("merge")) {
      const Json& order = patch[std::string(order_prefix) + member.key];
      const Json* old = original.find(member.key);
      Json merged = merge_lists(old ? *old : Json::array(), member.value, order, schema);
      original.set(member.key) = std::move(merged);
      return;
    }
    original.set(member.key) = member.value;
  }

  /// A list whose order is given without any element in the patch.
  void reorder_untouched(Json& original, const Json& patch, const Type& type) {
    for (const Json::Member& member : patch.members()) {
      if (!member.key.starts_with(order_prefix)) continue;
      const std::string_view name = std::string_view(member.key).substr(order_prefix.size());
      Json* list = original.find(name);
      if (!list || patch.contains(name)) continue;
      const Json before = *list;
      *list = ordered(*list, before, member.value, member_of(type, name).merge_key);
    }
  }

  Json merge_lists(const Json& original, const Json& patch, const Json& order, const Member& schema) {
    const Type& element = schema.type->element ? *schema.type->element : any_type();
    const std::string_view key = schema.merge_key;
    Json result = original;
    result.make_array();
    const bool replaces = std::ranges::any_of(
        patch.items(), [](const Json& item) { return item[directive].str() == "replace"; });
    if (replaces) result.make_array().clear();
    for (const Json& item : patch.items()) {
      if (item[directive].str() == "replace") {
        if (item.size() > 1) add_item(result, item, key, element);
        continue;
      }
      if (item[directive].str() == "delete") {
        std::erase_if(result.make_array(), [&](const Json& old) { return old[key] == item[key]; });
        continue;
      }
      add_item(result, item, key, element);
    }
    return order.is_array() ? ordered(result, original, order, key) : result;
  }

  void add_item(Json& list, const Json& item, std::string_view key, const Type& element) {
    Json::Array& items = list.make_array();
    if (key.empty()) {
      if (std::ranges::find(items, item) == items.end()) items.push_back(item);
      return;
    }
    if (item[key].is_null()) {
      error = fmt::format("map: {} does not contain declared merge key: {}", item.dump(), key);
      return;
    }
    const auto twin = std::ranges::find_if(items, [&](const Json& old) { return old[key] == item[key]; });
    Json plain = item;
    if (plain[directive].str() == "replace") plain.erase(directive);
    if (twin != items.end()) {
      *twin = merge_objects(std::move(*twin), plain, element);
    } else {
      items.push_back(merge_objects(Json::object(), plain, element));
    }
  }

  static bool same(const Json& left, const Json& right, std::string_view key) {
    return key.empty() ? left == right : left[key] == right[key];
  }
  static std::optional<std::size_t> place(const Json& list, const Json& item, std::string_view key) {
    for (std::size_t i = 0; i < list.items().size(); ++i) {
      if (same(list.at(i), item, key)) return i;
    }
    return std::nullopt;
  }

  /// The elements named by `order` in that order; the others keep their places relative to the live list.
  static Json ordered(const Json& merged, const Json& live, const Json& order, std::string_view key) {
    std::vector<const Json*> named;
    std::vector<const Json*> others;
    for (const Json& wanted : order.items()) {
      if (const auto at = place(merged, wanted, key)) named.push_back(&merged.at(*at));
    }
    for (const Json& item : merged.items()) {
      if (!place(order, item, key)) others.push_back(&item);
    }
    Json result = Json::array();
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < others.size() || j < named.size()) {
      bool take_other = j >= named.size();
      if (!take_other && i < others.size()) {
        const auto left = place(live, *others[i], key);
        const auto right = place(live, *named[j], key);
        take_other = left && right && *left < *right;
      }
      result.push_back(take_other ? *others[i++] : *named[j++]);
    }
    return result;
  }
};

}  // namespace

StatusResult<Json> json_patch(const Json& object, const Json& patch) {
  if (!patch.is_array()) {
    return std::unexpected(StatusError::bad_request(
        fmt::format("error decoding patch: json: cannot unmarshal {} into Go value of type jsonpatch.Patch",
                    patch.kind_name())));
  }
  constexpr std::size_t operations_max = 10000;
  if (patch.size() > operations_max) {
    return std::unexpected(
        StatusError{413, "RequestEntityTooLarge",
                    fmt::format("Request entity too large: The allowed maximum operations in a "
                                "JSON patch is {}, got {}",
                                operations_max, patch.size()),
                    Json()});
  }
  static constexpr std::string_view known[] = {"add", "remove", "replace", "move", "copy", "test"};
  Json result = object;
  for (const Json& operation : patch.items()) {
    const std::string& op = operation["op"].str();
    if (std::ranges::find(known, op) == std::end(known)) return not_applicable("Unexpected kind: " + op);
    if (auto why = operate(result, operation)) return not_applicable(std::move(*why));
  }
  return result;
}

Json merge_patch(const Json& object, const Json& patch) {
  if (!patch.is_object()) return patch;
  Json result = object.is_object() ? object : Json::object();
  for (const Json::Member& member : patch.members()) {
    if (member.value.is_null()) {
      result.erase(member.key);
    } else {
      Json merged = merge_patch(result[member.key], member.value);
      result.set(member.key) = std::move(merged);
    }
  }
  return result;
}

StatusResult<Json> strategic_merge_patch(const Json& object, const Json& patch, const Type& type) {
  if (!patch.is_object()) {
    return std::unexpected(StatusError::bad_request(fmt::format(
        "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
        patch.kind_name())));
  }
  Merger merger;
  Json result = merger.merge_objects(object, patch, type);
  if (!merger.error.empty()) return not_applicable(std::move(merger.error));
  return result;
}

}  // namespace serin::local
