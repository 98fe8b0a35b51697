#include "local/machinery/builtin.h"

namespace serin::local {

namespace {

void move_member(Json& object, std::string_view from, std::string_view to) {
  const Json* value = object.find(from);
  if (!value) return;
  Json moved = *value;
  object.erase(from);
  object.set(to) = std::move(moved);
}

/// What autoscaling/v1 has no field for travels in these annotations.
constexpr std::string_view metrics_annotation = "autoscaling.alpha.kubernetes.io/metrics";
constexpr std::string_view behavior_annotation = "autoscaling.alpha.kubernetes.io/behavior";

bool is_cpu_utilization(const Json& metric) {
  return metric["type"].str() == "Resource" && metric.get("resource", "name").str() == "cpu" &&
         metric.get("resource", "target", "averageUtilization").is_number();
}

bool is_cpu_status(const Json& metric) {
  return metric["type"].str() == "Resource" && metric.get("resource", "name").str() == "cpu" &&
         metric.get("resource", "current", "averageUtilization").is_number();
}

void hpa_to_v1(Json& hpa) {
  Json others = Json::array();
  bool found = false;
  for (const Json& metric : hpa.get("spec", "metrics").items()) {
    if (!found && is_cpu_utilization(metric)) {
      hpa.set("spec", "targetCPUUtilizationPercentage") =
          Json(metric.get("resource", "target", "averageUtilization"));
      found = true;
    } else {
      others.push_back(metric);
    }
  }
  if (!others.empty()) hpa.set("metadata", "annotations", metrics_annotation) = others.dump();
  hpa.set("spec").erase("metrics");
  if (const Json behavior = hpa.get("spec", "behavior"); !behavior.is_null()) {
    hpa.set("metadata", "annotations", behavior_annotation) = behavior.dump();
    hpa.set("spec").erase("behavior");
  }
  for (const Json& metric : Json(hpa.get("status", "currentMetrics")).items()) {
    if (!is_cpu_status(metric)) continue;
    hpa.set("status", "currentCPUUtilizationPercentage") =
        Json(metric.get("resource", "current", "averageUtilization"));
  }
  Json& status = hpa.set("status");
  status.make_object().erase("currentMetrics");
  status.erase("conditions");
  if (status["currentReplicas"].is_null()) status.set("currentReplicas") = 0;
}

void hpa_to_v2(Json& hpa) {
  Json metrics = Json::array();
  const Json& text = hpa.get("metadata", "annotations", metrics_annotation);
  if (const auto others = Json::parse(text.str()); others) metrics = *others;
  const Json percentage = hpa.get("spec", "targetCPUUtilizationPercentage");
  if (!percentage.is_null()) {
    metrics.push_back(Json::object(
        {{"type", "Resource"},
         {"resource", Json::object({{"name", "cpu"},
                                    {"target", Json::object({{"type", "Utilization"},
                                                             {"averageUtilization", percentage}})}})}}));
    hpa.set("spec").erase("targetCPUUtilizationPercentage");
  }
  if (!metrics.empty()) hpa.set("spec", "metrics") = std::move(metrics);
  const Json& behavior = hpa.get("metadata", "annotations", behavior_annotation);
  if (const auto parsed = Json::parse(behavior.str()); parsed) hpa.set("spec", "behavior") = *parsed;
  if (Json* annotations = hpa.set("metadata").find("annotations")) {
    annotations->erase(metrics_annotation);
    annotations->erase(behavior_annotation);
    if (annotations->empty()) hpa.set("metadata").erase("annotations");
  }
  hpa.set("status").make_object().erase("currentCPUUtilizationPercentage");
}

// --- Ingress

void backend_to_v1(Json& backend) {
  const Json name = backend["serviceName"], port = backend["servicePort"];
  if (!name.is_null()) backend.set("service", "name") = name;
  if (!port.is_null()) backend.set("service", "port", port.is_number() ? "number" : "name") = port;
  backend.erase("serviceName");
  backend.erase("servicePort");
}

void backend_to_v1beta1(Json& backend) {
  const Json service = backend["service"];
  if (service.is_null()) return;
  backend.erase("service");
  backend.set("serviceName") = service["name"];
  const Json& port = service["port"];
  if (port.empty()) return;
  backend.set("servicePort") = port["name"].str().empty() ? port["number"] : port["name"];
}

/// Both ways: `from` and `to` name the default backend, `change` rewrites one backend.
void convert_ingress(Json& ingress, std::string_view from, std::string_view to, void (*change)(Json&)) {
  Json* spec = ingress.find("spec");
  if (!spec) return;
  move_member(*spec, from, to);
  if (Json* backend = spec->find(to)) change(*backend);
  if (!spec->contains("rules")) return;
  for (Json& rule : spec->set("rules").make_array()) {
    if (rule.get("http", "paths").empty()) continue;
    for (Json& path : rule.set("http", "paths").make_array()) {
      if (Json* backend = path.find("backend")) change(*backend);
    }
  }
}

struct Renamed {
  std::string_view core, events;
};
constexpr Renamed event_members[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
};

}  // namespace

void convert(const BuiltinResource& from, const BuiltinResource& to, Json& object) {
  object.set("apiVersion") = to.api_version();
  if (from.group == to.group && from.version == to.version) return;
  if (to.kind == "HorizontalPodAutoscaler") {
    to.version == "v1" ? hpa_to_v1(object) : hpa_to_v2(object);
  } else if (to.kind == "Ingress") {
    const bool was_v1 = from.version == "v1", is_v1 = to.version == "v1";
    if (!was_v1 && is_v1) convert_ingress(object, "backend", "defaultBackend", backend_to_v1);
    if (was_v1 && !is_v1) convert_ingress(object, "defaultBackend", "backend", backend_to_v1beta1);
  } else if (to.kind == "Event") {
    for (const Renamed& name : event_members) {
      const bool to_core = to.group.empty();
      move_member(object, to_core ? name.events : name.core, to_core ? name.core : name.events);
    }
  }
}

}  // namespace serin::local
