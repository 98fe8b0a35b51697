#include "local/apiserver/request_info.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <vector>

namespace serin::local {
namespace {

std::vector<std::string> split(std::string_view text, char separator, bool skip_empty = true) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0 || !skip_empty) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string trimmed_lower(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return result;
}

struct MediaRange {
  std::string type;
  std::map<std::string, std::string> parameters;
};

/// The ranges of an Accept header in the order written; Kubernetes' clients write them in order of
/// preference.
std::vector<MediaRange> ranges_of(std::string_view accept) {
  std::vector<MediaRange> ranges;
  for (const std::string& part : split(accept, ',')) {
    MediaRange range;
    for (const std::string& piece : split(part, ';')) {
      const std::size_t equals = piece.find('=');
      if (range.type.empty()) {
        range.type = trimmed_lower(piece);
      } else if (equals != std::string::npos) {
        range.parameters[trimmed_lower(piece.substr(0, equals))] = piece.substr(equals + 1);
      }
    }
    ranges.push_back(std::move(range));
  }
  return ranges;
}

std::string verb_of(const std::string& method, bool named, bool watches) {
  if (method == "GET" || method == "HEAD") return watches ? "watch" : named ? "get" : "list";
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return named ? "delete" : "deletecollection";
  return {};
}

}  // namespace

RequestInfo RequestInfo::parse(const http::Request& request) {
  RequestInfo info;
  info.target = http::Target::parse(request.url.target);
  std::vector<std::string> parts = split(info.target.path, '/');
  std::size_t prefix = 0;
  if (parts.size() > 2 && parts[0] == "api") {
    info.resource.version = parts[1];
    prefix = 2;
  } else if (parts.size() > 3 && parts[0] == "apis") {
    info.resource.group = parts[1];
    info.resource.version = parts[2];
    prefix = 3;
  }
  if (prefix == 0) {
    info.verb = verb_of(request.method, true, false);
    return info;
  }
  parts.erase(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(prefix));
  info.is_resource = true;
  // /namespaces/x/status and /finalize are about the namespace itself.
  const bool of_namespace =
      parts.size() >= 3 && parts[0] == "namespaces" && parts[2] != "status" && parts[2] != "finalize";
  if (of_namespace) {
    info.ns = parts[1];
    parts.erase(parts.begin(), parts.begin() + 2);
  }
  info.resource.plural = parts[0];
  if (parts.size() > 1) info.name = parts[1];
  if (parts.size() > 2) info.subresource = parts[2];
  if (parts.size() > 3) info.resource.plural.clear();
  info.verb = verb_of(request.method, !info.name.empty(), info.flag("watch"));
  return info;
}

std::string RequestInfo::query(std::string_view key) const {
  return target.find(key).value_or("");
}

bool RequestInfo::flag(std::string_view key) const {
  const std::string value = query(key);
  return value == "1" || value == "true" || value == "True" || value == "TRUE" || value == "t";
}

std::optional<Form> negotiate(std::string_view accept) {
  if (accept.empty()) return Form{};
  for (const MediaRange& range : ranges_of(accept)) {
    const bool yaml = range.type == "application/yaml";
    if (!yaml && range.type != "application/json" && range.type != "*/*" && range.type != "application/*")
      continue;
    const auto as = range.parameters.find("as");
    if (as == range.parameters.end()) return Form{.yaml = yaml};
    const auto version = range.parameters.find("v");
    Form form{.version = version == range.parameters.end() ? "v1" : version->second, .yaml = yaml};
    if (form.version != "v1" && form.version != "v1beta1") continue;
    if (as->second == "Table") {
      form.kind = Form::Kind::table;
    } else if (as->second.starts_with("PartialObjectMetadata")) {
      form.kind = Form::Kind::partial;
    } else {
      continue;
    }
    return form;
  }
  return std::nullopt;
}

std::string wants_aggregated_discovery(std::string_view accept) {
  for (const MediaRange& range : ranges_of(accept)) {
    const auto as = range.parameters.find("as");
    if (as == range.parameters.end() && range.type == "application/json") return {};
    if (as == range.parameters.end() || as->second != "APIGroupDiscoveryList") continue;
    const auto version = range.parameters.find("v");
    if (version == range.parameters.end()) continue;
    if (version->second == "v2" || version->second == "v2beta1") return version->second;
  }
  return {};
}

std::string media_type(std::string_view content_type) {
  return trimmed_lower(content_type.substr(0, content_type.find(';')));
}

}  // namespace serin::local
