#include <fmt/format.h>

#include "local/machinery/builtin.h"
#include "local/machinery/quantity.h"
#include "local/machinery/selectors.h"

namespace serin::local {

namespace {

/// Rewrites every quantity in its canonical form, as reading it into the API's types does.
void canonicalise(Json& value, const Type& type) {
  if (type.kind == Type::Kind::quantity) {
    const auto quantity =
        Quantity::parse(value.is_string() ? std::string_view(value.str()) : value.number_text());
    if (quantity) value = quantity->canonical();
  } else if (value.is_array() && type.element) {
    for (Json& element : value.make_array()) canonicalise(element, *type.element);
  } else if (value.is_object()) {
    for (Json::Member& member : value.make_object()) {
      const Type::Field* field = type.kind == Type::Kind::object ? type.field(member.key) : nullptr;
      const Type* inner = field ? field->type : type.kind == Type::Kind::map ? type.element : nullptr;
      if (inner) canonicalise(member.value, *inner);
    }
  }
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= count ? alphabet[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

void merge_string_data(Json& secret) {
  const Json written = secret["stringData"];
  if (written.is_null()) return;
  for (const Json::Member& member : written.members()) {
    secret.set("data", member.key) = base64(member.value.str());
  }
  secret.erase("stringData");
}

bool asks_for_anything(const Json& container) {
  return !container.get("resources", "requests").empty() || !container.get("resources", "limits").empty();
}

/// Guaranteed: every container has limits for cpu and memory that equal its requests.
bool is_guaranteed(const Json& container) {
  const Json& resources = container["resources"];
  for (const std::string_view name : {"cpu", "memory"}) {
    const Json& limit = resources["limits"][name];
    if (limit.is_null() || resources["requests"][name] != limit) return false;
  }
  return true;
}

std::string_view quality_of_service(const Json& spec) {
  bool any = false;
  bool all = true;
  for (const std::string_view list : {"containers", "initContainers"}) {
    for (const Json& container : spec[list].items()) {
      any = any || asks_for_anything(container);
      all = all && is_guaranteed(container);
    }
  }
  return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

/// What a new object's status is; null for kinds whose status may be given on creation, or that have none.
Json fresh_status(const BuiltinResource& resource, const Json& object) {
  const std::string& kind = resource.kind;
  if (kind == "Deployment") return Json::object();
  if (kind == "ReplicaSet") return Json::object({{"replicas", 0}});
  if (kind == "DaemonSet") {
    return Json::object({{"currentNumberScheduled", 0},
                         {"desiredNumberScheduled", 0},
                         {"numberMisscheduled", 0},
                         {"numberReady", 0}});
  }
  if (kind == "Pod") {
    return Json::object({{"phase", "Pending"}, {"qosClass", quality_of_service(object["spec"])}});
  }
  if (kind == "Service" || kind == "Ingress") return Json::object({{"loadBalancer", Json::object()}});
  if (kind == "HorizontalPodAutoscaler" && resource.version == "v2") {
    return Json::object({{"currentMetrics", Json()}, {"desiredReplicas", 0}});
  }
  if (kind == "HorizontalPodAutoscaler")
    return Json::object({{"currentReplicas", 0}, {"desiredReplicas", 0}});
  if (kind == "PodDisruptionBudget") {
    return Json::object(
        {{"currentHealthy", 0}, {"desiredHealthy", 0}, {"disruptionsAllowed", 0}, {"expectedPods", 0}});
  }
  if (kind == "Namespace") return Json::object({{"phase", "Active"}});
  return {};
}

/// A write of the status changes nothing else but annotations (pods: labels too).
void keep_all_but_status(Json& object, const Json& old, bool labels_too) {
  Json result = old;
  const Json& metadata = object["metadata"];
  for (const std::string_view key : {"annotations", "labels", "managedFields", "resourceVersion"}) {
    if (key == "labels" && !labels_too) continue;
    if (const Json* value = metadata.find(key)) {
      result.set("metadata", key) = *value;
    } else {
      result.set("metadata").erase(key);
    }
  }
  if (const Json* status = object.find("status")) {
    result.set("status") = *status;
  } else {
    result.erase("status");
  }
  object = std::move(result);
}

void complete_event(Json& event, std::string_view group) {
  if (event["eventTime"].is_null()) event.set("eventTime") = Json();
  if (!group.empty()) return;
  for (const std::string_view key : {"reportingComponent", "reportingInstance"}) {
    if (event[key].is_null()) event.set(key) = "";
  }
}

}  // namespace

void prepare_object(const BuiltinResource& resource, Json& object, const Json& old,
                    std::string_view subresource) {
  canonicalise(object, *resource.type);
  if (resource.kind == "Secret") merge_string_data(object);
  if (resource.kind == "Event") complete_event(object, resource.group);
  if (subresource == "status") {
    keep_all_but_status(object, old, resource.kind == "Pod" || resource.kind == "Node");
    return;
  }
  const Json fresh = fresh_status(resource, object);
  if (fresh.is_null()) return;
  if (old.is_null()) {
    object.set("status") = fresh;
  } else if (const Json* status = old.find("status")) {
    object.set("status") = *status;
  } else {
    object.erase("status");
  }
}

Json scale_of(const BuiltinResource& resource, const Json& object) {
  (void)resource;
  Json metadata = Json::object();
  for (const std::string_view key : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    if (const Json* value = object["metadata"].find(key)) metadata.set(key) = *value;
  }
  Json spec = Json::object();
  const std::int64_t replicas = object.get("spec", "replicas").int_or(0);
  if (replicas != 0) spec.set("replicas") = replicas;
  Json status = Json::object({{"replicas", object.get("status", "replicas").int_or(0)}});
  const auto selector = LabelSelector::from_object(object.get("spec", "selector"));
  if (selector && !selector->requirements().empty()) status.set("selector") = selector->text();
  return Json::object({{"kind", "Scale"},
                       {"apiVersion", "autoscaling/v1"},
                       {"metadata", std::move(metadata)},
                       {"spec", std::move(spec)},
                       {"status", std::move(status)}});
}

void set_scale(Json& object, const Json& scale) {
  object.set("spec", "replicas") = scale.get("spec", "replicas").int_or(0);
}

}  // namespace serin::local
