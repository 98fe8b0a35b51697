#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <unordered_map>

namespace serin::base {

// --- Object

/// Where each member is, by its key.
struct Json::Object::Index {
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  static constexpr std::size_t worth_it = 64;  ///< so many members

  explicit Index(const std::vector<Member>& members) {
    for (std::size_t i = 0; i < members.size(); ++i) places.emplace(members[i].key, i);
  }

  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> places;
};

Json::Object::Object() = default;
Json::Object::Object(std::initializer_list<Member> members) : members_(members) {}
Json::Object::Object(const Object& other)
    : members_(other.members_), index_(other.index_ ? std::make_unique<Index>(*other.index_) : nullptr) {}
Json::Object::Object(Object&&) noexcept = default;
Json::Object& Json::Object::operator=(const Object& other) {
  return *this = Object(other);
}
Json::Object& Json::Object::operator=(Object&&) noexcept = default;
Json::Object::~Object() = default;
std::size_t Json::Object::size() const {
  return members_.size();
}

std::vector<Json::Member>::iterator Json::Object::begin() {
  return members_.begin();
}
std::vector<Json::Member>::iterator Json::Object::end() {
  return members_.end();
}
std::vector<Json::Member>::const_iterator Json::Object::begin() const {
  return members_.begin();
}
std::vector<Json::Member>::const_iterator Json::Object::end() const {
  return members_.end();
}

/// Of the member; how many there are if it is not among them.
std::size_t Json::Object::position(std::string_view key) const {
  if (index_) {
    const auto found = index_->places.find(key);
    return found == index_->places.end() ? members_.size() : found->second;
  }
  const auto found = std::ranges::find(members_, key, &Member::key);
  return static_cast<std::size_t>(found - members_.begin());
}

const Json* Json::Object::find(std::string_view key) const {
  const std::size_t at = position(key);
  return at == members_.size() ? nullptr : &members_[at].value;
}

Json* Json::Object::find(std::string_view key) {
  return const_cast<Json*>(std::as_const(*this).find(key));
}

Json& Json::Object::operator[](std::string_view key) {
  if (!index_ && members_.size() >= Index::worth_it) index_ = std::make_unique<Index>(members_);
  const std::size_t at = position(key);
  if (at == members_.size()) {
    members_.push_back(Member{std::string(key), Json()});
    if (index_) index_->places.emplace(key, at);
  }
  return members_[at].value;
}

bool Json::Object::erase(std::string_view key) {
  const std::size_t at = position(key);
  if (at == members_.size()) return false;
  members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(at));
  index_.reset();
  return true;
}

// --- construction

Json::Json() = default;
Json::Json(double value) {
  if (std::isfinite(value)) value_ = Number{fmt::format("{}", value)};
}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(Array value) : value_(std::move(value)) {}
Json::Json(Object value) : value_(std::move(value)) {}
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

Json Json::from_integer(std::int64_t value) {
  Json result;
  result.value_ = Number{fmt::format_int(value).str()};
  return result;
}

Json Json::object(std::initializer_list<Member> members) {
  return Json(Object(members));
}
Json Json::array(std::initializer_list<Json> elements) {
  return Json(Array(elements));
}

// --- reading text

/// Receives the parser's events and builds the tree; the stack holds the open arrays and objects.
class JsonBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Json root;
  std::string error;

  bool null() override { return put(Json()); }
  bool boolean(bool value) override { return put(Json(value)); }
  bool number_integer(number_integer_t value) override { return put(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return put_number(fmt::format_int(value).str()); }
  bool number_float(number_float_t, const string_t& text) override { return put_number(text); }
  bool string(string_t& value) override { return put(Json(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json(Json::Object())); }
  bool key(string_t& name) override {
    key_ = std::move(name);
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json(Json::Array())); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    const std::string_view text = e.what();
    const auto start = text.find("] ");  // behind the library's own "[json.exception...]"
    error = text.substr(start == std::string_view::npos ? 0 : start + 2);
    return false;
  }

 private:
  bool put_number(std::string text) {
    Json number;
    number.value_ = Json::Number{std::move(text)};
    return put(std::move(number));
  }
  Json* place(Json value) {
    if (stack_.empty()) {
      root = std::move(value);
      return &root;
    }
    Json& top = *stack_.back();
    if (top.is_array()) {
      Json::Array& elements = top.make_array();
      elements.push_back(std::move(value));
      return &elements.back();
    }
    Json& member = top.make_object()[key_];
    member = std::move(value);
    return &member;
  }
  bool put(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (stack_.size() >= Json::depth_max) {
      error = fmt::format("nested deeper than {} levels", Json::depth_max);
      return false;
    }
    stack_.push_back(place(std::move(value)));
    return true;
  }
  bool close() {
    stack_.pop_back();
    return true;
  }

  // A pointer stays valid: while a container is open, nothing is added to the one that holds it.
  std::vector<Json*> stack_;
  std::string key_;
};

Result<Json> Json::parse(std::string_view text) {
  JsonBuilder builder;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    return fail(Errc::invalid, builder.error.empty() ? "not valid JSON" : builder.error);
  }
  return std::move(builder.root);
}

// --- writing text

namespace {

void write_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, start, i - start);
    start = i + 1;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    }
  }
  out.append(text, start);
  out += '"';
}

void break_line(std::string& out, int indent, int level) {
  if (indent == 0) return;
  out += '\n';
  out.append(static_cast<std::size_t>(indent * level), ' ');
}

void write(std::string& out, const Json& value, int indent, int level) {
  switch (value.kind()) {
    case Json::Kind::null:
      out += "null";
      return;
    case Json::Kind::boolean:
      out += value.bool_or(false) ? "true" : "false";
      return;
    case Json::Kind::number:
      out += value.number_text();
      return;
    case Json::Kind::string:
      write_string(out, value.str());
      return;
    case Json::Kind::array: {
      out += '[';
      bool first = true;
      for (const Json& element : value.items()) {
        if (!std::exchange(first, false)) out += ',';
        break_line(out, indent, level + 1);
        write(out, element, indent, level + 1);
      }
      if (!first) break_line(out, indent, level);
      out += ']';
      return;
    }
    case Json::Kind::object: {
      out += '{';
      bool first = true;
      for (const Json::Member& member : value.members()) {
        if (!std::exchange(first, false)) out += ',';
        break_line(out, indent, level + 1);
        write_string(out, member.key);
        out += indent ? ": " : ":";
        write(out, member.value, indent, level + 1);
      }
      if (!first) break_line(out, indent, level);
      out += '}';
      return;
    }
  }
}

}  // namespace

std::string Json::dump() const {
  std::string out;
  write(out, *this, 0, 0);
  return out;
}

std::string Json::dump_pretty(int indent) const {
  std::string out;
  write(out, *this, indent, 0);
  return out;
}

// --- looking at it

std::string_view Json::kind_name() const {
  constexpr std::string_view names[] = {"null", "boolean", "number", "string", "array", "object"};
  return names[value_.index()];
}

std::optional<bool> Json::as_bool() const {
  if (const bool* value = std::get_if<bool>(&value_)) return *value;
  return std::nullopt;
}

std::optional<std::int64_t> Json::as_int() const {
  const std::string_view text = number_text();
  if (text.empty()) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  const std::optional<double> real = as_double();
  constexpr double exact = 9007199254740992.0;  // 2^53: above it a double no longer holds every integer
  if (!real || std::trunc(*real) != *real || std::abs(*real) > exact) return std::nullopt;
  return static_cast<std::int64_t>(*real);
}

std::optional<double> Json::as_double() const {
  const std::string_view text = number_text();
  if (text.empty()) return std::nullopt;
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

const std::string& Json::str() const {
  static const std::string none;
  const auto* value = std::get_if<std::string>(&value_);
  return value ? *value : none;
}

std::string Json::str_or(std::string_view otherwise) const {
  return is_string() ? str() : std::string(otherwise);
}

std::string_view Json::number_text() const {
  const auto* value = std::get_if<Number>(&value_);
  return value ? std::string_view(value->text) : std::string_view();
}

const Json::Array& Json::items() const {
  static const Array none;
  const auto* value = std::get_if<Array>(&value_);
  return value ? *value : none;
}

const Json::Object& Json::members() const {
  static const Object none;
  const auto* value = std::get_if<Object>(&value_);
  return value ? *value : none;
}

Json::Array& Json::make_array() {
  if (!is_array()) value_ = Array();
  return std::get<Array>(value_);
}

Json::Object& Json::make_object() {
  if (!is_object()) value_ = Object();
  return std::get<Object>(value_);
}

void Json::push_back(Json value) {
  make_array().push_back(std::move(value));
}

std::size_t Json::size() const {
  return is_array() ? items().size() : members().size();
}

const Json& Json::operator[](std::string_view key) const {
  static const Json null;
  const Json* value = find(key);
  return value ? *value : null;
}

const Json& Json::at(std::size_t index) const {
  static const Json null;
  return index < items().size() ? items()[index] : null;
}

bool Json::contains(std::string_view key) const {
  return find(key) != nullptr;
}

const Json* Json::find(std::string_view key) const {
  return members().find(key);
}

Json* Json::find(std::string_view key) {
  auto* object = std::get_if<Object>(&value_);
  return object ? object->find(key) : nullptr;
}

bool Json::erase(std::string_view key) {
  auto* object = std::get_if<Object>(&value_);
  return object && object->erase(key);
}

bool Json::operator==(const Json& other) const {
  if (kind() != other.kind()) return false;
  switch (kind()) {
    case Kind::null:
      return true;
    case Kind::boolean:
      return as_bool() == other.as_bool();
    case Kind::number:
      return number_text() == other.number_text() || as_double() == other.as_double();
    case Kind::string:
      return str() == other.str();
    case Kind::array:
      return items() == other.items();
    case Kind::object:
      return size() == other.size() && std::ranges::all_of(members(), [&](const Member& member) {
               const Json* twin = other.find(member.key);
               return twin && *twin == member.value;
             });
  }
  return false;
}

Json sorted(const Json& value) {
  if (value.is_array()) {
    Json result = Json::array();
    for (const Json& element : value.items()) result.push_back(sorted(element));
    return result;
  }
  if (!value.is_object()) return value;
  std::vector<const Json::Member*> order;
  for (const Json::Member& member : value.members()) order.push_back(&member);
  std::ranges::sort(order, {}, [](const Json::Member* member) -> std::string_view { return member->key; });
  Json result = Json::object();
  for (const Json::Member* member : order) result.set(member->key) = sorted(member->value);
  return result;
}

}  // namespace serin::base
