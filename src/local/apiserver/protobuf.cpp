#include "local/apiserver/protobuf.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace serin::local {
namespace {

constexpr std::string_view magic("k8s\0", 4);
constexpr int depth_max = 64;

/// A field of a message: `[` and `{` in front of the type mean a list of it, and a map from strings to it.
/// Types: s string, i integer, b boolean, y bytes, q Quantity, o IntOrString, t Time, u MicroTime, j
/// FieldsV1, else a message's name. `!` behind it: an empty value is a value (a pointer in Go), otherwise it
/// means absent.
struct Field {
  std::string name;  ///< empty: a message whose members are the outer object's ("inline")
  std::string type;
  bool keeps_empty = false;
};
using Message = std::map<std::uint32_t, Field>;

/// Reads protobuf_fields.inc: "<Message> <field>=<number>.<type>... +<number>=<Message>", indented lines go
/// on.
std::map<std::string, Message> read_fields(std::string_view text) {
  std::map<std::string, Message> messages;
  Message* message = nullptr;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    bool starts = !line.starts_with(' ');
    while (!line.empty()) {
      const std::size_t blank = std::min(line.find(' '), line.size());
      const std::string word(line.substr(0, blank));
      line.remove_prefix(std::min(blank + 1, line.size()));
      if (word.empty()) continue;
      if (std::exchange(starts, false)) {
        message = &messages[word];
        continue;
      }
      const std::size_t equals = word.find('=');
      const bool is_inline = word.front() == '+';
      Field field{is_inline ? "" : word.substr(0, equals), ""};
      std::string number = is_inline ? word.substr(1, equals - 1) : word.substr(equals + 1);
      field.type = is_inline ? word.substr(equals + 1) : number.substr(number.find('.') + 1);
      if (field.type.ends_with('!')) {
        field.keeps_empty = true;
        field.type.pop_back();
      }
      (*message)[static_cast<std::uint32_t>(std::stoul(number))] = std::move(field);
    }
  }
  return messages;
}

const std::map<std::string, Message>& messages() {
  static const std::map<std::string, Message> table = read_fields(
#include "local/apiserver/protobuf_fields.inc"
  );
  return table;
}

/// One field as it stands on the wire.
struct WireField {
  std::uint32_t number = 0;
  std::uint64_t varint = 0;
  std::string_view bytes;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  /// nullopt: the end, or damage.
  std::optional<WireField> next() {
    if (bytes_.empty() || damaged_) return std::nullopt;
    const std::uint64_t key = varint();
    WireField field{.number = static_cast<std::uint32_t>(key >> 3)};
    switch (key & 7) {
      case 0:
        field.varint = varint();
        break;
      case 1:
        field.bytes = take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.bytes = take(4);
        break;
      default:
        damaged_ = true;
    }
    if (damaged_) return std::nullopt;
    return field;
  }
  [[nodiscard]] bool damaged() const { return damaged_; }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) break;
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    damaged_ = true;
    return 0;
  }
  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size()) {
      damaged_ = true;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
  bool damaged_ = false;
};

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

Json read_time(std::string_view bytes, bool micro) {
  Reader reader(bytes);
  std::int64_t seconds = 0;
  std::int64_t nanos = 0;
  bool any = false;
  while (const std::optional<WireField> field = reader.next()) {
    any = true;
    if (field->number == 1) seconds = static_cast<std::int64_t>(field->varint);
    if (field->number == 2) nanos = static_cast<std::int64_t>(field->varint);
  }
  if (!any) return {};
  const base::WallTime time{std::chrono::milliseconds(seconds * 1000 + nanos / 1'000'000)};
  return micro ? base::format_rfc3339_micro(time) : base::format_rfc3339(time);
}

Json read_int_or_string(std::string_view bytes) {
  Reader reader(bytes);
  bool is_string = false;
  std::int64_t number = 0;
  std::string text;
  while (const std::optional<WireField> field = reader.next()) {
    if (field->number == 1) is_string = field->varint == 1;
    if (field->number == 2) number = static_cast<std::int32_t>(field->varint);
    if (field->number == 3) text = field->bytes;
  }
  return is_string ? Json(std::move(text)) : Json(number);
}

/// The first field of a message that wraps one value (Quantity, FieldsV1).
std::string wrapped(std::string_view bytes) {
  Reader reader(bytes);
  const std::optional<WireField> field = reader.next();
  return field ? std::string(field->bytes) : std::string();
}

class Decoder {
 public:
  /// Reads a message's fields into `object`.
  void read_message(std::string_view bytes, const std::string& name, Json& object) {
    const auto known = messages().find(name);
    if (known == messages().end() || depth_ == depth_max) {
      damaged_ = true;
      return;
    }
    ++depth_;
    Reader reader(bytes);
    while (const std::optional<WireField> wire = reader.next()) {
      const auto field = known->second.find(wire->number);
      if (field != known->second.end()) read_field(*wire, field->second, object);
    }
    damaged_ = damaged_ || reader.damaged();
    --depth_;
  }
  [[nodiscard]] bool damaged() const { return damaged_; }

 private:
  void read_field(const WireField& wire, const Field& field, Json& object) {
    if (field.name.empty()) return read_message(wire.bytes, field.type, object);
    if (field.type.front() == '[') return object.set(field.name).push_back(value(wire, field.type.substr(1)));
    if (field.type.front() == '{') return read_entry(wire.bytes, field, object);
    Json read = value(wire, field.type);
    const bool empty =
        read.is_null() || (read.is_string() && read.str().empty()) || read == Json(0) || read == Json(false);
    if (!empty || (field.keeps_empty && !read.is_null())) object.set(field.name) = std::move(read);
  }

  void read_entry(std::string_view bytes, const Field& field, Json& object) {
    Reader reader(bytes);
    std::string key;
    const std::string type = field.type.substr(1);
    Json entry = type == "s" || type == "y" ? Json("") : Json();
    while (const std::optional<WireField> wire = reader.next()) {
      if (wire->number == 1) key = wire->bytes;
      if (wire->number == 2) entry = value(*wire, type);
    }
    damaged_ = damaged_ || reader.damaged();
    object.set(field.name, key) = std::move(entry);
  }

  Json value(const WireField& wire, const std::string& type) {
    if (type == "s") return std::string(wire.bytes);
    if (type == "i") return static_cast<std::int64_t>(wire.varint);
    if (type == "b") return wire.varint != 0;
    if (type == "y") return base64(wire.bytes);
    if (type == "q") return wrapped(wire.bytes);
    if (type == "o") return read_int_or_string(wire.bytes);
    if (type == "t" || type == "u") return read_time(wire.bytes, type == "u");
    if (type == "j") return Json::parse(wrapped(wire.bytes)).value_or(Json());
    Json object = Json::object();
    read_message(wire.bytes, type, object);
    return object;
  }

  int depth_ = 0;
  bool damaged_ = false;
};

std::unexpected<StatusError> damaged_body() {
  return std::unexpected(
      StatusError::bad_request("the body of the request is no Kubernetes protobuf object"));
}

}  // namespace

StatusResult<Json> decode_protobuf(std::string_view body) {
  if (!body.starts_with(magic)) return damaged_body();
  // The envelope (runtime.Unknown): 1 is {apiVersion, kind}, 2 the object itself.
  Reader envelope(body.substr(magic.size()));
  Json object = Json::object();
  std::string_view raw;
  while (const std::optional<WireField> field = envelope.next()) {
    if (field->number == 2) raw = field->bytes;
    if (field->number != 1) continue;
    Reader type(field->bytes);
    while (const std::optional<WireField> part = type.next()) {
      if (part->number == 1) object.set("apiVersion") = std::string(part->bytes);
      if (part->number == 2) object.set("kind") = std::string(part->bytes);
    }
  }
  if (envelope.damaged()) return damaged_body();
  std::string kind = object["kind"].str();
  // Versions of one kind whose fields are numbered differently have a name of their own.
  const std::string versioned = kind + "@" + object["apiVersion"].str();
  if (messages().contains(versioned)) kind = versioned;
  if (!messages().contains(kind)) {
    return std::unexpected(
        StatusError{415,
                    "UnsupportedMediaType",
                    fmt::format("{} is not understood as protobuf here; send it as application/json", kind),
                    {}});
  }
  Decoder decoder;
  decoder.read_message(raw, kind, object);
  if (decoder.damaged()) return damaged_body();
  return object;
}

}  // namespace serin::local
