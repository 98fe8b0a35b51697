#include <fmt/format.h>

#include "local/machinery/builtin.h"

namespace serin::local {

namespace {

void default_to(Json& object, std::string_view key, Json value) {
  if (object[key].is_null()) object.set(key) = std::move(value);
}

/// Calls `apply` on every element of a list that is there.
template <class Function>
void each(Json& object, std::string_view key, Function apply) {
  Json* list = object.find(key);
  if (!list || !list->is_array()) return;
  for (Json& element : list->make_array()) apply(element);
}

/// Calls `apply` on a member that is there.
template <class Function>
void with(Json& object, std::string_view key, Function apply) {
  Json* member = object.find(key);
  if (member && member->is_object()) apply(*member);
}

void default_field_ref(Json& reference) {
  default_to(reference, "apiVersion", "v1");
}

void default_http_get(Json& get) {
  default_to(get, "path", "/");
  default_to(get, "scheme", "HTTP");
}

void default_probe(Json& probe) {
  with(probe, "httpGet", default_http_get);
  with(probe, "grpc", [](Json& grpc) { default_to(grpc, "service", ""); });
  default_to(probe, "timeoutSeconds", 1);
  default_to(probe, "periodSeconds", 10);
  default_to(probe, "successThreshold", 1);
  default_to(probe, "failureThreshold", 3);
}

/// "repo/image:tag@digest" without a tag, or with "latest", is always pulled.
std::string_view pull_policy(std::string_view image) {
  if (image.find('@') != std::string_view::npos) return "IfNotPresent";
  const auto slash = image.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? image : image.substr(slash + 1);
  const auto colon = last.find(':');
  return colon == std::string_view::npos || last.substr(colon + 1) == "latest" ? "Always" : "IfNotPresent";
}

/// Limits are also the requests where none are given.
void default_requests(Json& container) {
  const Json limits = container.get("resources", "limits");
  for (const Json::Member& limit : limits.members()) {
    Json& requests = container.set("resources", "requests");
    if (!requests.contains(limit.key)) requests.set(limit.key) = limit.value;
  }
}

void default_container(Json& container, bool is_pod) {
  default_to(container, "imagePullPolicy", pull_policy(container["image"].str()));
  default_to(container, "terminationMessagePath", "/dev/termination-log");
  default_to(container, "terminationMessagePolicy", "File");
  default_to(container, "resources", Json::object());
  if (is_pod) default_requests(container);
  each(container, "ports", [](Json& port) { default_to(port, "protocol", "TCP"); });
  each(container, "env", [](Json& variable) {
    with(variable, "valueFrom", [](Json& source) { with(source, "fieldRef", default_field_ref); });
  });
  for (const std::string_view probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    with(container, probe, default_probe);
  }
  with(container, "lifecycle", [](Json& lifecycle) {
    for (const std::string_view hook : {"postStart", "preStop"}) {
      with(lifecycle, hook, [](Json& handler) { with(handler, "httpGet", default_http_get); });
    }
  });
}

void default_items(Json& source) {
  each(source, "items", [](Json& item) { with(item, "fieldRef", default_field_ref); });
}

void default_volume(Json& volume) {
  constexpr int readable = 420;  // 0644
  if (volume.size() == 1 && volume.contains("name")) volume.set("emptyDir").make_object();
  for (const std::string_view source : {"configMap", "secret", "downwardAPI", "projected"}) {
    with(volume, source, [](Json& content) { default_to(content, "defaultMode", readable); });
  }
  with(volume, "downwardAPI", default_items);
  with(volume, "hostPath", [](Json& path) { default_to(path, "type", ""); });
  with(volume, "projected", [](Json& projected) {
    each(projected, "sources", [](Json& source) {
      with(source, "downwardAPI", default_items);
      with(source, "serviceAccountToken", [](Json& token) { default_to(token, "expirationSeconds", 3600); });
    });
  });
}

void default_pod_spec(Json& spec, bool is_pod) {
  default_to(spec, "restartPolicy", "Always");
  default_to(spec, "terminationGracePeriodSeconds", 30);
  default_to(spec, "dnsPolicy", "ClusterFirst");
  default_to(spec, "securityContext", Json::object());
  default_to(spec, "schedulerName", "default-scheduler");
  if (is_pod) default_to(spec, "enableServiceLinks", true);
  // Each of the two names is kept equal to the other.
  if (!spec["serviceAccountName"].str().empty()) {
    spec.set("serviceAccount") = Json(spec["serviceAccountName"]);
  } else if (!spec["serviceAccount"].str().empty()) {
    spec.set("serviceAccountName") = Json(spec["serviceAccount"]);
  }
  for (const std::string_view list : {"initContainers", "containers", "ephemeralContainers"}) {
    each(spec, list, [&](Json& container) { default_container(container, is_pod); });
  }
  each(spec, "volumes", default_volume);
}

void default_template(Json& spec) {
  with(spec, "template", [](Json& pod) {
    if (pod.get("metadata", "creationTimestamp").is_null()) pod.set("metadata").erase("creationTimestamp");
    pod.set("spec").make_object();
    with(pod, "spec", [](Json& pod_spec) { default_pod_spec(pod_spec, false); });
  });
}

void default_rolling_update(Json& strategy, Json surge, Json unavailable) {
  default_to(strategy, "type", "RollingUpdate");
  if (strategy["type"].str() != "RollingUpdate") return;
  Json& rolling = strategy.set("rollingUpdate");
  rolling.make_object();
  default_to(rolling, "maxUnavailable", std::move(unavailable));
  default_to(rolling, "maxSurge", std::move(surge));
}

void default_deployment(Json& spec) {
  default_to(spec, "replicas", 1);
  default_rolling_update(spec.set("strategy"), "25%", "25%");
  default_to(spec, "revisionHistoryLimit", 10);
  default_to(spec, "progressDeadlineSeconds", 600);
  default_template(spec);
}

void default_daemon_set(Json& spec) {
  default_rolling_update(spec.set("updateStrategy"), 0, 1);
  default_to(spec, "revisionHistoryLimit", 10);
  default_template(spec);
}

void default_service(Json& spec) {
  default_to(spec, "sessionAffinity", "None");
  if (spec["sessionAffinity"].str() == "None") spec.erase("sessionAffinityConfig");
  if (spec["sessionAffinity"].str() == "ClientIP") {
    default_to(spec.set("sessionAffinityConfig", "clientIP"), "timeoutSeconds", 10800);
  }
  default_to(spec, "type", "ClusterIP");
  const std::string type = spec["type"].str();
  each(spec, "ports", [](Json& port) {
    default_to(port, "protocol", "TCP");
    const Json& target = port["targetPort"];
    const bool unset =
        target.is_null() || target.as_int() == 0 || (target.is_string() && target.str().empty());
    if (unset && !port["port"].is_null()) port.set("targetPort") = Json(port["port"]);
  });
  if (type == "NodePort" || type == "LoadBalancer") default_to(spec, "externalTrafficPolicy", "Cluster");
  if (type != "ExternalName") default_to(spec, "internalTrafficPolicy", "Cluster");
  if (type == "LoadBalancer") default_to(spec, "allocateLoadBalancerNodePorts", true);
}

void default_hpa(Json& spec, std::string_view version) {
  default_to(spec, "minReplicas", 1);
  if (version != "v2") return;
  if (spec["metrics"].empty()) {
    spec.set("metrics") = Json::array({Json::object(
        {{"type", "Resource"},
         {"resource", Json::object({{"name", "cpu"},
                                    {"target", Json::object({{"type", "Utilization"},
                                                             {"averageUtilization", 80}})}})}})});
  }
  if (!spec["behavior"].is_object()) return;
  const auto policy = [](std::string_view type, int value) {
    return Json::object({{"type", type}, {"value", value}, {"periodSeconds", 15}});
  };
  Json& up = spec.set("behavior", "scaleUp");
  default_to(up, "stabilizationWindowSeconds", 0);
  default_to(up, "selectPolicy", "Max");
  default_to(up, "policies", Json::array({policy("Pods", 4), policy("Percent", 100)}));
  Json& down = spec.set("behavior", "scaleDown");
  default_to(down, "selectPolicy", "Max");
  default_to(down, "policies", Json::array({policy("Percent", 100)}));
}

void default_crd(Json& spec) {
  Json& names = spec.set("names");
  std::string singular = names["kind"].str();
  for (char& c : singular) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  default_to(names, "singular", singular);
  default_to(names, "listKind", names["kind"].str() + "List");
  default_to(spec, "conversion", Json::object({{"strategy", "None"}}));
}

void default_role_ref(Json& object) {
  with(object, "roleRef",
       [](Json& reference) { default_to(reference, "apiGroup", "rbac.authorization.k8s.io"); });
  each(object, "subjects", [](Json& subject) {
    const std::string& kind = subject["kind"].str();
    if (kind == "User" || kind == "Group") default_to(subject, "apiGroup", "rbac.authorization.k8s.io");
  });
}

/// Before v1 a path needed no type.
void default_old_ingress(Json& spec) {
  each(spec, "rules", [](Json& rule) {
    with(rule, "http", [](Json& http) {
      each(http, "paths", [](Json& path) { default_to(path, "pathType", "ImplementationSpecific"); });
    });
  });
}

}  // namespace

void default_object(const BuiltinResource& resource, Json& object) {
  const std::string& kind = resource.kind;
  const auto spec = [&]() -> Json& { return object.set("spec"); };
  if (kind == "Deployment") {
    default_deployment(spec());
  } else if (kind == "DaemonSet") {
    default_daemon_set(spec());
  } else if (kind == "ReplicaSet") {
    default_to(spec(), "replicas", 1);
    default_template(spec());
  } else if (kind == "Pod") {
    default_pod_spec(spec(), true);
  } else if (kind == "Service") {
    default_service(spec());
  } else if (kind == "HorizontalPodAutoscaler") {
    default_hpa(spec(), resource.version);
  } else if (kind == "Ingress" && resource.version == "v1beta1") {
    default_old_ingress(spec());
  } else if (kind == "Namespace") {
    Json name = object.get("metadata", "name");
    default_to(object.set("metadata", "labels"), "kubernetes.io/metadata.name", std::move(name));
    if (spec()["finalizers"].is_null() && object.get("metadata", "deletionTimestamp").is_null()) {
      spec().set("finalizers") = Json::array({"kubernetes"});
    }
    default_to(object.set("status"), "phase", "Active");
  } else if (kind == "Secret") {
    default_to(object, "type", "Opaque");
  } else if (kind == "EndpointSlice") {
    each(object, "ports", [](Json& port) {
      default_to(port, "name", "");
      default_to(port, "protocol", "TCP");
    });
  } else if (kind == "Endpoints") {
    each(object, "subsets", [](Json& subset) {
      each(subset, "ports", [](Json& port) { default_to(port, "protocol", "TCP"); });
    });
  } else if (kind == "CustomResourceDefinition") {
    default_crd(spec());
  } else if (resource.group == "rbac.authorization.k8s.io") {
    default_role_ref(object);
  }
}

}  // namespace serin::local
