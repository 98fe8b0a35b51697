#include <cstdint>

#include "local/machinery/openapi.h"

namespace serin::local {

namespace {

/// Writes protocol buffers' wire format. Field numbers below are those of gnostic's OpenAPIv2.proto.
class Message {
 public:
  void text(int field, std::string_view value) {
    if (!value.empty()) bytes(field, value);
  }
  /// A present message, even an empty one.
  void message(int field, const Message& value) { bytes(field, value.out_); }
  void flag(int field, bool value) {
    if (!value) return;
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(1);
  }
  [[nodiscard]] const std::string& str() const { return out_; }

 private:
  void bytes(int field, std::string_view value) {
    constexpr std::uint64_t length_delimited = 2;
    varint(static_cast<std::uint64_t>(field) << 3 | length_delimited);
    varint(value.size());
    out_ += value;
  }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }

  std::string out_;
};

/// Extensions travel as YAML; JSON is YAML.
Message any(const Json& value) {
  Message message;
  message.text(2, value.dump() + "\n");
  return message;
}

Message named(std::string_view name, const Message& value) {
  Message message;
  message.text(1, name);
  message.message(2, value);
  return message;
}

void extensions(int field, const Json& object, Message& into) {
  for (const Json::Member& member : object.members()) {
    if (member.key.starts_with("x-")) into.message(field, named(member.key, any(member.value)));
  }
}

Message schema(const Json& json) {
  Message message;
  message.text(1, json["$ref"].str());
  message.text(2, json["format"].str());
  message.text(4, json["description"].str());
  for (const Json& name : json["required"].items()) message.text(19, name.str());
  if (json["additionalProperties"].is_object()) {
    Message item;
    item.message(1, schema(json["additionalProperties"]));
    message.message(21, item);
  }
  if (json["type"].is_string()) {
    Message type;
    type.text(1, json["type"].str());
    message.message(22, type);
  }
  if (json["items"].is_object()) {
    Message items;
    items.message(1, schema(json["items"]));
    message.message(23, items);
  }
  if (!json["properties"].empty()) {
    Message properties;
    for (const Json::Member& property : json["properties"].members()) {
      properties.message(1, named(property.key, schema(property.value)));
    }
    message.message(25, properties);
  }
  extensions(31, json, message);
  return message;
}

Message parameter(const Json& json) {
  const bool in_path = json["in"].str() == "path";
  Message content;
  content.flag(1, json["required"].bool_or(false));
  content.text(2, json["in"].str());
  content.text(4, json["name"].str());
  content.text(in_path ? 5 : 6, json["type"].str());
  Message non_body;
  non_body.message(in_path ? 4 : 3, content);
  Message either;
  either.message(2, non_body);
  Message item;
  item.message(1, either);
  return item;
}

Message responses(const Json& json) {
  Message message;
  for (const Json::Member& code : json.members()) {
    Message response;
    response.text(1, code.value["description"].str());
    Message value;
    value.message(1, response);
    message.message(1, named(code.key, value));
  }
  return message;
}

Message operation(const Json& json) {
  Message message;
  for (const Json& type : json["produces"].items()) message.text(6, type.str());
  for (const Json& type : json["consumes"].items()) message.text(7, type.str());
  for (const Json& one : json["parameters"].items()) message.message(8, parameter(one));
  message.message(9, responses(json["responses"]));
  extensions(13, json, message);
  return message;
}

Message path_item(const Json& json) {
  struct Method {
    std::string_view name;
    int field;
  };
  constexpr Method methods[] = {{"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
  Message message;
  for (const Method& method : methods) {
    if (json[method.name].is_object()) message.message(method.field, operation(json[method.name]));
  }
  for (const Json& one : json["parameters"].items()) message.message(9, parameter(one));
  return message;
}

}  // namespace

std::string openapi_v2_protobuf(const Json& document) {
  Message message;
  message.text(1, document["swagger"].str());
  Message info;
  info.text(1, document.get("info", "title").str());
  info.text(2, document.get("info", "version").str());
  message.message(2, info);
  Message paths;
  for (const Json::Member& path : document["paths"].members()) {
    paths.message(2, named(path.key, path_item(path.value)));
  }
  message.message(8, paths);
  Message definitions;
  for (const Json::Member& definition : document["definitions"].members()) {
    definitions.message(1, named(definition.key, schema(definition.value)));
  }
  message.message(9, definitions);
  return message.str();
}

}  // namespace serin::local
