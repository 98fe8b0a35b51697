#include "local/mesh/labels.h"

#include <fmt/format.h>

namespace serin::local::mesh {

namespace {

/// `name="value"`, the value escaped as the text format asks.
std::string label(std::string_view name, std::string_view value) {
  std::string out(name);
  out += "=\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? std::string_view("\\n") : std::string_view(&c, 1);
  }
  return out + '"';
}

std::string target(std::string_view ip, std::uint16_t port) {
  return fmt::format("target_addr=\"{0}:{1}\",target_ip=\"{0}\",target_port=\"{1}\"", ip, port);
}

std::string plain_tls(std::string_view reason) {
  return fmt::format("tls=\"no_identity\",no_tls_reason=\"{}\"", reason);
}

std::string server(std::uint16_t port) {
  return fmt::format("srv_group=\"\",srv_kind=\"default\",srv_name=\"all-unauthenticated\",srv_port=\"{}\"",
                     port);
}

std::string destination(std::string_view service, const MeshPod& pod) {
  const auto hash = pod.labels.find("pod-template-hash");
  std::string out = label("dst_control_plane_ns", "linkerd");
  if (!pod.deployment.empty()) out += "," + label("dst_deployment", pod.deployment);
  out += "," + label("dst_namespace", pod.ns) + "," + label("dst_pod", pod.name);
  if (hash != pod.labels.end()) out += "," + label("dst_pod_template_hash", hash->second);
  if (!service.empty()) out += "," + label("dst_service", service);
  out += "," + label("dst_serviceaccount", pod.service_account);
  return out + R"(,dst_zone="",dst_zone_locality="unknown")";
}

std::string outbound(std::string_view peer, std::string_view authority, std::string_view service,
                     std::string_view ip, std::uint16_t port, const MeshPod* pod) {
  std::string out = R"(direction="outbound")";
  if (!peer.empty()) out += "," + label("peer", peer);
  if (!authority.empty()) out += "," + label("authority", authority);
  out += "," + target(ip, port) + "," + plain_tls("not_provided_by_service_discovery");
  if (pod) out += "," + destination(service, *pod);
  return out;
}

}  // namespace

std::string inbound_labels(std::string_view ip, std::uint16_t port) {
  return fmt::format(
      R"(direction="inbound",{},{},{},route_group="",route_kind="default",route_name="default",authz_group="",)"
      R"(authz_kind="default",authz_name="all-unauthenticated")",
      target(ip, port), plain_tls("no_tls_from_remote"), server(port));
}

std::string outbound_labels(std::string_view authority, std::string_view service, std::string_view ip,
                            std::uint16_t port, const MeshPod* pod) {
  return outbound("", authority, service, ip, port, pod);
}

std::string inbound_source_labels(std::string_view ip, std::uint16_t port) {
  return fmt::format(R"(direction="inbound",peer="src",{},{},{})", target(ip, port),
                     plain_tls("no_tls_from_remote"), server(port));
}

std::string inbound_application_labels() {
  return fmt::format(R"(direction="inbound",peer="dst",{})", plain_tls("loopback"));
}

std::string outbound_source_labels(std::string_view ip, std::uint16_t port) {
  return fmt::format(R"(direction="outbound",peer="src",{},{})", target(ip, port), plain_tls("loopback"));
}

std::string outbound_endpoint_labels(std::string_view authority, std::string_view service,
                                     std::string_view ip, std::uint16_t port, const MeshPod* pod) {
  return outbound("dst", authority, service, ip, port, pod);
}

}  // namespace serin::local::mesh
