#include "local/node/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/base64.h"

namespace serin::local {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

/// The API server has checked the text; what is no base64 all the same counts as empty.
std::string decoded(const std::string& text) {
  return base::base64_decode(text).value_or("");
}

std::string upper_name(std::string_view name) {
  std::string upper;
  for (const char c : name) {
    upper += c == '-' || c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return upper;
}

/// Looks a reference to a ConfigMap or Secret up; nullptr for an optional one that is missing.
Result<const Json*> referred(const Json& pod, const Json& reference, std::string_view kind,
                             const FindObject& find) {
  const std::string& ns = pod.get("metadata", "namespace").str();
  const std::string& name = reference["name"].str();
  const Json* const object = find(kind, ns, name);
  if (object || reference["optional"].bool_or(false)) return object;
  return fail(Errc::not_found,
              fmt::format("{} \"{}\" not found", kind == "Secret" ? "secret" : "configmap", name));
}

Result<void> add_all(Variables& variables, const Json& pod, const Json& source, const FindObject& find) {
  const bool secret = source.contains("secretRef");
  const Json& reference = source[secret ? "secretRef" : "configMapRef"];
  const Result<const Json*> object = referred(pod, reference, secret ? "Secret" : "ConfigMap", find);
  if (!object) return fail(object.error());
  if (!*object) return {};
  for (const auto& [key, value] : (**object)["data"].members()) {
    variables[source["prefix"].str() + key] = secret ? decoded(value.str()) : value.str();
  }
  return {};
}

Result<std::optional<std::string>> key_of(const Json& pod, const Json& reference, std::string_view kind,
                                          const FindObject& find) {
  const Result<const Json*> object = referred(pod, reference, kind, find);
  if (!object) return fail(object.error());
  const std::string& key = reference["key"].str();
  std::optional<std::string> value = *object ? data_of(**object, key) : std::nullopt;
  if (value || reference["optional"].bool_or(false)) return value;
  return fail(Errc::not_found, fmt::format("couldn't find key {} in {} {}/{}", key, kind,
                                           pod.get("metadata", "namespace").str(), reference["name"].str()));
}

Result<std::optional<std::string>> value_of(const Json& pod, const Json& container, const Json& variable,
                                            const Variables& known, const FindObject& find) {
  const Json& from = variable["valueFrom"];
  if (from.contains("configMapKeyRef")) return key_of(pod, from["configMapKeyRef"], "ConfigMap", find);
  if (from.contains("secretKeyRef")) return key_of(pod, from["secretKeyRef"], "Secret", find);
  if (from.contains("fieldRef")) {
    const Result<std::string> field = field_of(pod, from.get("fieldRef", "fieldPath").str());
    if (!field) return fail(field.error());
    return *field;
  }
  if (from.contains("resourceFieldRef")) {
    const std::string& path = from.get("resourceFieldRef", "resource").str();
    const std::size_t dot = path.find('.');
    const Json& amount = container.get("resources", path.substr(0, dot), path.substr(dot + 1));
    return amount.is_string() ? amount.str() : amount.is_null() ? "0" : amount.dump();
  }
  return expand(variable["value"].str(), known);
}

}  // namespace

std::string expand(std::string_view text, const Variables& variables) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
    } else if (text[i + 1] == '$') {
      out += '$';
      ++i;
    } else if (const std::size_t close = text.find(')', i); text[i + 1] == '(' && close != text.npos) {
      const auto found = variables.find(std::string(text.substr(i + 2, close - i - 2)));
      out += found != variables.end() ? std::string_view(found->second) : text.substr(i, close - i + 1);
      i = close;
    } else {
      out += '$';
    }
  }
  return out;
}

Result<std::string> field_of(const Json& pod, std::string_view path) {
  for (const std::string_view map : {"labels", "annotations"}) {
    const std::string start = fmt::format("metadata.{}['", map);
    if (path.starts_with(start) && path.ends_with("']")) {
      const std::string_view key = path.substr(start.size(), path.size() - start.size() - 2);
      return pod.get("metadata", map)[key].str();
    }
    if (path == fmt::format("metadata.{}", map)) {
      std::string lines;
      for (const auto& [key, value] : pod.get("metadata", map).members()) {
        lines += fmt::format("{}={}\n", key, Json(value.str()).dump());
      }
      return lines;
    }
  }
  for (const std::string_view known : {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
                                       "spec.serviceAccountName", "status.podIP", "status.hostIP"}) {
    const std::size_t dot = known.find('.');
    if (path == known) return pod.get(known.substr(0, dot), known.substr(dot + 1)).str();
  }
  if (path == "status.podIPs") return pod.get("status", "podIP").str();
  return fail(Errc::invalid, fmt::format("fieldPath \"{}\" is not supported", path));
}

std::optional<std::string> data_of(const Json& object, std::string_view key) {
  if (const Json* const text = object["data"].find(key)) {
    return object["kind"].str() == "Secret" ? decoded(text->str()) : text->str();
  }
  if (const Json* const binary = object["binaryData"].find(key)) return decoded(binary->str());
  return std::nullopt;
}

Variables service_variables(const std::vector<const Json*>& services) {
  Variables variables;
  for (const Json* service : services) {
    const std::string& address = service->get("spec", "clusterIP").str();
    if (address.empty() || address == "None") continue;
    const std::string prefix = upper_name(service->get("metadata", "name").str()) + "_SERVICE_";
    variables[prefix + "HOST"] = address;
    bool first = true;
    for (const Json& port : service->get("spec", "ports").items()) {
      const std::string number(port["port"].number_text());
      if (first) variables[prefix + "PORT"] = number;
      if (!port["name"].str().empty()) variables[prefix + "PORT_" + upper_name(port["name"].str())] = number;
      first = false;
    }
  }
  return variables;
}

Result<Variables> container_variables(const Json& pod, const Json& container, Variables inherited,
                                      const FindObject& find) {
  Variables variables = std::move(inherited);
  for (const Json& source : container["envFrom"].items()) {
    if (const Result<void> added = add_all(variables, pod, source, find); !added) return fail(added.error());
  }
  for (const Json& variable : container["env"].items()) {
    Result<std::optional<std::string>> value = value_of(pod, container, variable, variables, find);
    if (!value) return fail(value.error());
    if (*value) variables[variable["name"].str()] = std::move(**value);
  }
  return variables;
}

Result<std::vector<std::string>> container_command(const Json& container,
                                                   const std::vector<std::string>& entrypoint,
                                                   const Variables& variables) {
  std::vector<std::string> words;
  for (const Json& word : container["command"].items()) words.push_back(expand(word.str(), variables));
  if (words.empty()) words = entrypoint;
  for (const Json& word : container["args"].items()) words.push_back(expand(word.str(), variables));
  if (words.empty()) {
    return fail(
        Errc::invalid,
        fmt::format("container \"{}\" has no command, and its image's entry in the table no entrypoint",
                    container["name"].str()));
  }
  return words;
}

}  // namespace serin::local
