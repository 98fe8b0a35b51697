#include "local/machinery/builtin.h"

#include <fmt/format.h>

#include <algorithm>

#include "local/machinery/type_table.h"

namespace serin::local {

namespace {

const std::vector<std::string> all_verbs{"create", "delete", "deletecollection", "get",
                                         "list",   "patch",  "update",           "watch"};
const std::vector<std::string> with_status{"status"};

/// One line of the table; what is the same for most resources is filled in by make().
struct Row {
  std::string_view group, version, plural, kind;
  std::string_view type;  ///< in the table of types
  std::vector<std::string> short_names;
  std::vector<std::string> subresources;
  std::vector<std::string> selectable_fields;
  bool namespaced = true;
  bool in_all = false;
  bool has_generation = true;
  std::string_view storage_group = {}, storage_version = {};
};

BuiltinResource make(const Row& row) {
  BuiltinResource resource;
  resource.group = row.group;
  resource.version = row.version;
  resource.plural = row.plural;
  resource.kind = row.kind;
  resource.singular = row.kind;
  for (char& c : resource.singular) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  resource.list_kind = fmt::format("{}List", row.kind);
  resource.short_names = row.short_names;
  if (row.in_all) resource.categories = {"all"};
  resource.namespaced = row.namespaced;
  resource.verbs = all_verbs;
  resource.subresources = row.subresources;
  resource.selectable_fields = row.selectable_fields;
  const bool converted = !row.storage_version.empty();
  resource.storage_group = converted ? row.storage_group : row.group;
  resource.storage_version = converted ? row.storage_version : row.version;
  resource.storage_plural = row.plural;
  resource.has_generation = row.has_generation;
  resource.type = builtin_types().find(row.type);
  return resource;
}

/// A spelling of Ingress from before v1, which manifests of that time still use.
Row old_ingress(std::string_view group, std::string_view type) {
  return {.group = group,
          .version = "v1beta1",
          .plural = "ingresses",
          .kind = "Ingress",
          .type = type,
          .short_names = {"ing"},
          .subresources = with_status,
          .selectable_fields = {},
          .storage_group = "networking.k8s.io",
          .storage_version = "v1"};
}

std::vector<Row> core_rows() {
  const std::vector<std::string> pod_fields{
      "spec.nodeName",    "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
      "spec.hostNetwork", "status.phase",       "status.podIP",       "status.nominatedNodeName"};
  const std::vector<std::string> event_fields{"involvedObject.kind",
                                              "involvedObject.namespace",
                                              "involvedObject.name",
                                              "involvedObject.uid",
                                              "involvedObject.apiVersion",
                                              "involvedObject.resourceVersion",
                                              "involvedObject.fieldPath",
                                              "reason",
                                              "reportingComponent",
                                              "source",
                                              "type"};
  return {
      {"", "v1", "configmaps", "ConfigMap", "core/ConfigMap", {"cm"}, {}, {}, true, false, false},
      {"", "v1", "endpoints", "Endpoints", "core/Endpoints", {"ep"}, {}, {}, true, false, false},
      {"", "v1", "events", "Event", "core/Event", {"ev"}, {}, event_fields, true, false, false},
      {"",
       "v1",
       "namespaces",
       "Namespace",
       "core/Namespace",
       {"ns"},
       {"status", "finalize"},
       {"status.phase"},
       false,
       false,
       false},
      {"",
       "v1",
       "nodes",
       "Node",
       "core/Node",
       {"no"},
       with_status,
       {"spec.unschedulable"},
       false,
       false,
       false},
      {"",
       "v1",
       "pods",
       "Pod",
       "core/Pod",
       {"po"},
       {"status", "log", "exec", "attach", "portforward", "eviction", "binding"},
       pod_fields,
       true,
       true},
      {"", "v1", "secrets", "Secret", "core/Secret", {}, {}, {"type"}, true, false, false},
      {"",
       "v1",
       "serviceaccounts",
       "ServiceAccount",
       "core/ServiceAccount",
       {"sa"},
       {"token"},
       {},
       true,
       false,
       false},
      {"",
       "v1",
       "services",
       "Service",
       "core/Service",
       {"svc"},
       with_status,
       {"spec.clusterIP", "spec.type"},
       true,
       true,
       false},
  };
}

std::vector<Row> group_rows() {
  const std::vector<std::string> scalable{"status", "scale"};
  const std::vector<std::string> event_fields{
      "reason",        "regarding.kind", "regarding.namespace", "regarding.name",
      "regarding.uid", "type",           "reportingController"};
  return {
      {"apiextensions.k8s.io",
       "v1",
       "customresourcedefinitions",
       "CustomResourceDefinition",
       "apiextensions/CustomResourceDefinition",
       {"crd", "crds"},
       with_status,
       {},
       false},
      {"apps", "v1", "daemonsets", "DaemonSet", "apps/DaemonSet", {"ds"}, with_status, {}, true, true},
      {"apps", "v1", "deployments", "Deployment", "apps/Deployment", {"deploy"}, scalable, {}, true, true},
      {"apps",
       "v1",
       "replicasets",
       "ReplicaSet",
       "apps/ReplicaSet",
       {"rs"},
       scalable,
       {"status.replicas"},
       true,
       true},
      {"autoscaling",
       "v2",
       "horizontalpodautoscalers",
       "HorizontalPodAutoscaler",
       "autoscalingv2/HorizontalPodAutoscaler",
       {"hpa"},
       with_status,
       {},
       true,
       true,
       false},
      {"autoscaling",
       "v1",
       "horizontalpodautoscalers",
       "HorizontalPodAutoscaler",
       "autoscalingv1/HorizontalPodAutoscaler",
       {"hpa"},
       with_status,
       {},
       true,
       true,
       false,
       "autoscaling",
       "v2"},
      {"coordination.k8s.io", "v1", "leases", "Lease", "coordination/Lease", {}, {}, {}, true, false, false},
      {"discovery.k8s.io",
       "v1",
       "endpointslices",
       "EndpointSlice",
       "discovery/EndpointSlice",
       {},
       {},
       {},
       true,
       false},
      {"events.k8s.io",
       "v1",
       "events",
       "Event",
       "events/Event",
       {"ev"},
       {},
       event_fields,
       true,
       false,
       false,
       "",
       "v1"},
      {"networking.k8s.io",
       "v1",
       "ingressclasses",
       "IngressClass",
       "networking/IngressClass",
       {},
       {},
       {},
       false},
      {"networking.k8s.io", "v1", "ingresses", "Ingress", "networking/Ingress", {"ing"}, with_status, {}},
      old_ingress("networking.k8s.io", "networkingv1beta1/Ingress"),
      {"policy",
       "v1",
       "poddisruptionbudgets",
       "PodDisruptionBudget",
       "policy/PodDisruptionBudget",
       {"pdb"},
       with_status,
       {}},
      {"rbac.authorization.k8s.io",
       "v1",
       "clusterrolebindings",
       "ClusterRoleBinding",
       "rbac/ClusterRoleBinding",
       {},
       {},
       {},
       false,
       false,
       false},
      {"rbac.authorization.k8s.io",
       "v1",
       "clusterroles",
       "ClusterRole",
       "rbac/ClusterRole",
       {},
       {},
       {},
       false,
       false,
       false},
      {"rbac.authorization.k8s.io",
       "v1",
       "rolebindings",
       "RoleBinding",
       "rbac/RoleBinding",
       {},
       {},
       {},
       true,
       false,
       false},
      {"rbac.authorization.k8s.io", "v1", "roles", "Role", "rbac/Role", {}, {}, {}, true, false, false},
      // Last, so that `kubectl get ingress` means the group that has v1.
      old_ingress("extensions", "extensions/Ingress"),
  };
}

std::vector<BuiltinResource> make_all() {
  std::vector<BuiltinResource> all;
  for (const Row& row : core_rows()) all.push_back(make(row));
  for (const Row& row : group_rows()) all.push_back(make(row));
  return all;
}

}  // namespace

const std::vector<BuiltinResource>& builtin_resources() {
  static const std::vector<BuiltinResource> all = make_all();
  return all;
}

const BuiltinResource* find_builtin(std::string_view group, std::string_view version,
                                    std::string_view plural) {
  const auto& all = builtin_resources();
  const auto found = std::ranges::find_if(all, [&](const BuiltinResource& resource) {
    return resource.group == group && resource.version == version && resource.plural == plural;
  });
  return found == all.end() ? nullptr : &*found;
}

const BuiltinResource* find_builtin_kind(std::string_view api_version, std::string_view kind) {
  const auto& all = builtin_resources();
  const auto found = std::ranges::find_if(all, [&](const BuiltinResource& resource) {
    return resource.kind == kind && resource.api_version() == api_version;
  });
  return found == all.end() ? nullptr : &*found;
}

const Type* find_builtin_type(std::string_view name) {
  constexpr std::string_view sections[] = {"autoscalingv1", "policy", "authentication", "authorization",
                                           "meta"};
  for (const std::string_view section : sections) {
    if (const Type* type = builtin_types().find(fmt::format("{}/{}", section, name))) return type;
  }
  return nullptr;
}

}  // namespace serin::local
