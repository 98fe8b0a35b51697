#include "tests/kubernetes/expectation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <sstream>

#include "base/yaml.h"
#include "kube/api.h"

namespace serin::kubernetes_test {

using base::Json;
using base::Result;

namespace {

bool is_left_out(std::string_view key) {
  static constexpr std::array keys = {"uid",
                                      "resourceVersion",
                                      "creationTimestamp",
                                      "generation",
                                      "managedFields",
                                      "lastTransitionTime",
                                      "flagger-id",
                                      "lastUpdateTime",
                                      "lastAppliedSpec",
                                      "trackedConfigs",
                                      "lastPromotedSpec",
                                      "clusterIP",
                                      "clusterIPs",
                                      "deletionTimestamp",
                                      "deletionGracePeriodSeconds",
                                      "serin.dev/previous-template"};
  return std::ranges::find(keys, key) != keys.end() || key.starts_with("deployment.kubernetes.io/") ||
         key.starts_with("deprecated.daemonset.");
}

std::string with_replaced(std::string text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

bool is_empty(const Json& value) {
  return value.is_null() || ((value.is_object() || value.is_array()) && value.empty());
}

Json cleaned(const Json& value, const std::string& webhooks) {
  if (value.is_string()) return with_replaced(value.str(), webhooks, "webhooks");
  if (value.is_array()) {
    Json all = Json::array();
    for (const Json& each : value.items()) all.push_back(cleaned(each, webhooks));
    return all;
  }
  if (!value.is_object()) return value;
  Json kept = Json::object();
  for (const auto& [key, member] : value.members()) {
    if (is_left_out(key)) continue;
    if (Json clean = cleaned(member, webhooks); !is_empty(clean)) kept.set(key) = std::move(clean);
  }
  return kept;
}

bool says_what_is_waited_for(const std::string& message) {
  const bool is_decision = message.starts_with("Rolling back") || message.starts_with("Promotion of");
  if (is_decision) return false;
  return message.contains("not ready") || message.contains("all the metrics providers") ||
         message.contains("waiting for rollout");
}

std::string shown(const Json& value) {
  return value.is_null() ? "nothing" : value.dump();
}

void compare(const std::string& path, const Json& expected, const Json& actual,
             std::vector<std::string>& found) {
  if (expected.is_object() && actual.is_object()) {
    std::set<std::string> keys;
    for (const auto& [key, member] : expected.members()) keys.insert(key);
    for (const auto& [key, member] : actual.members()) keys.insert(key);
    for (const std::string& key : keys) compare(path + "." + key, expected[key], actual[key], found);
  } else if (expected.is_array() && actual.is_array() && expected.size() == actual.size()) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      compare(fmt::format("{}[{}]", path, i), expected.at(i), actual.at(i), found);
    }
  } else if (expected != actual) {
    found.push_back(fmt::format("{}: expected {}, is {}", path, shown(expected), shown(actual)));
  }
}

}  // namespace

Json expectable(const Json& object, const std::string& webhooks) {
  Json clean = cleaned(object, webhooks);
  const std::string kind = clean["kind"].str();
  // Ours alone (docs/differences.md).
  if (kind == "Canary" && clean.contains("status")) clean.set("status").erase("checks");
  for (const char* theirs : {"Deployment", "DaemonSet", "HorizontalPodAutoscaler", "Service", "Ingress"}) {
    if (kind == theirs) clean.erase("status");
  }
  return clean;
}

Result<Objects> read_objects(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  const Result<std::vector<Json>> documents = base::parse_yaml(text.str());
  if (!documents) return base::fail(documents.error().within(file.string()));
  Objects objects;
  for (const Json& each : *documents) objects[each["kind"].str() + "/" + kube::name_of(each)] = each;
  if (objects.empty()) return base::fail(base::Errc::not_found, file.string() + " holds no objects");
  return objects;
}

std::vector<std::string> expectable_lines(const std::vector<Event>& events) {
  std::vector<std::string> lines;
  for (const Event& event : events) {
    if (says_what_is_waited_for(event.message)) continue;
    // How far a rollout had come when its deadline passed is another matter each time.
    constexpr std::string_view progress = "waiting for rollout to finish:";
    std::string line = event.line();
    if (const auto at = line.find(progress); at != std::string::npos) line.erase(at + progress.size());
    if (lines.empty() || lines.back() != line) lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> read_lines(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> differences(const Objects& expected, const Objects& actual) {
  std::set<std::string> names;
  for (const auto& [name, object] : expected) names.insert(name);
  for (const auto& [name, object] : actual) names.insert(name);
  std::vector<std::string> found;
  for (const std::string& name : names) {
    if (!actual.contains(name)) {
      found.push_back(name + ": is not there");
    } else if (!expected.contains(name)) {
      found.push_back(name + ": is there, and should not be");
    } else {
      compare(name, expected.at(name), actual.at(name), found);
    }
  }
  return found;
}

}  // namespace serin::kubernetes_test
