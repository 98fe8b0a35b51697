#include "local/machinery/builtin.h"

#include <gtest/gtest.h>

namespace serin::local {
namespace {

Json json(std::string_view text) {
  auto parsed = Json::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Json();
}

struct Fresh {
  const char* written;
  const char* stored;  ///< by kube-apiserver 1.36, without what storage and admission add
};

const Fresh
    fresh_objects[] =
        {
            {R"({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "e4"}, "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "b", "resources": {"limits": {"cpu": "0.1", "memory": "1024Mi"}}, "ports": [{"containerPort": 80}]}]}}}})",
             R"({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "e4"}, "spec": {"progressDeadlineSeconds": 600, "replicas": 1, "revisionHistoryLimit": 10, "selector": {"matchLabels": {"app": "x"}}, "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"image": "b", "imagePullPolicy": "Always", "name": "a", "ports": [{"containerPort": 80, "protocol": "TCP"}], "resources": {"limits": {"cpu": "100m", "memory": "1Gi"}}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}], "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {}, "terminationGracePeriodSeconds": 30}}}, "status": {}})"},
            {R"({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "e4"}, "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "b:1"}]}}}})", R"({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "e4"}, "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"image": "b:1", "imagePullPolicy": "IfNotPresent", "name": "a", "resources": {}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}], "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {}, "terminationGracePeriodSeconds": 30}}}, "status": {"replicas": 0}})"},
            {R"({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "e4"}, "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "b:1"}]}}}})",
             R"({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "e4"}, "spec": {"revisionHistoryLimit": 10, "selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"image": "b:1", "imagePullPolicy": "IfNotPresent", "name": "a", "resources": {}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}], "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {}, "terminationGracePeriodSeconds": 30}}, "updateStrategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}, "type": "RollingUpdate"}}, "status": {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}})"},
            {R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "e4"}, "spec": {"containers": [{"name": "a", "image": "b:1", "resources": {"limits": {"cpu": "1"}}}]}})", R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "e4"}, "spec": {"containers": [{"image": "b:1", "imagePullPolicy": "IfNotPresent", "name": "a", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}], "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {}, "terminationGracePeriodSeconds": 30}, "status": {"phase": "Pending", "qosClass": "Burstable"}})"},
            {R"({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "e4"}, "behavior": {"scaleUp": {}}}})",
             R"({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": {"behavior": {"scaleDown": {"policies": [{"periodSeconds": 15, "type": "Percent", "value": 100}], "selectPolicy": "Max"}, "scaleUp": {"policies": [{"periodSeconds": 15, "type": "Pods", "value": 4}, {"periodSeconds": 15, "type": "Percent", "value": 100}], "selectPolicy": "Max", "stabilizationWindowSeconds": 0}}, "maxReplicas": 2, "metrics": [{"resource": {"name": "cpu", "target": {"averageUtilization": 80, "type": "Utilization"}}, "type": "Resource"}], "minReplicas": 1, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "e4"}}, "status": {"currentMetrics": null, "desiredReplicas": 0}})"},
            {R"({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i"}, "spec": {"rules": [{"host": "a.b", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "x", "port": {"number": 80}}}}]}}]}})",
             R"({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i"}, "spec": {"rules": [{"host": "a.b", "http": {"paths": [{"backend": {"service": {"name": "x", "port": {"number": 80}}}, "path": "/", "pathType": "Prefix"}]}}]}, "status": {"loadBalancer": {}}})"},
            {R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s1"}, "spec": {"ports": [{"port": 80}]}})", R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s1"}, "spec": {"internalTrafficPolicy": "Cluster", "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}], "sessionAffinity": "None", "type": "ClusterIP"}, "status": {"loadBalancer": {}}})"},
            {R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s1"}, "stringData": {"a": "b"}})",
             R"({"apiVersion": "v1", "data": {"a": "Yg=="}, "kind": "Secret", "metadata": {"name": "s1"}, "type": "Opaque"})"},
            {R"({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "s1"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}})",
             R"({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "s1"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}, "status": {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}})"},
            {R"({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "s1"}, "spec": {"holderIdentity": "x"}})",
             R"({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "s1"}, "spec": {"holderIdentity": "x"}})"},
            {R"({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "s1"}, "involvedObject": {"kind": "Pod", "name": "x", "namespace": "default"}, "reason": "R", "message": "M", "type": "Normal", "count": 2, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:01:00Z", "source": {"component": "me"}})",
             R"({"apiVersion": "v1", "count": 2, "eventTime": null, "firstTimestamp": "2026-01-01T00:00:00Z", "involvedObject": {"kind": "Pod", "name": "x", "namespace": "default"}, "kind": "Event", "lastTimestamp": "2026-01-01T00:01:00Z", "message": "M", "metadata": {"name": "s1"}, "reason": "R", "reportingComponent": "", "reportingInstance": "", "source": {"component": "me"}, "type": "Normal"})"},
            {R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n1"}})",
             R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"labels": {"kubernetes.io/metadata.name": "n1"}, "name": "n1"}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})"},
};

TEST(DefaultObject, IsWhatTheApiServerStores) {
  for (const Fresh& c : fresh_objects) {
    Json object = json(c.written);
    const BuiltinResource* resource = find_builtin_kind(object["apiVersion"].str(), object["kind"].str());
    ASSERT_NE(resource, nullptr) << c.written;
    default_object(*resource, object);
    prepare_object(*resource, object, Json(), "");
    EXPECT_EQ(object, json(c.stored)) << sorted(object).dump_pretty() << "\n"
                                      << sorted(json(c.stored)).dump_pretty();
  }
}

TEST(BuiltinResources, AllHaveATypeAndTheCommonFields) {
  for (const BuiltinResource& resource : builtin_resources()) {
    ASSERT_NE(resource.type, nullptr) << resource.kind;
    EXPECT_NE(resource.type->field("metadata"), nullptr) << resource.kind;
  }
  EXPECT_NE(find_builtin_type("Scale"), nullptr);
  EXPECT_NE(find_builtin_type("DeleteOptions"), nullptr);
}

std::string errors_of(std::string_view text) {
  Json object = json(text);
  const BuiltinResource* resource = find_builtin_kind(object["apiVersion"].str(), object["kind"].str());
  if (!resource) return "no such kind";
  if (resource->namespaced) object.set("metadata", "namespace") = "default";
  default_object(*resource, object);
  return StatusError::invalid(resource->group, resource->kind, object.get("metadata", "name").str(),
                              validate_create(*resource, object))
      .message;
}

struct Invalid {
  const char* object;
  const char* message;  ///< of kube-apiserver 1.36
};

const Invalid
    invalid_objects[] =
        {
            {R"({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "My_dep", "labels": {"a b": "c d"}}, "spec": {"replicas": -1, "selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "z"}}, "spec": {"containers": [{"name": "A", "image": "", "ports": [{"containerPort": 99999999, "name": "toolongnameofaport"}]}, {"name": "a", "image": "b", "env": [{"name": "", "value": "x"}], "volumeMounts": [{"name": "nope", "mountPath": "/x"}], "resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}, {"name": "a", "image": "b", "ports": [{"containerPort": 80, "protocol": "XX"}], "imagePullPolicy": "Foo", "livenessProbe": {}, "readinessProbe": {"httpGet": {"path": "x"}, "periodSeconds": -1}}]}}}})", R"~(Deployment.apps "My_dep" is invalid: [metadata.name: Invalid value: "My_dep": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), metadata.labels: Invalid value: "c d": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'), spec.replicas: Invalid value: -1: must be greater than or equal to 0, spec.template.metadata.labels: Invalid value: {"app":"z"}: `selector` does not match template `labels`, spec.template.spec.containers[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), spec.template.spec.containers[0].image: Required value, spec.template.spec.containers[0].ports[0].name: Invalid value: "toolongnameofaport": must be no more than 15 characters, spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 99999999: must be between 1 and 65535, inclusive, spec.template.spec.containers[1].env[0].name: Required value, spec.template.spec.containers[1].volumeMounts[0].name: Not found: "nope", spec.template.spec.containers[1].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1, spec.template.spec.containers[2].ports[0].protocol: Unsupported value: "XX": supported values: "SCTP", "TCP", "UDP", spec.template.spec.containers[2].imagePullPolicy: Unsupported value: "Foo": supported values: "Always", "IfNotPresent", "Never", spec.template.spec.containers[2].name: Duplicate value: "a", spec.template.spec.containers[2].livenessProbe: Required value: must specify a handler type, spec.template.spec.containers[2].readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive, spec.template.spec.containers[2].readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0])~"},
            {R"({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "e1"}, "spec": {}})",
             R"~(Deployment.apps "e1" is invalid: [spec.selector: Required value, spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`, spec.template.spec.containers: Required value])~"},
            {R"({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "e2"}, "spec": {"selector": {"matchLabels": {"app": "x"}}, "strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}, "template": {"spec": {"containers": [{}], "restartPolicy": "Never", "volumes": [{"name": "a"}, {"name": "a", "configMap": {}}, {"name": "B", "secret": {"secretName": "x"}, "emptyDir": {}}]}}}})", R"~(Deployment.apps "e2" is invalid: [spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`, spec.template.spec.volumes[1].configMap.name: Required value, spec.template.spec.volumes[1].name: Duplicate value: "a", spec.template.spec.volumes[2].secret: Forbidden: may not specify more than 1 volume type, spec.template.spec.volumes[2].name: Invalid value: "B": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), spec.template.spec.containers[0].name: Required value, spec.template.spec.containers[0].image: Required value, spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always", spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'])~"},
            {R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "S1"}, "spec": {"ports": [{"port": 0}, {"port": 80, "name": "x", "targetPort": 99999}, {"port": 80, "name": "x", "protocol": "XX"}], "type": "Foo"}})",
             R"~(Service "S1" is invalid: [metadata.name: Invalid value: "S1": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), spec.ports[0].name: Required value, spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[1].targetPort: Invalid value: 99999: must be between 1 and 65535, inclusive, spec.ports[2].name: Duplicate value: "x", spec.ports[2].protocol: Unsupported value: "XX": supported values: "SCTP", "TCP", "UDP", spec.type: Unsupported value: "Foo": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"])~"},
            {R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s1"}, "spec": {}})",
             R"~(Service "s1" is invalid: spec.ports: Required value)~"},
            {R"({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": {"minReplicas": 5, "maxReplicas": 2, "scaleTargetRef": {"kind": "", "name": ""}, "metrics": [{"type": "Foo"}, {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}, {"type": "Resource"}]}})",
             R"~(HorizontalPodAutoscaler.autoscaling "h" is invalid: [spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`, spec.scaleTargetRef.kind: Required value, spec.scaleTargetRef.name: Required value, spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group, spec.metrics[0].type: Unsupported value: "Foo": supported values: "ContainerResource", "External", "Object", "Pods", "Resource", spec.metrics[1].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization, spec.metrics[2].resource: Required value: must populate information for the given metric source])~"},
            {R"({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": {"minReplicas": 0, "maxReplicas": 0}})",
             R"~(HorizontalPodAutoscaler.autoscaling "h" is invalid: [spec.minReplicas: Invalid value: 0: must be greater than or equal to 1, spec.maxReplicas: Required value: must be set and greater than 0, spec.scaleTargetRef.kind: Required value, spec.scaleTargetRef.name: Required value, spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group, spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas])~"},
            {R"({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a b": "x"}})",
             R"~(ConfigMap "c" is invalid: data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+'))~"},
            {R"({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i"}, "spec": {"rules": [{"host": "A_b", "http": {"paths": [{"path": "x", "pathType": "Prefix", "backend": {"service": {"name": "x"}}}, {"path": "/", "backend": {"service": {"name": "", "port": {"number": 80}}}}]}}]}})",
             R"~(Ingress.networking.k8s.io "i" is invalid: [spec.rules[0].host: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path, spec.rules[0].http.paths[0].backend: Required value: port name or number is required, spec.rules[0].http.paths[1].pathType: Required value: pathType must be specified])~"},
            {R"({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i"}, "spec": {}})",
             R"~(Ingress.networking.k8s.io "i" is invalid: spec: Invalid value: null: either `defaultBackend` or `rules` must be specified)~"},
            {R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}})",
             R"~(Pod "p" is invalid: spec.containers: Required value)~"},
            {R"({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d"}, "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "b", "env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}], "envFrom": [{}]}]}}}})", R"~(DaemonSet.apps "d" is invalid: [spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`, spec.template.spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "x": error converting fieldPath: field label not supported: x, spec.template.spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty, spec.template.spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`])~"},
};

TEST(ValidateCreate, SaysWhatTheApiServerSays) {
  for (const Invalid& c : invalid_objects) EXPECT_EQ(errors_of(c.object), c.message) << c.object;
}

TEST(ValidateUpdate, KeepsSelectorsAndNames) {
  Json old = json(fresh_objects[0].stored);
  old.set("metadata", "namespace") = "default";
  Json changed = old;
  changed.set("spec", "selector", "matchLabels", "app") = "q";
  changed.set("spec", "template", "metadata", "labels", "app") = "q";
  const FieldErrors errors = validate_update(*find_builtin("apps", "v1", "deployments"), changed, old);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].text(),
            R"(spec.selector: Invalid value: {"matchLabels":{"app":"q"}}: field is immutable)");
}

TEST(Decode, FindsWrongTypesAndUnknownFields) {
  const BuiltinResource& resource = *find_builtin("apps", "v1", "deployments");
  const auto message = [&](std::string_view text) {
    const auto decoded = decode(text, *resource.type, "v1", "Deployment", FieldValidation::strict);
    return decoded ? std::string() : decoded.error().message;
  };
  EXPECT_EQ(
      message(R"({"spec":{"replicas":"two"}})"),
      "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into Go "
      "struct field DeploymentSpec.spec.replicas of type int32");
  EXPECT_EQ(
      message(R"({"spec":{"template":{"metadata":{"labels":{"a":true}}}}})"),
      "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal bool into Go "
      "struct field ObjectMeta.spec.template.metadata.labels of type string");
  EXPECT_EQ(
      message(
          R"({"spec":{"foo":1,"replicas":1,"replicas":2,"template":{"spec":{"containers":[{"nme":"x"}]}}}})"),
      "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: duplicate "
      "field "
      "\"spec.replicas\", unknown field \"spec.foo\", unknown field "
      "\"spec.template.spec.containers[0].nme\"");
  EXPECT_EQ(
      message(R"({"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"abc"}}}]}}}})"),
      "Deployment in version \"v1\" cannot be handled as a Deployment: quantities must match the regular "
      "expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  const auto lax = decode(R"({"spec":{"foo":1,"paused":null}})", *resource.type, "v1", "Deployment",
                          FieldValidation::warn);
  ASSERT_TRUE(lax);
  EXPECT_EQ(lax->object, json(R"({"spec":{}})"));
  EXPECT_EQ(lax->warnings, std::vector<std::string>{"unknown field \"spec.foo\""});
}

TEST(Convert, HpaThereAndBack) {
  const BuiltinResource& v1 = *find_builtin("autoscaling", "v1", "horizontalpodautoscalers");
  const BuiltinResource& v2 = *find_builtin("autoscaling", "v2", "horizontalpodautoscalers");
  const Json original = json(
      R"({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"h"},"spec":{"maxReplicas":2,
      "metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}]},
      "status":{"currentReplicas":1}})");
  Json object = original;
  convert(v2, v1, object);
  EXPECT_EQ(object.get("spec", "targetCPUUtilizationPercentage").as_int(), 80);
  convert(v1, v2, object);
  EXPECT_EQ(object, original) << object.dump();
}

TEST(Convert, OldIngressThereAndBack) {
  const BuiltinResource& old = *find_builtin("extensions", "v1beta1", "ingresses");
  const BuiltinResource& middle = *find_builtin("networking.k8s.io", "v1beta1", "ingresses");
  const BuiltinResource& v1 = *find_builtin("networking.k8s.io", "v1", "ingresses");
  const Json original = json(R"({"apiVersion":"extensions/v1beta1","kind":"Ingress","metadata":{"name":"i"},
    "spec":{"backend":{"serviceName":"x","servicePort":"http"},"rules":[{"host":"a.b"},{"http":{"paths":[
      {"backend":{"serviceName":"podinfo","servicePort":9898},"pathType":"ImplementationSpecific"}]}}]}})");
  const Json stored = json(R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"i"},
    "spec":{"defaultBackend":{"service":{"name":"x","port":{"name":"http"}}},"rules":[{"host":"a.b"},{"http":{"paths":[
      {"backend":{"service":{"name":"podinfo","port":{"number":9898}}},"pathType":"ImplementationSpecific"}]}}]}})");
  Json object = original;
  convert(old, v1, object);
  EXPECT_EQ(object, stored) << object.dump();
  convert(v1, middle, object);
  convert(middle, old, object);
  EXPECT_EQ(object, original) << object.dump();
}

TEST(Scale, ShowsReplicasAndSelector) {
  const Json scale = scale_of(
      *find_builtin("apps", "v1", "deployments"),
      json(
          R"({"metadata":{"name":"x"},"spec":{"replicas":3,"selector":{"matchLabels":{"a":"b"}}},"status":{"replicas":2}})"));
  EXPECT_EQ(scale["spec"], json(R"({"replicas":3})"));
  EXPECT_EQ(scale["status"], json(R"({"replicas":2,"selector":"a=b"})"));
}

}  // namespace
}  // namespace serin::local
