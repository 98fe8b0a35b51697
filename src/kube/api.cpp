#include "kube/api.h"

#include <fmt/format.h>

namespace serin::kube {

std::string Resource::path(std::string_view ns, std::string_view name, std::string_view subresource) const {
  std::string path =
      group.empty() ? fmt::format("/api/{}", version) : fmt::format("/apis/{}/{}", group, version);
  if (namespaced && !ns.empty()) path += fmt::format("/namespaces/{}", ns);
  path += "/" + plural;
  if (!name.empty()) path += fmt::format("/{}", name);
  if (!subresource.empty()) path += fmt::format("/{}", subresource);
  return path;
}

namespace resources {
const Resource namespaces{"", "v1", "namespaces", "Namespace", false};
const Resource nodes{"", "v1", "nodes", "Node", false};
const Resource pods{"", "v1", "pods", "Pod"};
const Resource services{"", "v1", "services", "Service"};
const Resource configmaps{"", "v1", "configmaps", "ConfigMap"};
const Resource secrets{"", "v1", "secrets", "Secret"};
const Resource events{"", "v1", "events", "Event"};
const Resource serviceaccounts{"", "v1", "serviceaccounts", "ServiceAccount"};
const Resource endpointslices{"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"};
const Resource deployments{"apps", "v1", "deployments", "Deployment"};
const Resource replicasets{"apps", "v1", "replicasets", "ReplicaSet"};
const Resource daemonsets{"apps", "v1", "daemonsets", "DaemonSet"};
const Resource hpas{"autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"};
const Resource leases{"coordination.k8s.io", "v1", "leases", "Lease"};
const Resource ingresses{"networking.k8s.io", "v1", "ingresses", "Ingress"};
const Resource crds{"apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
                    false};
const Resource canaries{"flagger.app", "v1beta1", "canaries", "Canary"};
const Resource metric_templates{"flagger.app", "v1beta1", "metrictemplates", "MetricTemplate"};
const Resource alert_providers{"flagger.app", "v1beta1", "alertproviders", "AlertProvider"};
const Resource trafficsplits_v1alpha1{"split.smi-spec.io", "v1alpha1", "trafficsplits", "TrafficSplit"};
}  // namespace resources

std::string name_of(const Json& object) {
  return object.get("metadata", "name").str();
}
std::string namespace_of(const Json& object) {
  return object.get("metadata", "namespace").str();
}
std::string uid_of(const Json& object) {
  return object.get("metadata", "uid").str();
}
std::string resource_version_of(const Json& object) {
  return object.get("metadata", "resourceVersion").str();
}
ObjectRef ref_of(const Json& object) {
  return {namespace_of(object), name_of(object)};
}
bool is_being_deleted(const Json& object) {
  return object.get("metadata", "deletionTimestamp").is_string();
}

const Json& controller_owner(const Json& object) {
  for (const Json& owner : object.get("metadata", "ownerReferences").items()) {
    if (owner["controller"].bool_or(false)) return owner;
  }
  return object.get("metadata", "ownerReferences").at(std::string::npos);
}

}  // namespace serin::kube
