#include "base/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <string>

namespace serin::base {
namespace {

/// The JSON text of a plain scalar, if it is one of YAML's typed forms.
Json plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const std::string_view digits = std::string_view(text).substr(text.starts_with('+') ? 1 : 0);
  const char first = digits.empty() ? 'x' : digits[digits.starts_with('-') ? 1 : 0];
  if (first >= '0' && first <= '9') {
    if (Result<Json> number = Json::parse(digits); number && number->is_number()) return *std::move(number);
  }
  return text;
}

Json convert(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return node.Tag() == "?" ? plain_scalar(node.Scalar()) : Json(node.Scalar());
    case YAML::NodeType::Sequence: {
      Json result = Json::array();
      for (const YAML::Node& element : node) result.push_back(convert(element));
      return result;
    }
    case YAML::NodeType::Map: {
      Json result = Json::object();
      for (const auto& entry : node) result.set(entry.first.Scalar()) = convert(entry.second);
      return result;
    }
    default:
      return nullptr;
  }
}

}  // namespace

Result<std::vector<Json>> parse_yaml(std::string_view text) {
  try {
    std::vector<Json> documents;
    for (const YAML::Node& node : YAML::LoadAll(std::string(text))) {
      if (Json document = convert(node); !document.is_null()) documents.push_back(std::move(document));
    }
    return documents;
  } catch (const YAML::Exception& e) {
    return fail(Errc::invalid,
                fmt::format("line {}, column {}: {}", e.mark.line + 1, e.mark.column + 1, e.msg));
  }
}

}  // namespace serin::base
