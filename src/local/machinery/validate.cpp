#include <algorithm>

#include "local/machinery/validation.h"

namespace serin::local {

namespace {

/// The object in the version it is stored in; only Ingress v1beta1 is checked there.
Json as_stored(const BuiltinResource& resource, Json object) {
  const BuiltinResource* storage =
      find_builtin(resource.storage_group, resource.storage_version, resource.storage_plural);
  if (storage && storage != &resource) convert(resource, *storage, object);
  return object;
}

void validate_content(const BuiltinResource& resource, const Json& object, Findings& findings) {
  const std::string& kind = resource.kind;
  if (kind == "Deployment") validate_deployment(object, findings);
  if (kind == "ReplicaSet") validate_replica_set(object, findings);
  if (kind == "DaemonSet") validate_daemon_set(object, findings);
  if (kind == "Pod") validate_pod_spec(object["spec"], "spec", findings);
  if (kind == "Service") validate_service(object, findings);
  if (kind == "HorizontalPodAutoscaler") validate_hpa(object, resource.version, findings);
  if (kind == "Ingress") validate_ingress(as_stored(resource, object), findings);
  if (kind == "ConfigMap") validate_config_map(object, findings);
  if (kind == "Secret") validate_secret(object, findings);
  if (kind == "CustomResourceDefinition") validate_crd(object, findings);
  if (kind == "Lease") validate_lease(object, findings);
}

void immutable(const Json& now, const Json& before, const std::string& field, Findings& findings) {
  if (now != before) findings.add(FieldError::invalid(field, now, "field is immutable"));
}

/// A pod's spec without what may change while it runs.
Json fixed_part(Json spec) {
  for (const std::string_view list : {"containers", "initContainers", "ephemeralContainers"}) {
    Json* containers = spec.find(list);
    if (!containers) continue;
    for (Json& container : containers->make_array()) {
      for (const std::string_view key : {"image", "imagePullPolicy", "resources"}) container.erase(key);
    }
  }
  for (const std::string_view key : {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds",
                                     "nodeName", "schedulingGates", "serviceAccount", "serviceAccountName",
                                     "enableServiceLinks", "priority", "preemptionPolicy"}) {
    spec.erase(key);
  }
  return spec;
}

void validate_pod_change(const Json& object, const Json& old, Findings& findings) {
  const std::string& node = old.get("spec", "nodeName").str();
  const bool moved = !node.empty() && object.get("spec", "nodeName").str() != node;
  if (!moved && fixed_part(object["spec"]) == fixed_part(old["spec"])) return;
  findings.add(FieldError::forbidden(
      "spec",
      "pod updates may not change fields other than "
      "`spec.containers[*].image`,`spec.initContainers[*].image`,"
      "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
      "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"));
}

void validate_service_change(const Json& object, const Json& old, Findings& findings) {
  const std::string& before = old.get("spec", "clusterIP").str();
  const std::string& type = object.get("spec", "type").str();
  if (before.empty() || type == "ExternalName" || old.get("spec", "type").str() == "ExternalName") return;
  if (object.get("spec", "clusterIP").str() == before) return;
  findings.add(
      FieldError::invalid("spec.clusterIPs[0]", object.get("spec", "clusterIPs"), "may not change once set"));
}

void validate_frozen_data(const Json& object, const Json& old, Findings& findings) {
  if (!old["immutable"].bool_or(false)) return;
  if (!object["immutable"].bool_or(false)) {
    findings.add(FieldError::forbidden("immutable", "field is immutable when `immutable` is set"));
  }
  for (const std::string_view key : {"data", "binaryData"}) {
    if (object[key] == old[key]) continue;
    findings.add(FieldError::forbidden(std::string(key), "field is immutable when `immutable` is set"));
  }
}

void validate_change(const BuiltinResource& resource, const Json& object, const Json& old,
                     Findings& findings) {
  const std::string& kind = resource.kind;
  if (kind == "Deployment" || kind == "ReplicaSet" || kind == "DaemonSet") {
    immutable(object.get("spec", "selector"), old.get("spec", "selector"), "spec.selector", findings);
  }
  if (kind == "Pod") validate_pod_change(object, old, findings);
  if (kind == "Service") validate_service_change(object, old, findings);
  if (kind == "ConfigMap" || kind == "Secret") validate_frozen_data(object, old, findings);
  if (kind == "Secret") immutable(object["type"], old["type"], "type", findings);
  if (kind == "EndpointSlice") immutable(object["addressType"], old["addressType"], "addressType", findings);
  if (kind == "IngressClass") {
    immutable(object.get("spec", "controller"), old.get("spec", "controller"), "spec.controller", findings);
  }
  if (kind == "ClusterRoleBinding" || kind == "RoleBinding") {
    if (object["roleRef"] != old["roleRef"]) {
      findings.add(FieldError::invalid("roleRef", object["roleRef"], "cannot change roleRef"));
    }
  }
  if (kind == "CustomResourceDefinition") {
    for (const std::string_view key : {"group", "scope"}) {
      immutable(object.get("spec", key), old.get("spec", key), fmt::format("spec.{}", key), findings);
    }
  }
}

}  // namespace

FieldErrors validate_create(const BuiltinResource& resource, const Json& object) {
  Findings findings;
  findings.add(validate_metadata(resource, object));
  validate_content(resource, object, findings);
  return findings.take();
}

FieldErrors validate_update(const BuiltinResource& resource, const Json& object, const Json& old,
                            std::string_view subresource) {
  Findings findings;
  findings.add(validate_metadata_update(object, old));
  if (!subresource.empty()) return findings.take();
  validate_change(resource, object, old, findings);
  // A pod is judged as a whole only when it is made; what may change later are images, which are no field
  // paths.
  if (resource.kind != "Pod") validate_content(resource, object, findings);
  return findings.take();
}

}  // namespace serin::local
