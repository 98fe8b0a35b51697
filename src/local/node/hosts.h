#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace serin::local {

/// An address that a Service's names stand for: its own, or (headless) that of one of its pods. Without a
/// namespace: what a host of an Ingress stands for, the address that the Ingress is published at.
struct ServiceAddress {
  std::string ns;
  std::string name;
  std::string address;
  bool operator==(const ServiceAddress&) const = default;
};

/// What names resolve to: the clusterIPs of `services`, for headless ones the ready endpoints in their
/// EndpointSlices, and the hosts of published Ingresses, as public DNS would have them. Sorted by namespace
/// and name.
std::vector<ServiceAddress> service_addresses(const std::vector<const base::Json*>& services,
                                              const std::vector<const base::Json*>& headless_slices,
                                              const std::vector<const base::Json*>& ingresses = {});

/// The lines of a hosts file for programs of a namespace: `podinfo`, `podinfo.test`, `podinfo.test.svc` and
/// `podinfo.test.svc.cluster.local`. The bare name stands only for a Service of the own namespace; where all
/// programs share one file (`ns` empty), only for one that no other namespace has too.
std::string service_lines(const std::vector<ServiceAddress>& services, std::string_view ns);

/// A pod's whole hosts file: loopback, the pod itself, the services.
std::string pod_hosts(const std::vector<ServiceAddress>& services, std::string_view ns,
                      std::string_view hostname, std::string_view address);

/// `file` with the marked block replaced by these lines, or without the block if there are none. Everything
/// else stays as it is.
std::string with_marked_lines(std::string_view file, std::string_view lines);

/// Replaces the marked block of the host's hosts file in place (shared mode). Errors say what to do.
base::Result<void> mark_hosts_file(const std::string& path, std::string_view lines);

/// Writes a file without replacing it, so that a bind mount of it shows the new content.
base::Result<void> write_in_place(const std::string& path, std::string_view text);

}  // namespace serin::local
