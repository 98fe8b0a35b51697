#include "cli/install.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/embedded_manifests.h"
#include "http/client.h"
#include "local/apiserver/embedded_crds.h"
#include "routing/router.h"

namespace serin::cli {
namespace {

using base::Errc;
using base::fail;
using base::Result;

constexpr std::string_view usual_namespace = "flagger-system";
constexpr std::string_view usual_image = "serin:0.1.0";

/// deploy/<provider>/settings.yaml says the same.
std::string metrics_server_of(const std::string& provider) {
  const bool linkerd =
      provider.starts_with("linkerd") || provider.starts_with("smi") || provider.starts_with("gatewayapi");
  return linkerd ? "http://prometheus.linkerd-viz:9090" : "http://prometheus:9090";
}

bool is_dns_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(
             text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

/// Nothing that would need quotes in YAML.
bool is_image(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._-/:@").contains(c);
  });
}

Result<void> check(const InstallOptions& options) {
  if (!is_dns_label(options.ns))
    return fail(Errc::invalid, fmt::format("-n \"{}\": give the name of a namespace", options.ns));
  if (const auto routers = routing::routers_for(options.mesh_provider, {}); !routers)
    return fail(routers.error().within("-mesh-provider"));
  const auto url = http::Url::parse(options.metrics_server);
  if (!url || options.metrics_server.find_first_of(" \t\r\n\"'#") != std::string::npos) {
    return fail(Errc::invalid, fmt::format("-metrics-server \"{}\": give a URL such as {}",
                                           options.metrics_server, metrics_server_of("linkerd")));
  }
  if (!is_image(options.image))
    return fail(
        Errc::invalid,
        fmt::format("-image \"{}\": give an image such as registry.example/serin:0.1.0", options.image));
  return {};
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

/// Sets one of the container's environment variables, which its arguments refer to.
std::string with_setting(std::string deployment, std::string_view name, std::string_view value) {
  const std::string head = fmt::format("- name: {}\n              value: ", name);
  const auto at = deployment.find(head) + head.size();
  return deployment.replace(at, deployment.find('\n', at) - at, value);
}

std::string deployment_of(const InstallOptions& options) {
  std::string deployment(embedded::deployment_yaml);
  deployment = with_setting(std::move(deployment), "MESH_PROVIDER", options.mesh_provider);
  deployment = with_setting(std::move(deployment), "METRICS_SERVER", options.metrics_server);
  return replaced(std::move(deployment), usual_image, options.image);
}

}  // namespace

Result<std::string> manifests(const InstallOptions& asked) {
  InstallOptions options = asked;
  if (options.metrics_server.empty()) options.metrics_server = metrics_server_of(options.mesh_provider);
  if (options.image.empty()) options.image = usual_image;
  if (const Result<void> checked = check(options); !checked) return fail(checked.error());
  std::string text;
  const auto add = [&](std::string_view document) {
    text += "---\n";
    text += document;
  };
  for (const local::EmbeddedFile& crd : local::embedded_crds()) {
    const bool brought_by_the_mesh = crd.name.contains('/');
    if (!brought_by_the_mesh) add(crd.text);
  }
  if (options.ns == usual_namespace) add(embedded::namespace_yaml);
  add(replaced(std::string(embedded::account_yaml), usual_namespace, options.ns));
  add(replaced(std::string(embedded::role_yaml), usual_namespace, options.ns));
  add(replaced(deployment_of(options), usual_namespace, options.ns));
  if (options.authorization_policy)
    add(replaced(std::string(embedded::authorization_policy_yaml), usual_namespace, options.ns));
  return text;
}

}  // namespace serin::cli
