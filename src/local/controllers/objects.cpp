#include "local/controllers/objects.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace serin::local {

using namespace std::chrono_literals;
using base::WallTime;

const Json& condition_of(const Json& status, std::string_view type) {
  const Json& conditions = status["conditions"];
  for (const Json& condition : conditions.items()) {
    if (condition["type"].str() == type) return condition;
  }
  return conditions.at(conditions.size());
}

bool has_condition(const Json& object, std::string_view type) {
  return condition_of(object["status"], type)["status"].str() == "True";
}

bool is_ready(const Json& pod) {
  return has_condition(pod, "Ready");
}

std::optional<WallTime> ready_changed_at(const Json& pod) {
  return parse_time(condition_of(pod["status"], "Ready")["lastTransitionTime"]);
}

bool is_active(const Json& pod) {
  const std::string& phase = pod.get("status", "phase").str();
  return phase != "Succeeded" && phase != "Failed" && !kube::is_being_deleted(pod);
}

bool is_available(const Json& pod, std::int64_t min_ready_seconds, WallTime now, Plan* plan) {
  if (!is_ready(pod)) return false;
  if (min_ready_seconds == 0) return true;
  const std::optional<WallTime> since = ready_changed_at(pod);
  if (!since) return false;
  const WallTime available_at = *since + std::chrono::seconds(min_ready_seconds);
  if (available_at <= now) return true;
  if (plan) plan->wake_at(available_at);
  return false;
}

namespace {

bool satisfies(const Json& expression, const Json& labels) {
  const Json* value = labels.find(expression["key"].str());
  const std::string& op = expression["operator"].str();
  if (op == "Exists") return value != nullptr;
  if (op == "DoesNotExist") return value == nullptr;
  const auto& values = expression["values"].items();
  const bool listed =
      value && std::ranges::any_of(values, [&](const Json& one) { return one.str() == value->str(); });
  if (op == "In") return listed;
  if (op == "NotIn") return !listed;
  return false;
}

}  // namespace

bool has_labels(const Json& labels, const Json& wanted) {
  for (const auto& [key, value] : wanted.members()) {
    const Json* found = labels.find(key);
    if (!found || found->str() != value.str()) return false;
  }
  return true;
}

bool selects(const Json& label_selector, const Json& labels) {
  const Json& exact = label_selector["matchLabels"];
  const auto& expressions = label_selector["matchExpressions"].items();
  if (exact.empty() && expressions.empty()) return false;
  return has_labels(labels, exact) &&
         std::ranges::all_of(expressions, [&](const Json& e) { return satisfies(e, labels); });
}

const Json& labels_of(const Json& object) {
  return object.get("metadata", "labels");
}

const Json& annotation(const Json& object, std::string_view key) {
  return object.get("metadata", "annotations")[key];
}

Json controller_reference(const kube::Resource& resource, const Json& owner) {
  return Json::object({{"apiVersion", resource.api_version()},
                       {"kind", resource.kind},
                       {"name", kube::name_of(owner)},
                       {"uid", kube::uid_of(owner)},
                       {"controller", true},
                       {"blockOwnerDeletion", true}});
}

bool is_controlled_by(const Json& object, const Json& owner) {
  return kube::controller_owner(object)["uid"].str() == kube::uid_of(owner);
}

Objects claim(const kube::Resource& owner_resource, const Json& owner, const kube::Resource& resource,
              const Objects& all, Plan& plan) {
  Objects mine;
  const Json& selector = owner.get("spec", "selector");
  for (const Json* object : all) {
    if (kube::namespace_of(*object) != kube::namespace_of(owner)) continue;
    const bool matches = selects(selector, labels_of(*object));
    const bool orphan = kube::controller_owner(*object).is_null();
    if (is_controlled_by(*object, owner)) {
      if (matches || kube::is_being_deleted(*object)) {
        mine.push_back(object);
        continue;
      }
      Json released = *object;
      auto& references = released.set("metadata", "ownerReferences").make_array();
      std::erase_if(references, [&](const Json& r) { return r["uid"].str() == kube::uid_of(owner); });
      plan.writes.push_back({Write::Verb::replace, resource, std::move(released)});
    } else if (matches && orphan && !kube::is_being_deleted(*object) && !kube::is_being_deleted(owner)) {
      Json adopted = *object;
      adopted.set("metadata", "ownerReferences").push_back(controller_reference(owner_resource, owner));
      plan.writes.push_back({Write::Verb::replace, resource, std::move(adopted)});
    }
  }
  return mine;
}

int to_int(const Json& value, int otherwise) {
  if (value.is_string()) {
    int parsed = otherwise;
    const std::string& text = value.str();
    std::from_chars(text.data(), text.data() + text.size(), parsed);
    return parsed;
  }
  return static_cast<int>(value.int_or(otherwise));
}

std::int64_t version_number(const Json& object) {
  std::int64_t number = 0;
  const std::string& text = object.get("metadata", "resourceVersion").str();
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

int resolve_int_or_percent(const Json& value, int total, bool round_up) {
  const int number = to_int(value, 0);
  if (!value.is_string() || !value.str().ends_with('%')) return number;
  const double share = static_cast<double>(number) * total / 100.0;
  return static_cast<int>(round_up ? std::ceil(share) : std::floor(share));
}

void set_unless_zero(Json& object, std::string_view key, std::int64_t value) {
  if (value == 0) {
    object.erase(key);
  } else {
    object.set(key) = value;
  }
}

std::string time_text(WallTime time) {
  return base::format_rfc3339(time);
}

std::optional<WallTime> parse_time(const Json& value) {
  if (!value.is_string()) return std::nullopt;
  const auto time = base::parse_rfc3339(value.str());
  if (!time) return std::nullopt;
  return *time;
}

std::string template_hash(const Json& pod_template) {
  // FNV-1a over the canonical text, written in the alphabet of generated names.
  constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : base::sorted(pod_template).dump()) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  std::string text;
  for (int i = 0; i < 10; ++i) {
    text += alphabet[hash % alphabet.size()];
    hash /= alphabet.size();
  }
  return text;
}

Json pod_from_template(const kube::Resource& owner_resource, const Json& owner, std::string_view suffix) {
  const Json& pod_template = owner.get("spec", "template");
  const std::string prefix = kube::name_of(owner) + "-";
  Json pod = Json::object({{"apiVersion", "v1"}, {"kind", "Pod"}});
  Json& metadata = pod.set("metadata");
  metadata = pod_template["metadata"].is_object() ? pod_template["metadata"] : Json::object();
  metadata.erase("creationTimestamp");
  metadata.set("name") = prefix + std::string(suffix);
  metadata.set("generateName") = prefix;
  metadata.set("namespace") = kube::namespace_of(owner);
  metadata.set("ownerReferences") = Json::array({controller_reference(owner_resource, owner)});
  pod.set("spec") = pod_template["spec"];
  return pod;
}

}  // namespace serin::local
