#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace serin::base {

/// A JSON document as a value. What is read and written again loses nothing: members keep their order and
/// numbers the digits they were written with (a Kubernetes object that passes through us must come out as it
/// went in, unknown fields included). Parsing is nlohmann-json's SAX parser; only the tree is ours.
class Json {
 public:
  struct Member;
  using Array = std::vector<Json>;
  enum class Kind { null, boolean, number, string, array, object };

  /// Members in the order they were written. Most objects have few members, and are searched from the front;
  /// large ones (a ConfigMap's data) have an index.
  class Object {
   public:
    Object();
    Object(std::initializer_list<Member> members);
    Object(const Object&);
    Object(Object&&) noexcept;
    Object& operator=(const Object&);
    Object& operator=(Object&&) noexcept;
    ~Object();

    [[nodiscard]] const Json* find(std::string_view key) const;
    [[nodiscard]] Json* find(std::string_view key);
    [[nodiscard]] bool contains(std::string_view key) const { return find(key) != nullptr; }
    /// The member's value; null is inserted last when the key is new.
    Json& operator[](std::string_view key);
    /// Removes the member if it is there, and says whether it was.
    bool erase(std::string_view key);
    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] bool empty() const { return size() == 0; }
    [[nodiscard]] std::vector<Member>::iterator begin();
    [[nodiscard]] std::vector<Member>::iterator end();
    [[nodiscard]] std::vector<Member>::const_iterator begin() const;
    [[nodiscard]] std::vector<Member>::const_iterator end() const;

   private:
    struct Index;
    [[nodiscard]] std::size_t position(std::string_view key) const;

    std::vector<Member> members_;
    std::unique_ptr<Index> index_;  // null: look-up is linear
  };

  /// How deep a document may nest before it is refused.
  static constexpr std::size_t depth_max = 200;

  Json();
  Json(std::nullptr_t) : Json() {}
  Json(std::same_as<bool> auto value) : value_(bool{value}) {}
  Json(std::integral auto value)
    requires(!std::same_as<decltype(value), bool> && !std::same_as<decltype(value), char>)
      : Json(from_integer(static_cast<std::int64_t>(value))) {}
  Json(double value);
  Json(const char* value);
  Json(std::string_view value);
  Json(std::string value);
  Json(Array value);
  Json(Object value);
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();

  /// An empty object or array; with a list, one of these members or elements.
  static Json object(std::initializer_list<Member> members = {});
  static Json array(std::initializer_list<Json> elements = {});

  /// Reads one document. Errors (invalid) name line and column. Duplicate keys: the last one wins.
  static Result<Json> parse(std::string_view text);

  /// Compact text, members in order, UTF-8 verbatim.
  [[nodiscard]] std::string dump() const;
  /// The same with line breaks and this many spaces a level.
  [[nodiscard]] std::string dump_pretty(int indent = 2) const;

  [[nodiscard]] Kind kind() const { return static_cast<Kind>(value_.index()); }
  [[nodiscard]] bool is_null() const { return kind() == Kind::null; }
  [[nodiscard]] bool is_bool() const { return kind() == Kind::boolean; }
  [[nodiscard]] bool is_number() const { return kind() == Kind::number; }
  [[nodiscard]] bool is_string() const { return kind() == Kind::string; }
  [[nodiscard]] bool is_array() const { return kind() == Kind::array; }
  [[nodiscard]] bool is_object() const { return kind() == Kind::object; }
  /// "null", "boolean", "number", "string", "array", "object": for error messages.
  [[nodiscard]] std::string_view kind_name() const;

  /// The value if it has that type. as_int: only numbers without fraction that fit (5, 5.0, 5e0).
  [[nodiscard]] std::optional<bool> as_bool() const;
  [[nodiscard]] std::optional<std::int64_t> as_int() const;
  [[nodiscard]] std::optional<double> as_double() const;
  /// The string's text; empty for any other kind. Tell the two apart with is_string().
  [[nodiscard]] const std::string& str() const;
  [[nodiscard]] std::string str_or(std::string_view otherwise) const;
  [[nodiscard]] bool bool_or(bool otherwise) const { return as_bool().value_or(otherwise); }
  [[nodiscard]] std::int64_t int_or(std::int64_t otherwise) const { return as_int().value_or(otherwise); }
  /// The digits of a number as they were written; empty for any other kind.
  [[nodiscard]] std::string_view number_text() const;

  /// Elements or members; empty for any other kind, so that loops over absent lists do nothing.
  [[nodiscard]] const Array& items() const;
  [[nodiscard]] const Object& members() const;
  /// For writing: a value of another kind is replaced by an empty array or object first.
  Array& make_array();
  Object& make_object();
  void push_back(Json value);
  /// Number of elements or members; 0 for any other kind.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool empty() const { return size() == 0; }

  /// The member, or null where it is absent or this is no object: chains of look-ups need no tests between.
  [[nodiscard]] const Json& operator[](std::string_view key) const;
  [[nodiscard]] const Json& operator[](const char* key) const { return (*this)[std::string_view(key)]; }
  [[nodiscard]] const Json& at(std::size_t index) const;
  [[nodiscard]] bool contains(std::string_view key) const;
  [[nodiscard]] const Json& get(std::convertible_to<std::string_view> auto... keys) const {
    const Json* here = this;
    ((here = &(*here)[std::string_view(keys)]), ...);
    return *here;
  }
  /// For writing: the member at this path, made (with the objects on the way) where it is absent.
  Json& set(std::convertible_to<std::string_view> auto... keys) {
    Json* here = this;
    ((here = &here->make_object()[std::string_view(keys)]), ...);
    return *here;
  }
  /// For writing, if the member is there.
  [[nodiscard]] Json* find(std::string_view key);
  [[nodiscard]] const Json* find(std::string_view key) const;
  bool erase(std::string_view key);

  /// Equal as data: members in any order, numbers by value (5 equals 5.0).
  bool operator==(const Json& other) const;

 private:
  struct Number {
    std::string text;
  };
  static Json from_integer(std::int64_t value);
  friend class JsonBuilder;

  std::variant<std::monostate, bool, Number, std::string, Array, Object> value_;
};

struct Json::Member {
  std::string key;
  Json value;
};

/// A copy whose objects have their members sorted by key, all levels down: the same data, the same text.
[[nodiscard]] Json sorted(const Json& value);

}  // namespace serin::base
