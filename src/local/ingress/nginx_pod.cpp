#include "local/ingress/nginx_pod.h"

#include <fmt/format.h>

namespace serin::local {

using base::Json;

namespace {

/// Only the pod knows its address where pods share the host's network.
constexpr std::string_view server_script =
    R"sh(echo "listen ${{SERIN_BIND_ADDRESS:-0.0.0.0}}:8080;" > listen.conf
rm -f nginx.pid
exec {0} -p "$PWD" -c nginx.conf -g 'daemon off;')sh";

constexpr std::string_view reloader_script = R"sh(exec 3<> control.fifo
while read -r serial task <&3; do
  [ "$serial" = "$(head -n 1 candidate.conf | cut -c 3-)" ] || continue
  if said=$({0} -t -q -p "$PWD" -c candidate.conf 2>&1); then
    said=ok
    if [ "$task" = apply ]; then
      mv candidate.conf nginx.conf
      [ ! -s nginx.pid ] || kill -HUP "$(cat nginx.pid)"
    fi
  fi
  printf '%s\n%s\n' "$serial" "$said" > verdict.next
  mv verdict.next verdict
done)sh";

Json container(std::string_view name, const std::filesystem::path& folder, std::string script) {
  Json result = Json::object({{"name", name}, {"image", "host"}, {"workingDir", folder.string()}});
  result.set("command") = Json::array({"/bin/sh", "-c", std::move(script)});
  return result;
}

Json named(std::string_view api_version, std::string_view kind, std::string_view ns, std::string_view name) {
  Json object = Json::object({{"apiVersion", api_version}, {"kind", kind}});
  object.set("metadata", "name") = name;
  if (!ns.empty()) object.set("metadata", "namespace") = ns;
  return object;
}

}  // namespace

std::vector<Manifest> nginx_manifests(const std::filesystem::path& folder, const std::string& nginx) {
  const Json labels = Json::object({{"app.kubernetes.io/name", "ingress-nginx"}});

  Json ingress_class = named("networking.k8s.io/v1", "IngressClass", "", "nginx");
  ingress_class.set("spec", "controller") = "k8s.io/ingress-nginx";

  Json service = named("v1", "Service", ingress_namespace, ingress_name);
  service.set("spec", "selector") = labels;
  service.set("spec", "ports") = Json::array(
      {Json::object({{"name", "http"}, {"protocol", "TCP"}, {"port", 80}, {"targetPort", 8080}})});

  Json server = container("controller", folder, fmt::format(server_script, nginx));
  server.set("ports") = Json::array({Json::object({{"name", "http"}, {"containerPort", 8080}})});
  server.set("readinessProbe", "tcpSocket", "port") = 8080;
  server.set("readinessProbe", "periodSeconds") = 1;
  Json deployment = named("apps/v1", "Deployment", ingress_namespace, ingress_name);
  deployment.set("spec", "replicas") = 1;
  // Two of them would write into one folder.
  deployment.set("spec", "strategy", "type") = "Recreate";
  deployment.set("spec", "selector", "matchLabels") = labels;
  deployment.set("spec", "template", "metadata", "labels") = labels;
  deployment.set("spec", "template", "spec", "containers") =
      Json::array({std::move(server), container("reloader", folder, fmt::format(reloader_script, nginx))});

  const kube::Resource classes{"networking.k8s.io", "v1", "ingressclasses", "IngressClass", false};
  return {{kube::resources::namespaces, named("v1", "Namespace", "", ingress_namespace)},
          {classes, std::move(ingress_class)},
          {kube::resources::services, std::move(service)},
          {kube::resources::deployments, std::move(deployment)}};
}

}  // namespace serin::local
