#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

#include "base/yaml.h"
#include "local/ingress/ingress_plan.h"

namespace serin::local::testing {

/// What a cluster says, from a stream of YAML documents.
inline IngressObjects cluster_of(std::string_view yaml) {
  auto documents = base::parse_yaml(yaml);
  if (!documents) throw std::runtime_error(documents.error().message);
  IngressObjects objects;
  for (base::Json& document : *documents) {
    const std::string kind = document["kind"].str();
    auto& list = kind == "Ingress"        ? objects.ingresses
                 : kind == "IngressClass" ? objects.classes
                 : kind == "Service"      ? objects.services
                                          : objects.endpoint_slices;
    list.push_back(std::make_shared<const base::Json>(std::move(document)));
  }
  return objects;
}

/// A Service in namespace test with one port, "http".
inline std::string service_yaml(std::string_view name, std::string_view address, int port) {
  return fmt::format(R"(
---
kind: Service
metadata: {{name: {}, namespace: test}}
spec: {{clusterIP: {}, ports: [{{name: http, port: {}}}]}}
)",
                     name, address, port);
}

/// What says that somebody is behind it.
inline std::string endpoints_yaml(std::string_view name) {
  return fmt::format(R"(
---
kind: EndpointSlice
metadata: {{name: {0}-1, namespace: test, labels: {{kubernetes.io/service-name: {0}}}}}
ports: [{{name: http}}]
endpoints: [{{addresses: [10.244.0.9], conditions: {{ready: true}}}}]
)",
                     name);
}

/// An Ingress in namespace test with one path. `annotations` is the inside of a YAML flow map.
struct OneRule {
  std::string name, host, service;
  std::string annotations = {};
  std::string path = "/", type = "Prefix";
  std::string created = "2026-01-01T00:00:00Z";

  [[nodiscard]] std::string yaml() const {
    return fmt::format(R"(
---
kind: Ingress
metadata: {{name: {}, namespace: test, creationTimestamp: "{}", annotations: {{{}}}}}
spec:
  rules:
  - host: {}
    http:
      paths: [{{path: "{}", pathType: {}, backend: {{service: {{name: {}, port: {{name: http}}}}}}}}]
)",
                       name, created, annotations, host.empty() ? "\"\"" : host, path, type, service);
  }
};

/// One annotation of ingress-nginx's, for OneRule::annotations.
inline std::string nginx(std::string_view name, std::string_view value) {
  return fmt::format("nginx.ingress.kubernetes.io/{}: '{}'", name, value);
}

}  // namespace serin::local::testing
