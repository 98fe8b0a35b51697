#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "kube/api.h"

namespace serin::local {

inline constexpr std::string_view ingress_namespace = "ingress-nginx";
inline constexpr std::string_view ingress_name = "ingress-nginx-controller";

/// An object, and the resource it is one of.
struct Manifest {
  kube::Resource resource;
  base::Json object;
};

/// NGINX as the embedded cluster runs it: namespace, IngressClass `nginx`, Service (port 80), and a
/// Deployment of one pod. Its first container is NGINX in `folder`. Its second one tries out configurations:
/// for each line "<serial> test|apply" in control.fifo it has NGINX check candidate.conf and, for apply,
/// takes it into use without dropping a request; what came of it is in the file verdict: the serial, then
/// "ok" or what NGINX said.
std::vector<Manifest> nginx_manifests(const std::filesystem::path& folder, const std::string& nginx);

}  // namespace serin::local
